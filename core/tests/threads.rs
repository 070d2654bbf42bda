//! One number of threads, inference included. A test alone in its process, since the threads of others would count.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![cfg(target_os = "linux")]

mod common;

use guarita::provider::{LocalProviderConfig, Reply, Request};
use guarita::{Frame, LocalProvider, PixelFormat, Provider, Size, Threads};
use std::sync::mpsc;

fn count() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn frame() -> Frame {
    common::flat(Size::new(200, 120), PixelFormat::Bgr8, &[204, 50, 204])
}

#[test]
fn lent_threads_are_all_there_are() {
    // Builds of ONNX Runtime that send telemetry have one thread for it, unless ORT_DISABLE_TELEMETRY is set. It is
    // started with the first model.
    common::open("v8_nc80.onnx").unwrap();
    let before = count();
    let threads = Threads::new(2).unwrap();
    let detector = common::open("v8_dynamic_batch.onnx").unwrap();
    let config = LocalProviderConfig { queue: 200, ..LocalProviderConfig::default() };
    let local = LocalProvider::on_threads(detector, config, &threads).unwrap();
    let (sender, answers) = mpsc::channel();
    let mut most = 0;
    for _ in 0..100 {
        let sender = sender.clone();
        local.submit(Request::new([frame(), frame()]), Reply::new(move |answer| sender.send(answer).unwrap()));
        most = most.max(count());
    }
    drop(sender);
    for answer in answers {
        answer.unwrap();
        most = most.max(count());
    }
    assert_eq!(most, before + 2);
    drop(local);
    assert_eq!(count(), before + 2, "the host's threads stay");
}

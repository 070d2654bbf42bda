//! A detector that runs takes no large block for a frame: its buffers are those of the call before. (ONNX Runtime has an
//! allocator of its own, which this does not see.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use guarita::frame::Layout;
use guarita::{Frame, PixelFormat, Size};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const LARGE: usize = 64 << 10;

#[test]
fn a_frame_costs_no_large_block() {
    let detector = common::open("v8_nc2_8400.onnx").unwrap();
    let size = Size::new(1920, 1080);
    for format in [PixelFormat::Rgb8, PixelFormat::Bgra8, PixelFormat::Nv12, PixelFormat::I420] {
        let layout = Layout::packed(format, size).unwrap();
        // A channel of 200 is a score of 0.78, so that something is found; it is the luma of the planar ones.
        let frame = Frame::from_owner(vec![200u8; layout.byte_len()], layout).unwrap();
        let (_, first) = counting::during(|| detector.detect(&frame).unwrap());
        // The allocator sees what it should: the tensor alone is 640 × 640 × 3 × 4 bytes, made in the first call of all.
        assert!(format != PixelFormat::Rgb8 || first.largest >= 640 * 640 * 3 * 4, "{first:?}");
        for _ in 0..2 {
            assert_eq!(detector.detect(&frame).unwrap().len(), 1);
        }
        let (_, counted) = counting::during(|| (0..20).for_each(|_| drop(detector.detect(&frame).unwrap())));
        println!(
            "{format}: largest block {} bytes, {} bytes and {} blocks a call",
            counted.largest,
            counted.total / 20,
            counted.blocks / 20
        );
        assert!(counted.largest < LARGE, "{format}: {counted:?}");
    }
}

#[test]
fn a_gate_costs_no_large_block_and_stays_small() {
    use guarita::frame::FrameMeta;
    use guarita::{MotionGate, MotionGateConfig, Timestamp};
    let layout = Layout::packed(PixelFormat::Nv12, Size::new(1920, 1440)).unwrap();
    let frame = |k: usize| {
        let mut pixels = vec![128u8; layout.byte_len()];
        for (at, level) in pixels[..1920 * 1440].iter_mut().enumerate() {
            let (x, y) = (at % 1920, at / 1920);
            let somebody = k > 40 && (300 + 8 * k..360 + 8 * k).contains(&x) && (600..900).contains(&y);
            *level = if somebody { 230 } else { (40 + x / 40 * 3 + y / 60 % 20 + k % 3) as u8 };
        }
        let meta = FrameMeta { pts: Timestamp::from_millis(100 * k as i64), ..FrameMeta::default() };
        Frame::from_owner(pixels, layout.clone()).unwrap().with_meta(meta)
    };
    let frames: Vec<Frame> = (0..80).map(frame).collect();
    let mut gate = MotionGate::new(MotionGateConfig::default()).unwrap();
    // The whole state is made with the first frame: a working picture of 320×240.
    let (_, made) = counting::during(|| gate.observe(&frames[0]).unwrap());
    println!("a gate takes {} bytes", made.total);
    assert!(made.total <= 4_000_000 && made.total > 320 * 240 * 37, "{made:?}");
    for frame in &frames[1..60] {
        gate.observe(frame).unwrap();
    }
    let (open, counted) =
        counting::during(|| frames[60..].iter().filter(|frame| gate.observe(frame).unwrap().open).count());
    assert_eq!(open, 20);
    println!("gate: largest block {} bytes, {} blocks a frame", counted.largest, counted.blocks / 20);
    assert!(counted.largest < LARGE, "{counted:?}");
}

//! What is delivered, and what a sink must do for it: the suite of rules, a process that is killed, a database that goes away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

mod check_sink;
#[cfg(unix)]
mod killed;
#[cfg(unix)]
mod postgres;

use guarita::Event;
use guarita::event::Delivery;
use std::path::PathBuf;
use std::sync::Arc;

/// A folder of the test's own, deleted at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("guarita-delivery-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The n-th event of a camera.
fn event(n: usize) -> Delivery {
    let value = serde_json::json!({
        "id": format!("{n:032x}"), "camera": "gate-7", "trigger": "visitor", "pts_ns": n, "time": 1_700_000_000,
        "zone": "gate", "why": "person 0.91 in gate", "frame": {"width": 640, "height": 480},
        "objects": [{
            "id": n, "bbox": {"x1": 150.0, "y1": 100.0, "x2": 168.0, "y2": 150.0}, "confidence": 0.91,
            "label": {"id": 0, "name": "person"}, "sightings": 1, "since_ns": n,
        }],
    });
    let event: Event = serde_json::from_value(value).unwrap();
    Delivery::Event(Arc::new(event))
}

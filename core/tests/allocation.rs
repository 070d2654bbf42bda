//! A detector that runs takes no large block for a frame: its buffers are those of the call before. (ONNX Runtime has an
//! allocator of its own, which this does not see.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use guarita::{Frame, Layout, PixelFormat, Size};

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

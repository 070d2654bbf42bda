//! A frame whose planes lie in buffers of their own is the same picture as one in a single buffer, for everything that reads
//! pixels, and is not copied.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::Random;
use guarita::frame::{FrameMeta, Layout};
use guarita::imaging::{Canvas, Preprocessor};
use guarita::motion::{BackgroundModel, BackgroundModelConfig};
use guarita::provider::Request;
use guarita::{BoundingBox, Frame, MotionGate, MotionGateConfig, PixelFormat, Provider, Size, Timestamp};
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const FORMATS: [PixelFormat; 7] = [
    PixelFormat::Gray8,
    PixelFormat::Rgb8,
    PixelFormat::Bgr8,
    PixelFormat::Rgba8,
    PixelFormat::Bgra8,
    PixelFormat::Nv12,
    PixelFormat::I420,
];

/// The same picture with its planes apart, their rows padded by up to 70 bytes of any level, and bytes behind the last row.
fn apart(frame: &Frame, random: &mut Random) -> Frame {
    let mut strides = Vec::new();
    let planes: Vec<Vec<u8>> = (0..frame.format().planes())
        .map(|k| {
            let rows: Vec<&[u8]> =
                (0..frame.size().height).map(|y| frame.row(k, y)).filter(|row| !row.is_empty()).collect();
            let padding = random.below(71);
            strides.push(rows[0].len() + padding);
            let last = if random.below(2) == 0 { 0 } else { padding + random.below(100) };
            let mut plane = Vec::new();
            for (at, row) in rows.iter().enumerate() {
                plane.extend(*row);
                plane.extend(random.bytes(if at + 1 < rows.len() { padding } else { last }));
            }
            plane
        })
        .collect();
    let layout = Layout::packed(frame.format(), frame.size()).unwrap().with_strides(&strides).unwrap();
    Frame::from_planes(planes, |planes, k| &planes[k], layout).unwrap().with_meta(frame.meta().clone())
}

fn picture(format: PixelFormat, size: Size, random: &mut Random) -> Frame {
    let layout = Layout::packed(format, size).unwrap();
    Frame::from_owner(random.bytes(layout.byte_len()), layout).unwrap()
}

#[test]
fn tensors_detections_drawings_and_parts_are_the_same() {
    let mut random = Random(0x6775_6172_6974_6171);
    let detector = Arc::new(common::open("v8_nc80.onnx").unwrap());
    let local =
        guarita::LocalProvider::new(Arc::clone(&detector), guarita::provider::LocalProviderConfig::default()).unwrap();
    let mut preprocessor = Preprocessor::new(detector.spec().input.transform.clone());
    let mut found = 0;
    for format in FORMATS {
        for size in [(96, 96), (97, 61), (31, 200), (1, 1), (3, 2), (1, 7), (193, 97)] {
            let whole = picture(format, Size::new(size.0, size.1), &mut random);
            let apart = apart(&whole, &mut random);
            assert!(apart.data().is_none());
            let mut tensor = |frame: &Frame| {
                let mut tensor = vec![0f32; preprocessor.transform().len()];
                preprocessor.write(frame, &mut tensor).unwrap();
                tensor
            };
            assert!(tensor(&whole) == tensor(&apart), "{format} {size:?}: another tensor");
            let detections = detector.detect(&whole).unwrap().items;
            assert_eq!(detections, detector.detect(&apart).unwrap().items, "{format} {size:?}");
            found += detections.len();
            assert!(Canvas::from_frame(&whole).rgb() == Canvas::from_frame(&apart).rgb(), "{format} {size:?}");
            // What a region is cut out of.
            let region = BoundingBox::from_xyxy(0.0, 0.0, size.0 as f32 * 0.7, size.1 as f32 * 0.8);
            if region.area() >= 4.0 {
                let inside = |frame: &Frame| {
                    let answer = local.detect(Request::new([frame.clone()]).with_regions(vec![region])).unwrap();
                    answer.detections.into_iter().flat_map(|found| found.items).collect::<Vec<_>>()
                };
                assert_eq!(inside(&whole), inside(&apart), "{format} {size:?}");
            }
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn decisions_and_masks_are_the_same() {
    let mut random = Random(0x6775_6172_6974_6172);
    let size = Size::new(161, 121);
    for format in FORMATS {
        let mut gates = [(); 2].map(|()| MotionGate::new(MotionGateConfig::default()).unwrap());
        let mut models = [(); 2].map(|()| BackgroundModel::new(BackgroundModelConfig::default()).unwrap());
        let layout = Layout::packed(format, size).unwrap();
        let mut opened = 0;
        for k in 0..60usize {
            // Somebody walks through noise from frame 30 on; of the planar formats, through the luma only.
            let mut pixels: Vec<u8> = random.bytes(layout.byte_len()).iter().map(|level| 90 + level % 4).collect();
            let (row, step) = (layout.planes()[0].stride, layout.planes()[0].stride / size.width as usize);
            for y in 40..80usize {
                let from = y * row + (20 + 2 * k) * step;
                if k >= 30 {
                    pixels[from..from + 20 * step].fill(220);
                }
            }
            let meta = FrameMeta { pts: Timestamp::from_millis(200 * k as i64), ..FrameMeta::default() };
            let whole = Frame::from_owner(pixels, layout.clone()).unwrap().with_meta(meta);
            let frames = [apart(&whole, &mut random), whole];
            let [one, other] = [0, 1].map(|at| gates[at].observe(&frames[at]).unwrap());
            assert_eq!(one, other, "{format} frame {k}");
            opened += usize::from(one.open && k >= 30);
            if !matches!(format, PixelFormat::Rgba8 | PixelFormat::Bgra8) {
                let [one, other] = [0, 1].map(|at| {
                    let mut mask = vec![0; size.pixels() as usize];
                    models[at].apply(&frames[at], None, &mut mask).unwrap();
                    mask
                });
                assert!(one == other, "{format} frame {k}");
            }
        }
        assert!(opened > 20, "{format}: {opened}");
        assert_eq!(gates[0].snapshot(), gates[1].snapshot(), "{format}");
    }
}

#[test]
fn nothing_of_the_planes_is_copied() {
    const LARGE: usize = 64 << 10;
    let size = Size::new(1920, 1080);
    let detector = common::open("v8_nc2_8400.onnx").unwrap();
    for format in [PixelFormat::Nv12, PixelFormat::I420] {
        let layout = Layout::packed(format, size).unwrap();
        let strides: Vec<_> = layout.planes().iter().map(|plane| plane.stride + 64).collect();
        let layout = layout.with_strides(&strides).unwrap();
        let planes: Vec<Vec<u8>> = strides.iter().map(|stride| vec![200; stride * 1080]).collect();
        let at: Vec<*const u8> = planes.iter().map(|plane| plane.as_ptr()).collect();
        let (frame, made) = counting::during(|| Frame::from_planes(planes, |planes, k| &planes[k], layout).unwrap());
        println!("{format}: a frame of planes takes {} bytes in {} blocks", made.total, made.blocks);
        assert!(made.total < 1024, "{made:?}");
        for (k, at) in at.into_iter().enumerate() {
            assert!(std::ptr::eq(frame.plane(k).as_ptr(), at) && std::ptr::eq(frame.clone().row(k, 0).as_ptr(), at));
        }
        let mut gate = MotionGate::new(MotionGateConfig::default()).unwrap();
        for _ in 0..2 {
            assert_eq!(detector.detect(&frame).unwrap().len(), 1);
            gate.observe(&frame).unwrap();
        }
        let (_, counted) = counting::during(|| {
            for _ in 0..10 {
                drop(detector.detect(&frame).unwrap());
                gate.observe(&frame).unwrap();
            }
        });
        assert!(counted.largest < LARGE, "{format}: {counted:?}");
    }
}

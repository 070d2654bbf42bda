use super::*;
use crate::error::ErrorCode;
use crate::frame::{DecodeOptions, Layout, PixelFormat};
use crate::geometry::Polygon;

const LIMITS: PictureLimits = PictureLimits { max_bytes: 5_242_880, min_side: 80, max_side: 10_000 };
const HOW: PictureFitting = PictureFitting { limits: LIMITS, quality: 90, upscale: true };

/// Pixels that compress badly.
fn noise(width: u32, height: u32, format: PixelFormat) -> Frame {
    let layout = Layout::packed(format, Size::new(width, height)).unwrap();
    let mut state = 88_172_645_463_325_252_u64;
    let pixels: Vec<u8> = (0..layout.byte_len())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 56) as u8
        })
        .collect();
    Frame::from_owner(pixels, layout).unwrap()
}

/// A smooth picture, so that what comes back can be compared.
fn slope(width: u32, height: u32) -> Frame {
    let layout = Layout::packed(PixelFormat::Rgb8, Size::new(width, height)).unwrap();
    let pixel = |x: u32, y: u32| [(x * 255 / width) as u8, (y * 255 / height) as u8, 90];
    let pixels: Vec<u8> = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
    Frame::from_owner(pixels, layout).unwrap()
}

fn decoded(bytes: &[u8]) -> Frame {
    Frame::decode(bytes, &DecodeOptions { keep_encoded: true, ..DecodeOptions::default() }).unwrap()
}

fn jpeg(frame: &Frame) -> Vec<u8> {
    fit_picture(frame, None, &[], &HOW).unwrap().bytes
}

/// The same picture in exactly so many bytes, by comments behind its first marker.
fn padded(jpeg: &[u8], len: usize) -> Vec<u8> {
    let mut missing = len - jpeg.len();
    let mut out = jpeg[..2].to_vec();
    while missing > 0 {
        // A comment has at least its marker and its length; nothing shorter may be left over.
        let segment = if missing > 65_537 { 65_000.min(missing - 4) } else { missing };
        out.extend_from_slice(&[0xFF, 0xFE]);
        out.extend_from_slice(&u16::try_from(segment - 2).unwrap().to_be_bytes());
        out.resize(out.len() + segment - 4, b' ');
        missing -= segment;
    }
    out.extend_from_slice(&jpeg[2..]);
    assert_eq!(out.len(), len);
    out
}

#[test]
fn the_limit_of_bytes_to_the_byte() {
    let small = jpeg(&slope(640, 480));
    for (len, sent_as_it_is) in [(5_242_879, true), (5_242_880, true), (5_242_881, false)] {
        let bytes = padded(&small, len);
        let prepared = fit_picture(&decoded(&bytes), None, &[], &HOW).unwrap();
        assert_eq!(prepared.bytes == bytes, sent_as_it_is, "{len}");
        assert_eq!(prepared.quality, (!sent_as_it_is).then_some(90));
        assert!(prepared.bytes.len() <= 5_242_880);
    }
    // What guarita encodes itself: the limit at its very length, and one below.
    let frame = noise(300, 200, PixelFormat::Rgb8);
    let len = jpeg(&frame).len();
    for (max_bytes, quality) in [(len + 1, 90), (len, 90), (len - 1, 80)] {
        let limits = PictureLimits { max_bytes, ..LIMITS };
        let prepared = fit_picture(&frame, None, &[], &PictureFitting { limits, ..HOW }).unwrap();
        assert_eq!(prepared.quality, Some(quality), "{max_bytes} of {len}");
        assert!(prepared.bytes.len() <= max_bytes);
    }
}

#[test]
fn a_picture_too_large_goes_down_the_ladder_and_then_shrinks() {
    let frame = noise(3_000, 2_500, PixelFormat::Rgb8);
    assert!(fit_picture(&frame, None, &[], &HOW).unwrap().bytes.len() <= LIMITS.max_bytes);
    let frame = noise(400, 300, PixelFormat::Rgb8);
    let limits = PictureLimits { max_bytes: jpeg(&frame).len() * 6 / 10, ..LIMITS };
    let prepared = fit_picture(&frame, None, &[], &PictureFitting { limits, ..HOW }).unwrap();
    assert!(prepared.bytes.len() <= limits.max_bytes && prepared.quality < Some(80), "{:?}", prepared.quality);
    assert_eq!(decoded(&prepared.bytes).size(), Size::new(400, 300));
    let frame = noise(400, 300, PixelFormat::Gray8);
    let limits = PictureLimits { max_bytes: 4_000, ..LIMITS };
    let prepared = fit_picture(&frame, None, &[], &PictureFitting { limits, ..HOW }).unwrap();
    assert!(prepared.bytes.len() <= 4_000);
    let sent = decoded(&prepared.bytes);
    assert_eq!((sent.size(), sent.format()), (Size::new(100, 80), PixelFormat::Gray8));
    assert_eq!(prepared.window.to_frame([0.0, 0.0, 1.0, 1.0]).unwrap().to_array(), [0.0, 0.0, 400.0, 300.0]);
    let limits = PictureLimits { max_bytes: 300, ..LIMITS };
    let error = fit_picture(&frame, None, &[], &PictureFitting { limits, ..HOW }).unwrap_err();
    assert_eq!((error.code(), error.advice()), (ErrorCode::ResourceExhausted, Advice::ChangeInput));
}

#[test]
fn sides_out_of_range() {
    for ((width, height), sent) in [
        ((79, 200), Some((80, 203))),
        ((80, 80), None),
        ((1, 1), Some((80, 80))),
        ((10_000, 90), None),
        ((10_001, 5_000), Some((10_000, 5_000))),
        ((20_000, 400), Some((10_000, 200))),
        ((4, 2_000), Some((80, 10_000))),
    ] {
        let target = target_size(Size::new(width, height), &HOW).unwrap();
        assert_eq!(target, sent.map_or(Size::new(width, height), |(w, h)| Size::new(w, h)), "{width}×{height}");
    }
    let refusing = PictureFitting { upscale: false, ..HOW };
    let error = fit_picture(&slope(200, 79), None, &[], &refusing).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(fit_picture(&slope(200, 80), None, &[], &refusing).is_ok());
    assert_eq!(decoded(&jpeg(&slope(40, 20))).size(), Size::new(160, 80));
}

#[test]
fn bytes_are_kept_only_where_nothing_is_to_do() {
    let original = padded(&jpeg(&slope(640, 480)), 50_000);
    let frame = decoded(&original);
    let mask = RedactRegion::from(BoundingBox::from_xyxy(1.0, 1.0, 2.0, 2.0));
    let outside = RedactRegion::from(BoundingBox::from_xyxy(900.0, 1.0, 950.0, 2.0));
    let whole = BoundingBox::from_xyxy(-1.0, 0.0, 640.0, 900.0);
    let part = BoundingBox::from_xyxy(0.0, 0.0, 639.0, 480.0);
    for (region, masks, kept) in [
        (None, vec![], true),
        (Some(&whole), vec![outside], true),
        (Some(&part), vec![], false),
        (None, vec![mask], false),
    ] {
        let prepared = fit_picture(&frame, region, &masks, &HOW).unwrap();
        assert_eq!(prepared.bytes == original, kept, "{region:?} {masks:?}");
    }
    // The frame alone does not keep them.
    let plain = Frame::decode(&original, &DecodeOptions::default()).unwrap();
    assert!(plain.encoded().is_none() && fit_picture(&plain, None, &[], &HOW).unwrap().bytes != original);
}

#[test]
fn boxes_come_back_from_every_cut_and_scale() {
    for frame in [Size::new(640, 480), Size::new(12_000, 300), Size::new(60, 50)] {
        let (w, h) = (frame.width as f32, frame.height as f32);
        for region in [
            None,
            Some(BoundingBox::from_xyxy(0.0, 0.0, w, h)),
            Some(BoundingBox::from_xyxy(10.0, 5.0, w - 3.0, h - 7.0)),
            Some(BoundingBox::from_xyxy(w * 0.5, h * 0.5, w + 100.0, h + 100.0)),
            Some(BoundingBox::from_xyxy(20.25, 10.5, 27.75, 19.5)),
        ] {
            let window = Window::new(frame, region.as_ref()).unwrap();
            let target = target_size(window.size, &HOW).unwrap();
            // A thing in the frame, as a cloud sees it in the picture that it is sent.
            let inside = region.unwrap_or(BoundingBox::from_xyxy(0.0, 0.0, w, h)).clipped(frame);
            let thing = BoundingBox::from_xyxy(
                inside.x1 + inside.width() * 0.25,
                inside.y1 + inside.height() * 0.5,
                inside.x1 + inside.width() * 0.75,
                inside.y2,
            );
            let (gain_x, gain_y) =
                (target.width as f32 / window.size.width as f32, target.height as f32 / window.size.height as f32);
            let left = (thing.x1 - window.left as f32) * gain_x / target.width as f32;
            let top = (thing.y1 - window.top as f32) * gain_y / target.height as f32;
            let width = thing.width() * gain_x / target.width as f32;
            let height = thing.height() * gain_y / target.height as f32;
            let back = window.to_frame([left, top, width, height]).unwrap();
            for (got, want) in back.to_array().into_iter().zip(thing.to_array()) {
                assert!((got - want).abs() < w.max(h) * 1e-6 + 1e-3, "{frame} {region:?}: {back:?} for {thing:?}");
            }
            let all = window.to_frame([-0.5, -0.1, 9.0, 3.0]).unwrap();
            assert_eq!(all, all.clipped(frame));
            let expected = [window.left, window.top, window.left + window.size.width, window.top + window.size.height];
            assert_eq!(all.to_array(), expected.map(|edge| edge as f32));
        }
    }
    let window = Window::new(Size::new(640, 480), None).unwrap();
    for nowhere in
        [[1.2, 0.0, 0.3, 0.3], [0.1, 0.1, 0.0, 0.5], [f32::NAN, 0.0, 1.0, 1.0], [0.0, 0.0, f32::INFINITY, f32::NAN]]
    {
        assert_eq!(window.to_frame(nowhere), None, "{nowhere:?}");
    }
    let nothing = BoundingBox::from_xyxy(700.0, 0.0, 800.0, 10.0);
    assert!(Window::new(Size::new(640, 480), Some(&nothing)).is_err());
}

#[test]
fn the_part_that_is_sent_is_the_part_asked_for_in_every_format() {
    for format in [
        PixelFormat::Gray8,
        PixelFormat::Rgb8,
        PixelFormat::Bgr8,
        PixelFormat::Rgba8,
        PixelFormat::Bgra8,
        PixelFormat::Nv12,
        PixelFormat::I420,
    ] {
        let size = Size::new(301, 203);
        let layout = Layout::packed(format, size).unwrap();
        let mut pixels = vec![128_u8; layout.byte_len()];
        // Light in the part that is cut out, dark around it; the first plane is enough for that.
        let channels = layout.byte_len() / size.pixels() as usize;
        for y in 50..150 {
            pixels[(y * 301 + 100) * channels.max(1)..(y * 301 + 200) * channels.max(1)].fill(230);
        }
        let frame = Frame::from_owner(pixels, layout).unwrap();
        let region = BoundingBox::from_xyxy(100.0, 50.0, 200.0, 150.0);
        let sent = decoded(&fit_picture(&frame, Some(&region), &[], &HOW).unwrap().bytes);
        assert_eq!(sent.size(), Size::new(100, 100), "{format}");
        let (least, most) = sent.data().unwrap().iter().fold((255, 0), |(least, most), &v| (v.min(least), v.max(most)));
        assert!(least > 220 && most - least < 12, "{format}: {least}..{most}");
    }
}

#[test]
fn what_is_masked_is_black_and_does_not_matter() {
    let polygon = Polygon::new([[0.2, 0.2], [0.6, 0.3], [0.3, 0.8]]).unwrap();
    let masks = [polygon.clone().into(), BoundingBox::from_xyxy(500.0, 10.0, 560.0, 90.0).into()];
    let frame = slope(640, 480);
    let mut other = frame.data().unwrap().to_vec();
    for y in 0..480_usize {
        for x in 0..640_usize {
            let in_box = (500..560).contains(&x) && (10..90).contains(&y);
            if in_box || polygon.contains([(x as f32 + 0.5) / 640.0, (y as f32 + 0.5) / 480.0]) {
                other[(y * 640 + x) * 3..][..3].copy_from_slice(&[255, 0, (x * y % 256) as u8]);
            }
        }
    }
    let other = Frame::from_owner(other, frame.layout().clone()).unwrap();
    assert_ne!(jpeg(&frame), jpeg(&other));
    for region in [None, Some(&BoundingBox::from_xyxy(150.0, 60.0, 530.0, 400.0))] {
        let sent = fit_picture(&frame, region, &masks, &HOW).unwrap();
        assert_eq!(sent.bytes, fit_picture(&other, region, &masks, &HOW).unwrap().bytes);
        let picture = decoded(&sent.bytes);
        // (200, 200) of the frame is inside the triangle.
        let (x, y) = (200 - sent.window.left as usize, 200 - sent.window.top);
        assert!(picture.row(0, y)[x * 3..][..3].iter().all(|&level| level < 12));
    }
    let no_box = [RedactRegion::from(BoundingBox::from_xyxy(0.0, f32::NAN, 1.0, 1.0))];
    assert!(fit_picture(&frame, None, &no_box, &HOW).is_err());
}

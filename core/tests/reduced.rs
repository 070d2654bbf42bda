//! `Frame::decode_reduced` beside libjpeg-turbo and beside `Frame::decode`. What libjpeg-turbo makes of the pictures comes
//! from data/make_reduced.py.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use common::{Random, mutate, picture};
use guarita::frame::DecodeLimits;
use guarita::{DecodeOptions, ErrorCode, Frame, PixelFormat, Result, Size};
use std::panic::catch_unwind;

/// As cameras write them.
const STRAIGHT: [&str; 7] = [
    "baseline.jpg",
    "full_chroma.jpg",
    "half_chroma.jpg",
    "tall_chroma.jpg",
    "restarts.jpg",
    "gray.jpg",
    "orientation6.jpg",
];
/// Decoded whole, then made smaller.
const WHOLE: [&str; 4] = ["wide_chroma.jpg", "progressive.jpg", "gray_progressive.jpg", "cmyk.jpg"];

fn reduced(encoded: &[u8], min_width: u32) -> Result<Frame> {
    Frame::decode_reduced(encoded, &DecodeOptions::default(), min_width)
}

fn whole(encoded: &[u8]) -> Result<Frame> {
    Frame::decode(encoded, &DecodeOptions::default())
}

/// Mean and greatest difference of two pictures.
fn differences(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let each = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (each().map(f64::from).sum::<f64>() / a.len() as f64, each().max().unwrap_or(0))
}

/// Means of boxes of a frame's brightness, straight from their definition.
fn boxes(frame: &Frame, by: u32) -> Vec<u8> {
    let Size { width, height } = frame.size();
    let luma = |x: u32, y: u32| {
        let row = frame.row(0, y);
        match frame.format() {
            PixelFormat::Gray8 => f64::from(row[x as usize]),
            _ => {
                let pixel = &row[row.len() / width as usize * x as usize..][..3];
                0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])
            }
        }
    };
    let mut means = Vec::new();
    for top in (0..height).step_by(by as usize) {
        for left in (0..width).step_by(by as usize) {
            let places: Vec<(u32, u32)> =
                (top..height.min(top + by)).flat_map(|y| (left..width.min(left + by)).map(move |x| (x, y))).collect();
            let sum: f64 = places.iter().map(|&(x, y)| luma(x, y)).sum();
            means.push((sum / places.len() as f64).round() as u8);
        }
    }
    means
}

#[test]
fn small_pictures_have_the_pixels_of_libjpeg() {
    for name in STRAIGHT.into_iter().chain(WHOLE).filter(|&name| name != "cmyk.jpg") {
        let (encoded, all) = (picture(name), picture(&name.replace("jpg", "reduced")));
        let mut reference = &all[..];
        for (by, size) in [(1, Size::new(45, 37)), (2, Size::new(23, 19)), (4, Size::new(12, 10)), (8, Size::new(6, 5))]
        {
            let frame = reduced(&encoded, size.width).unwrap();
            assert_eq!((frame.size(), frame.format()), (size, PixelFormat::Gray8), "{name} at 1/{by}");
            assert!(frame.encoded().is_none());
            let (now, later) = reference.split_at(size.pixels() as usize);
            reference = later;
            let (mean, most) = differences(frame.data().unwrap(), now);
            println!("{name} at 1/{by}: mean difference {mean:.3}, most {most}");
            // A block at the edge goes on behind it, and libjpeg takes the mean of all of it; of a picture that was decoded
            // whole there is only what is inside.
            let (mean_limit, most_limit) = if WHOLE.contains(&name) { (2.0, 16) } else { (0.1, 1) };
            let (mean_limit, most_limit) = if by == 1 { (0.1, 1) } else { (mean_limit, most_limit) };
            assert!(mean <= mean_limit && most <= most_limit, "{name} at 1/{by}: mean {mean:.3}, most {most}");
            if WHOLE.contains(&name) && by > 1 {
                // Without the last column and the last row.
                let inside: Vec<usize> = (0..size.pixels() as usize)
                    .filter(|k| k % size.width as usize != size.width as usize - 1)
                    .filter(|k| k / (size.width as usize) < size.height as usize - 1)
                    .collect();
                let most = inside.iter().map(|&k| frame.data().unwrap()[k].abs_diff(now[k])).max().unwrap();
                assert!(most <= 1, "{name} at 1/{by}: {most} inside");
            }
        }
        assert!(reference.is_empty());
    }
}

#[test]
fn every_picture_is_the_mean_of_the_whole_one() {
    let pngs = ["rgb.png", "rgba16.png", "gray_alpha.png", "palette.png", "interlaced.png"];
    for name in STRAIGHT.into_iter().chain(WHOLE).chain(pngs) {
        let encoded = picture(name);
        let frame = whole(&encoded).unwrap();
        for (by, min_width) in [(1, 24), (1, u32::MAX), (2, 13), (4, 7), (8, 1), (8, 0)] {
            let small = reduced(&encoded, min_width).unwrap();
            assert_eq!(small.size(), Size::new(45u32.div_ceil(by), 37u32.div_ceil(by)), "{name} at 1/{by}");
            let expected = boxes(&frame, by);
            let (mean, most) = differences(small.data().unwrap(), &expected);
            // The picture has colours that JPEG's chroma leaves behind: cut at 0 and 255, their brightness is another. And
            // a block at the edge goes on behind it.
            let limit = if name.ends_with("png") { (0.5, 1) } else { (3.0, 40) };
            assert!(mean <= limit.0 && most <= limit.1, "{name} at 1/{by}: mean difference {mean:.3}, most {most}");
        }
    }
}

#[derive(serde::Deserialize)]
struct OfOpenCv {
    path: String,
    by: u32,
    size: [u32; 2],
    cells: Vec<u32>,
}

#[test]
fn real_pictures_are_those_of_opencv_and_those_of_the_whole() {
    let Some(assets) = common::assets("real_pictures_are_those_of_opencv_and_those_of_the_whole") else { return };
    let references: Vec<OfOpenCv> = serde_json::from_slice(&picture("reduced_assets.json")).unwrap();
    assert_eq!(references.len(), 30);
    for OfOpenCv { path, by, size: [width, height], cells } in references {
        let encoded = std::fs::read(assets.join("images").join(&path)).unwrap();
        let small = reduced(&encoded, width).unwrap();
        assert_eq!(small.size(), Size::new(width, height), "{path} at 1/{by}");
        let (mean, most) = differences(small.data().unwrap(), &boxes(&whole(&encoded).unwrap(), by));
        let edge = |k: u32, of: u32, side: u32| (k * side / of) as usize;
        let mut far = 0f64;
        for (k, &cell) in (0u32..).zip(&cells) {
            let (xs, ys) = (k % 12, k / 12);
            let pixels: Vec<f64> = (edge(ys, 9, height)..edge(ys + 1, 9, height))
                .flat_map(|y| {
                    small.row(0, y as u32)[edge(xs, 12, width)..edge(xs + 1, 12, width)].iter().map(|&n| f64::from(n))
                })
                .collect();
            far = far.max((pixels.iter().sum::<f64>() / pixels.len() as f64 - f64::from(cell) / 100.0).abs());
        }
        println!("{path} at 1/{by}: cells within {far:.3} of OpenCV's; to the whole: mean {mean:.3}, most {most}");
        assert!(far <= 0.1, "{path} at 1/{by}: a cell is {far:.3} off OpenCV's");
        assert!(mean <= 1.0, "{path} at 1/{by}: mean {mean:.3} off the whole");
    }
}

#[test]
fn what_is_no_picture_is_refused_with_the_same_words() {
    let jpeg = picture("baseline.jpg");
    let mut swapped = picture("restarts.jpg");
    let restart = swapped.windows(2).position(|pair| pair == [0xFF, 0xD1]).unwrap();
    swapped[restart + 1] = 0xD5;
    for bytes in [
        &b""[..],
        b"\xFF",
        b"\xFF\xD8",
        b"\xFF\xD8\xFF\xD9",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a\x01\x00\x01\x00",
        &[0; 4096],
        &[&[0xFF, 0xD8][..], &[0xFF; 4096]].concat(),
        &[&[0xFF, 0xD8][..], &[0; 4096]].concat(),
        &jpeg[..jpeg.len() / 2],
        &[&jpeg[..jpeg.len() / 2], &[0xFF, 0xD9]].concat(),
        &picture("rgb.png")[..500],
    ] {
        let (small, large) = (reduced(bytes, 1).unwrap_err(), whole(bytes).unwrap_err());
        assert_eq!((small.code(), small.to_string()), (large.code(), large.to_string()));
    }
    assert_eq!(reduced(&swapped, 1).is_ok(), whole(&swapped).is_ok());
    // Bytes behind the end are no part of it.
    let longer = [&jpeg[..], b"left over \xFF\xD8\xFF\xDA"].concat();
    assert_eq!(reduced(&longer, 1).unwrap().data().unwrap(), reduced(&jpeg, 1).unwrap().data().unwrap());
}

#[test]
fn no_beginning_of_a_picture_is_a_picture() {
    for name in STRAIGHT.into_iter().chain(WHOLE).chain(["rgb.png", "gray16.png"]) {
        let all = picture(name);
        for len in 0..all.len() {
            if let Ok(frame) = reduced(&all[..len], 1) {
                panic!("{name}: the first {len} of {} bytes are a picture of {}", all.len(), frame.size());
            }
        }
    }
}

#[test]
fn an_end_marker_does_not_make_a_cut_scan_whole() {
    for name in STRAIGHT {
        let all = picture(name);
        let scan = all.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
        let first = scan + 2 + usize::from(all[scan + 3]);
        for min_width in [6, 12, 23] {
            for len in first..all.len() - 18 {
                assert!(reduced(&[&all[..len], &[0xFF, 0xD9]].concat(), min_width).is_err(), "{name} cut at {len}");
            }
        }
    }
}

#[test]
fn limits_are_those_of_the_whole_picture() {
    let default = DecodeLimits::default();
    for (name, limits) in [
        ("baseline.jpg", DecodeLimits { max_side: 44, ..default }),
        ("baseline.jpg", DecodeLimits { max_pixels: 45 * 37 - 1, ..default }),
        ("baseline.jpg", DecodeLimits { max_bytes: 45 * 37 * 3 - 1, ..default }),
        ("baseline.jpg", DecodeLimits { max_input_bytes: 100, ..default }),
        ("progressive.jpg", DecodeLimits { max_scans: 2, ..default }),
        ("rgb.png", DecodeLimits { max_pixels: 100, ..default }),
    ] {
        let options = DecodeOptions { limits, ..DecodeOptions::default() };
        let small = Frame::decode_reduced(&picture(name), &options, 1).unwrap_err();
        let large = Frame::decode(&picture(name), &options).unwrap_err();
        assert_eq!(small.code(), ErrorCode::ResourceExhausted, "{name}: {small}");
        assert_eq!(small.to_string(), large.to_string());
        assert_eq!(small.advice(), large.advice());
    }
}

#[test]
fn orientation_turns_the_small_picture_and_counts_for_its_width() {
    let encoded = picture("orientation6.jpg");
    let turn = DecodeOptions { apply_orientation: true, ..DecodeOptions::default() };
    let (plain, turned) = (reduced(&encoded, 12).unwrap(), Frame::decode_reduced(&encoded, &turn, 10).unwrap());
    assert_eq!((plain.size(), turned.size()), (Size::new(12, 10), Size::new(10, 12)));
    for y in 0..10 {
        for x in 0..12 {
            assert_eq!(plain.row(0, y)[x as usize], turned.row(0, x)[9 - y as usize], "{x}, {y}");
        }
    }
    // 37 pixels across when turned: a quarter is 10 wide.
    assert_eq!(Frame::decode_reduced(&encoded, &turn, 11).unwrap().size(), Size::new(19, 23));
    assert_eq!(reduced(&encoded, 11).unwrap().size(), Size::new(12, 10));
}

/// None may panic, and what is refused is refused for the whole picture too.
#[test]
fn no_damaged_jpeg_panics_and_both_ways_refuse_the_same() {
    let mut random = Random(0x6775_6172_6974_6133);
    let names = STRAIGHT.into_iter().chain(WHOLE).collect::<Vec<_>>();
    let originals: Vec<Vec<u8>> = names.iter().map(|name| picture(name)).collect();
    let (mut both, mut neither, mut only_small) = (0, 0, 0);
    const COUNT: usize = 12_000;
    for k in 0..COUNT {
        let which = k % names.len();
        let bytes = mutate(&originals[which], &mut random);
        let min_width = [6, 12, 23][k / names.len() % 3];
        let small = catch_unwind(|| reduced(&bytes, min_width))
            .unwrap_or_else(|_| panic!("{}, mutation {k}: a panic; the bytes: {bytes:02x?}", names[which]));
        match (small, whole(&bytes)) {
            (Ok(frame), other) => {
                assert_eq!(frame.data().unwrap().len() as u64, frame.size().pixels());
                assert_eq!(frame.format(), PixelFormat::Gray8);
                if other.is_ok() { both += 1 } else { only_small += 1 }
            }
            (Err(small), Err(large)) => {
                assert_eq!(small.code(), large.code(), "{}, mutation {k}: {small}, but {large}", names[which]);
                neither += 1;
            }
            (Err(small), Ok(_)) => panic!("{}, mutation {k}: only the small one is refused: {small}", names[which]),
        }
    }
    println!("{COUNT} mutations: {both} decode, {neither} are refused, {only_small} only for the whole picture");
    assert!(both > COUNT / 100 && neither > COUNT / 10);
    assert!(only_small <= COUNT / 200);
}

//! Good and bad pictures through `Frame::decode`. The pictures, and what libjpeg-turbo makes of the JPEG ones, come from
//! data/make_pictures.py.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use common::{Random, mutate, picture};
use guarita::{DecodeOptions, ErrorCode, Frame, PixelFormat, Result, Size};
use std::panic::catch_unwind;

const SIZE: Size = Size::new(45, 37);

const JPEGS: [&str; 9] = [
    "baseline.jpg",
    "full_chroma.jpg",
    "half_chroma.jpg",
    "progressive.jpg",
    "restarts.jpg",
    "gray.jpg",
    "gray_progressive.jpg",
    "cmyk.jpg",
    "orientation6.jpg",
];

const PNGS: [&str; 14] = [
    "rgb.png",
    "interlaced.png",
    "rgba.png",
    "gray.png",
    "gray_alpha.png",
    "gray1.png",
    "gray16.png",
    "gray_alpha16.png",
    "rgb16.png",
    "rgba16.png",
    "interlaced16.png",
    "palette.png",
    "palette_alpha.png",
    "profile_bomb.png",
];

fn decode(encoded: &[u8]) -> Result<Frame> {
    Frame::decode(encoded, &DecodeOptions::default())
}

fn refused(encoded: &[u8], code: ErrorCode, what: &str) {
    match decode(encoded) {
        Ok(frame) => panic!("{what}: a picture of {}", frame.size()),
        Err(error) => assert_eq!(error.code(), code, "{what}: {error}"),
    }
}

#[test]
fn what_is_no_picture_is_refused() {
    refused(b"", ErrorCode::DataCorrupt, "no bytes");
    refused(b"\xFF", ErrorCode::Unsupported, "one byte");
    refused(b"\xFF\xD8", ErrorCode::DataCorrupt, "a start marker");
    refused(b"\xFF\xD8\xFF\xD9", ErrorCode::DataCorrupt, "start and end markers");
    refused(b"\x89PNG\r\n\x1a\n", ErrorCode::DataCorrupt, "a PNG signature");
    refused(b"not a picture at all", ErrorCode::Unsupported, "text");
    refused(b"GIF89a\x01\x00\x01\x00", ErrorCode::Unsupported, "GIF");
    refused(b"RIFF\x10\0\0\0WEBPVP8 ", ErrorCode::Unsupported, "WebP");
    refused(&[0; 4096], ErrorCode::Unsupported, "zeros");
    refused(&[0xFF; 4096], ErrorCode::Unsupported, "ones");
    refused(&[&[0xFF, 0xD8][..], &[0xFF; 4096]].concat(), ErrorCode::DataCorrupt, "a start marker and ones");
    refused(&[&[0xFF, 0xD8][..], &[0; 4096]].concat(), ErrorCode::DataCorrupt, "a start marker and zeros");
}

#[test]
fn files_that_cannot_be_read() {
    let options = DecodeOptions::default();
    let missing = Frame::open("no/such/picture.jpg", &options).unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound);
    assert!(missing.to_string().contains("no/such/picture.jpg"), "{missing}");
    let folder = Frame::open(common::data(""), &options).unwrap_err();
    assert_eq!(folder.code(), ErrorCode::DataCorrupt, "{folder}");
    let script = Frame::open(common::data("make_pictures.py"), &options).unwrap_err();
    assert_eq!(script.code(), ErrorCode::Unsupported);
    assert!(script.to_string().contains("make_pictures.py"), "{script}");
    let good = Frame::open(common::data("baseline.jpg"), &options).unwrap();
    assert_eq!((good.size(), good.format()), (SIZE, PixelFormat::Rgb8));
}

/// A picture of which a part is missing is an error, never a picture with a gray rest.
#[test]
fn no_beginning_of_a_picture_is_a_picture() {
    let mut tried = 0;
    for name in JPEGS.into_iter().chain(PNGS) {
        let whole = picture(name);
        decode(&whole).unwrap_or_else(|error| panic!("{name}: {error}"));
        for len in 0..whole.len() {
            match decode(&whole[..len]) {
                Ok(_) => panic!("{name}: the first {len} of {} bytes decode", whole.len()),
                Err(error) => {
                    let expected = if len == 0 || len > 3 { ErrorCode::DataCorrupt } else { error.code() };
                    assert_eq!(error.code(), expected, "{name}, {len} bytes: {error}");
                }
            }
            tried += 1;
        }
    }
    println!("{tried} beginnings");
}

/// A camera that runs out of buffer may write an end marker where the picture stops. Told apart in JPEGs of one scan,
/// which is what cameras send.
#[test]
fn an_end_marker_does_not_make_a_cut_scan_whole() {
    for name in JPEGS.into_iter().filter(|name| !name.contains("progressive")) {
        let whole = picture(name);
        let scan = whole.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
        let first = scan + 2 + usize::from(whole[scan + 3]);
        let accepted: Vec<usize> =
            (first..whole.len() - 2).filter(|&len| decode(&[&whole[..len], &[0xFF, 0xD9]].concat()).is_ok()).collect();
        println!(
            "{name}: {} of {} cuts pass, the first at {:?} of {}",
            accepted.len(),
            whole.len() - 2 - first,
            accepted.first(),
            whole.len()
        );
        // What the decoder reads ahead of the last block hides as much at the end: a block or two.
        assert!(
            accepted.iter().all(|&len| len + 2 + 16 >= whole.len()),
            "{name}: cuts at {accepted:?} of {} pass",
            whole.len()
        );
    }
}

#[test]
fn bytes_behind_the_end_do_no_harm() {
    for name in JPEGS.into_iter().chain(PNGS) {
        let whole = picture(name);
        let longer = [&whole[..], b"\0\0 left over \xFF"].concat();
        assert_eq!(decode(&longer).unwrap().data().unwrap(), decode(&whole).unwrap().data().unwrap(), "{name}");
    }
}

#[test]
fn jpegs_have_the_pixels_of_libjpeg() {
    for name in JPEGS {
        let frame = decode(&picture(name)).unwrap();
        let gray = name.starts_with("gray");
        assert_eq!(
            (frame.size(), frame.format()),
            (SIZE, if gray { PixelFormat::Gray8 } else { PixelFormat::Rgb8 }),
            "{name}"
        );
        let reference = picture(&name.replace("jpg", if gray { "luma" } else { "rgb" }));
        assert_eq!(frame.data().unwrap().len(), reference.len(), "{name}");
        let differences: Vec<u8> = frame.data().unwrap().iter().zip(&reference).map(|(a, b)| a.abs_diff(*b)).collect();
        let mean = differences.iter().map(|&n| f64::from(n)).sum::<f64>() / differences.len() as f64;
        let most = differences.iter().max().unwrap();
        println!("{name}: mean difference {mean:.3}, most {most}");
        assert!(mean <= 1.0 && *most <= 6, "{name}: mean difference {mean:.3}, most {most}");
    }
}

/// What the PNG files hold, made from the picture that they were made from.
fn expected_png(name: &str) -> (PixelFormat, Vec<u8>) {
    let source = picture("picture.rgb");
    let reds = || source.iter().step_by(3).copied();
    // Alpha of make_pictures.py: five times the column.
    let with_alpha = |rgb: &[u8]| -> Vec<u8> {
        rgb.chunks(3)
            .enumerate()
            .flat_map(|(k, rgb)| [rgb[0], rgb[1], rgb[2], (k as u32 % SIZE.width * 5) as u8])
            .collect()
    };
    match name {
        "rgb.png" | "interlaced.png" | "rgb16.png" | "profile_bomb.png" => (PixelFormat::Rgb8, source),
        "rgba.png" | "rgba16.png" | "interlaced16.png" => (PixelFormat::Rgba8, with_alpha(&source)),
        "gray.png" | "gray_alpha.png" | "gray16.png" | "gray_alpha16.png" => (PixelFormat::Gray8, reds().collect()),
        "gray1.png" => (PixelFormat::Gray8, reds().map(|red| if red >= 128 { 255 } else { 0 }).collect()),
        "palette.png" => (PixelFormat::Rgb8, source.iter().map(|level| level & 0xC0).collect()),
        "palette_alpha.png" => {
            let reduced: Vec<[u8; 3]> =
                source.chunks(3).map(|rgb| [rgb[0] & 0xC0, rgb[1] & 0xC0, rgb[2] & 0xC0]).collect();
            // The alpha of a colour is its place in the sorted palette.
            let palette: Vec<_> = reduced.iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
            let alpha = |color| palette.iter().position(|&one| one == color).unwrap() as u8;
            (
                PixelFormat::Rgba8,
                reduced.iter().flat_map(|color| [color[0], color[1], color[2], alpha(color)]).collect(),
            )
        }
        other => panic!("{other}"),
    }
}

#[test]
fn every_kind_of_png_is_what_went_in() {
    for name in PNGS {
        let frame = decode(&picture(name)).unwrap();
        let (format, pixels) = expected_png(name);
        assert_eq!((frame.size(), frame.format()), (SIZE, format), "{name}");
        assert!(frame.data().unwrap() == pixels, "{name}: other pixels");
    }
}

#[test]
fn exif_orientation_is_ignored_unless_asked_for() {
    let encoded = picture("orientation6.jpg");
    let as_stored = decode(&encoded).unwrap();
    assert_eq!(as_stored.size(), SIZE);
    let turned =
        Frame::decode(&encoded, &DecodeOptions { apply_orientation: true, ..DecodeOptions::default() }).unwrap();
    assert_eq!(turned.size(), Size::new(SIZE.height, SIZE.width));
    // Orientation 6: the picture is turned clockwise by a quarter.
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            let from = &as_stored.row(0, y)[x as usize * 3..][..3];
            let to = &turned.row(0, x)[(SIZE.height - 1 - y) as usize * 3..][..3];
            assert_eq!(from, to, "{x}, {y}");
        }
    }
    // Nothing to turn by: the same picture either way.
    let plain = picture("baseline.jpg");
    let turned = Frame::decode(&plain, &DecodeOptions { apply_orientation: true, ..DecodeOptions::default() }).unwrap();
    assert_eq!(turned.data().unwrap(), decode(&plain).unwrap().data().unwrap());
}

#[test]
fn encoded_bytes_are_kept_only_where_every_decoder_sees_the_same() {
    let keep = DecodeOptions { keep_encoded: true, ..DecodeOptions::default() };
    let turn = DecodeOptions { apply_orientation: true, ..keep };
    for (name, kept) in [("baseline.jpg", true), ("rgb.png", true), ("orientation6.jpg", false), ("cmyk.jpg", false)] {
        let encoded = picture(name);
        for options in [keep, turn] {
            let frame = Frame::decode(&encoded, &options).unwrap().with_meta(guarita::frame::FrameMeta::default());
            assert_eq!(frame.encoded().is_some(), kept, "{name}");
            assert!(frame.encoded().is_none_or(|bytes| encoded.starts_with(bytes)), "{name}");
        }
        assert!(decode(&encoded).unwrap().encoded().is_none(), "{name}");
    }
    // What a phone puts behind the picture is not the picture.
    let longer = [picture("baseline.jpg"), b"another picture".to_vec()].concat();
    let frame = Frame::decode(&longer, &keep).unwrap();
    assert!(frame.encoded().unwrap().ends_with(&[0xFF, 0xD9]));
    // Nor what an editor left behind it.
    let png = picture("rgb.png");
    let frame = Frame::decode(&[&png[..], b"the picture before it was cut"].concat(), &keep).unwrap();
    assert_eq!(frame.encoded().unwrap(), png);
    // An orientation may stand behind the pixels.
    let (pixels, end) = png.split_at(png.len() - 12);
    let turned = [pixels, EXIF_CHUNK, end].concat();
    assert!(Frame::decode(&turned, &keep).unwrap().encoded().is_none());
    let size = Frame::decode(&png, &turn).unwrap().size();
    assert_eq!(Frame::decode(&turned, &turn).unwrap().size(), Size::new(size.height, size.width));
    // A stray byte before a thumbnail: the end marker of the thumbnail is not that of the picture.
    let jpeg = picture("baseline.jpg");
    let thumbnail = b"\0\xFF\xE1\x00\x12Exif\0\0\xFF\xD8\xFF\xDA..\xFF\xD9..";
    let stray = [&jpeg[..2], thumbnail, &jpeg[2..]].concat();
    let frame = Frame::decode(&stray, &keep).unwrap();
    assert!(frame.encoded().is_none_or(|kept| decode(kept).unwrap().data().unwrap() == frame.data().unwrap()));
}

/// Orientation 6, as a chunk of a PNG.
const EXIF_CHUNK: &[u8] =
    b"\0\0\0\x1AeXIfMM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0\xD6\x67\x4B\x69";

#[test]
fn damage_in_a_png_is_found() {
    // Every chunk has a checksum, so a flipped bit anywhere but in the fields that no decoder needs is found.
    let whole = picture("rgb.png");
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        if let Ok(frame) = decode(&damaged) {
            assert_eq!(
                frame.data().unwrap(),
                decode(&whole).unwrap().data().unwrap(),
                "byte {at} of {}: another picture",
                whole.len()
            );
        }
    }
}

/// Decodes `count` damaged copies: none may panic, and every error says what is wrong with the input.
fn storm(names: &[&str], count: usize, seed: u64) {
    let mut random = Random(seed);
    let originals: Vec<Vec<u8>> = names.iter().map(|name| picture(name)).collect();
    let (mut decoded, mut codes) = (0, std::collections::BTreeMap::<ErrorCode, usize>::new());
    for k in 0..count {
        let which = k % names.len();
        let bytes = mutate(&originals[which], &mut random);
        // Turning reads the EXIF data too, which may be damaged as well.
        let options = DecodeOptions { apply_orientation: k % 3 == 0, ..DecodeOptions::default() };
        match catch_unwind(|| Frame::decode(&bytes, &options)) {
            Ok(Ok(frame)) => {
                assert_eq!(frame.data().unwrap().len(), frame.layout().byte_len());
                decoded += 1;
            }
            Ok(Err(error)) => {
                let typed = matches!(
                    error.code(),
                    ErrorCode::DataCorrupt | ErrorCode::Unsupported | ErrorCode::ResourceExhausted
                );
                assert!(typed, "{}, mutation {k}: {:?} {error}", names[which], error.code());
                *codes.entry(error.code()).or_default() += 1;
            }
            Err(_) => {
                panic!("{}, mutation {k} of seed {seed}: a panic inside decode; the bytes: {bytes:02x?}", names[which])
            }
        }
    }
    println!("{count} mutations of {names:?}: {decoded} decode, {codes:?}");
    // Both must occur, or the mutations are too wild or too tame to test anything.
    assert!(decoded > count / 100 && codes.get(&ErrorCode::DataCorrupt).is_some_and(|&n| n > count / 10));
}

#[test]
fn no_damaged_jpeg_panics() {
    storm(&JPEGS, 10_000, 0x6775_6172_6974_6131);
}

#[test]
fn no_damaged_png_panics() {
    storm(&PNGS, 2_000, 0x6775_6172_6974_6132);
}

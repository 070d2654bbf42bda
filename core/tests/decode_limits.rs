//! Pictures that claim too much are refused before memory is taken. In a file of its own for the counting allocator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "the time is printed for people; nothing depends on it")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::picture;
use counting::{Counted, during};
use guarita::frame::DecodeLimits;
use guarita::{Advice, DecodeOptions, ErrorCode, Frame, PixelFormat};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xFF, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
}

/// Table 0 for coefficients and for classes of lengths: any that the decoder takes will do.
fn huffman(class: u8) -> Vec<u8> {
    let lengths = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    let symbols: Vec<u8> = (0..12).collect();
    segment(0xC4, &[&[class << 4][..], &lengths, &symbols].concat())
}

fn scan(components: &[u8], spectrum: [u8; 3]) -> Vec<u8> {
    let chosen: Vec<u8> = components.iter().flat_map(|&id| [id, 0]).collect();
    segment(0xDA, &[&[components.len() as u8][..], &chosen, &spectrum].concat())
}

/// A JPEG of three channels up to its first scan; `frame` is 0 for baseline, 2 for progressive.
fn jpeg_header(frame: u8, width: u16, height: u16) -> Vec<u8> {
    let [w, h] = [width, height].map(u16::to_be_bytes);
    let frame_header = [8, h[0], h[1], w[0], w[1], 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0];
    let tables = segment(0xDB, &[&[0][..], &[16; 64]].concat());
    [&[0xFF, 0xD8][..], &tables, &segment(0xC0 + frame, &frame_header), &huffman(0), &huffman(1)].concat()
}

/// A whole file by its markers, with next to nothing between them.
fn jpeg(frame: u8, width: u16, height: u16) -> Vec<u8> {
    let spectrum = if frame == 0 { [0, 63, 0] } else { [0, 0, 0] };
    [jpeg_header(frame, width, height), scan(&[1, 2, 3], spectrum), vec![0x12, 0x34, 0x56, 0xFF, 0xD9]].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// rgb.png with another size in its header.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = picture("rgb.png");
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn refused(what: &str, encoded: &[u8], limits: DecodeLimits, field: &str) -> Counted {
    let options = DecodeOptions { limits, ..DecodeOptions::default() };
    let start = std::time::Instant::now();
    let (result, counted) = during(|| Frame::decode(encoded, &options));
    let time = start.elapsed();
    let error = result.map(|frame| frame.size()).expect_err(what);
    println!("{what}: {} bytes in, {} allocated, {time:?}: {error}", encoded.len(), counted.total);
    assert_eq!(error.code(), ErrorCode::ResourceExhausted, "{what}: {error}");
    // The same picture will not fit later either.
    assert_eq!(error.advice(), Advice::ChangeInput, "{what}");
    assert!(error.to_string().contains(field), "{what}: no {field} in: {error}");
    counted
}

#[test]
fn each_limit_is_named_and_kept_before_memory_is_taken() {
    let limits = DecodeLimits::default();
    let small = DecodeLimits { max_bytes: 4_000_000, ..limits };
    for (what, encoded, limits, field) in [
        ("30000 × 30000 JPEG", jpeg(0, 30_000, 30_000), limits, "max_side"),
        ("30000 × 30000 progressive JPEG", jpeg(2, 30_000, 30_000), limits, "max_side"),
        ("65535 × 1 JPEG", jpeg(0, 65_535, 1), limits, "max_side"),
        ("1 × 16385 JPEG", jpeg(0, 1, 16_385), limits, "max_side"),
        ("JPEG of 64 Mpx and a row", jpeg(0, 8192, 8193), limits, "max_pixels"),
        ("1000 × 1400 JPEG", jpeg(0, 1000, 1400), small, "max_bytes"),
        // 3 bytes of pixels and 6 of coefficients each: 4.5 million.
        ("1000 × 500 progressive JPEG", jpeg(2, 1000, 500), small, "max_bytes"),
        ("30000 × 30000 PNG", png(30_000, 30_000), limits, "max_side"),
        ("a PNG as wide as can be", png(0x7FFF_FFFF, 0x7FFF_FFFF), limits, "max_side"),
        ("PNG of 64 Mpx and a row", png(8192, 8193), limits, "max_pixels"),
        ("1000 × 1001 PNG", png(1000, 1001), small, "max_bytes"),
        (
            "progressive JPEG of 10 scans",
            picture("progressive.jpg"),
            DecodeLimits { max_scans: 1, ..limits },
            "max_scans",
        ),
        (
            "1491 bytes of JPEG",
            picture("baseline.jpg"),
            DecodeLimits { max_input_bytes: 1490, ..limits },
            "max_input_bytes",
        ),
        ("3233 bytes of PNG", picture("rgb.png"), DecodeLimits { max_input_bytes: 3232, ..limits }, "max_input_bytes"),
    ] {
        let counted = refused(what, &encoded, limits, field);
        assert!(counted.total < 1_000_000, "{what}: {counted:?}");
    }
}

#[test]
fn what_is_exactly_at_a_limit_passes() {
    let limits = DecodeLimits {
        max_pixels: 45 * 37,
        max_side: 45,
        max_bytes: 45 * 37 * 9,
        max_scans: 10,
        max_input_bytes: picture("progressive.jpg").len() as u64,
    };
    let options = DecodeOptions { limits, ..DecodeOptions::default() };
    Frame::decode(&picture("progressive.jpg"), &options).unwrap();
    for limits in [
        DecodeLimits { max_pixels: limits.max_pixels - 1, ..limits },
        DecodeLimits { max_side: limits.max_side - 1, ..limits },
        DecodeLimits { max_bytes: limits.max_bytes - 1, ..limits },
        DecodeLimits { max_scans: limits.max_scans - 1, ..limits },
        DecodeLimits { max_input_bytes: limits.max_input_bytes - 1, ..limits },
    ] {
        refused("one less", &picture("progressive.jpg"), limits, "limit max_");
    }
    // Without coefficients to keep: 3 bytes a pixel, and 4 for a PNG.
    let limits = DecodeLimits { max_bytes: 45 * 37 * 3, ..DecodeLimits::default() };
    assert!(Frame::decode(&picture("baseline.jpg"), &DecodeOptions { limits, ..DecodeOptions::default() }).is_ok());
}

/// A scan of a progressive JPEG can cost a pass over the picture, however few bytes it has: 11 bytes for 16 Mpx here.
#[test]
fn many_scans_are_refused_in_every_kind_of_jpeg() {
    for (what, frame, spectrum) in [("baseline", 0, [0, 63, 0]), ("progressive", 2, [0, 0, 0])] {
        let mut encoded = jpeg_header(frame, 4000, 4000);
        for _ in 0..1000 {
            encoded.extend(scan(&[1], spectrum));
            encoded.push(0x12);
        }
        encoded.extend([0xFF, 0xD9]);
        let counted = refused(what, &encoded, DecodeLimits::default(), "max_scans");
        assert!(counted.total < 1_000_000, "{what}: {counted:?}");
    }
}

#[test]
fn a_compressed_profile_does_not_unpack_past_the_limit() {
    // Its colour profile unpacks to 4 MiB. The picture is decoded without it, or refused; either way in little memory.
    let limits = DecodeLimits { max_bytes: 500_000, ..DecodeLimits::default() };
    let options = DecodeOptions { limits, ..DecodeOptions::default() };
    let (result, counted) = during(|| Frame::decode(&picture("profile_bomb.png"), &options));
    println!("{:?}: {counted:?}", result.map(|frame| frame.size()));
    assert!(counted.largest <= 1_000_000, "{counted:?}");
}

#[test]
fn decoding_takes_little_more_than_the_picture() {
    // Of a picture this small the decoder's own tables are the larger part.
    for name in ["baseline.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg", "rgb.png", "interlaced16.png"] {
        let encoded = picture(name);
        let (frame, counted) = during(|| Frame::decode(&encoded, &DecodeOptions::default()).unwrap());
        println!("{name}: {counted:?}");
        assert!(frame.format() != PixelFormat::Nv12 && counted.total < 1_000_000, "{name}: {counted:?}");
    }
}

//! JPEGs of every structure are decoded to the pixels that were compared with libjpeg-turbo's, or refused: the same whole and
//! reduced. `make compare-jpeg` makes the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "common/jpeg.rs"]
#[allow(dead_code, reason = "what is drawn by lot is for the fuzz target and the comparison")]
mod jpeg;

use common::picture;
use guarita::{DecodeOptions, ErrorCode, Frame, Result};
use jpeg::{Coding, Component, Decoded, Restart, Row, Scan, Structure, segment, sweep};
use std::collections::BTreeMap;

fn decode(encoded: &[u8]) -> Result<Frame> {
    Decoded::of(encoded).unwrap().map(|decoded| decoded.whole)
}

#[test]
fn every_structure_comes_to_the_end_that_was_compared_with_libjpeg() {
    let table = String::from_utf8(picture("jpeg_structures.txt")).unwrap();
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let expected: BTreeMap<&str, &str> = lines.map(|line| line.split_once('\t').unwrap()).collect();
    let rows = sweep();
    assert_eq!(rows.len(), expected.len(), "`make compare-jpeg COMPARE=--record` writes the table");
    let judge = |row: &Row| {
        let verdict = row.verdict();
        let known = expected.get(&*row.name).copied();
        (verdict.as_deref() != Ok(known.unwrap_or("not in the table")))
            .then(|| format!("{}: {verdict:?}, not {known:?}", row.name))
    };
    // Independent of each other: on all processors.
    let count = std::thread::available_parallelism().map_or(1, |count| count.get());
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let part = |k: usize| rows.iter().skip(k).step_by(count).filter_map(judge).collect::<Vec<_>>();
        let threads: Vec<_> = (0..count).map(|k| scope.spawn(move || part(k))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// Where the segments of a JPEG begin, up to its first scan, and their markers.
fn segments(encoded: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 2;
    while found.last().is_none_or(|(marker, _)| *marker != 0xDA) {
        let length = usize::from(u16::from_be_bytes([encoded[at + 2], encoded[at + 3]]));
        found.push((encoded[at + 1], at..at + 2 + length));
        at += 2 + length;
    }
    found
}

fn without(encoded: &[u8], unwanted: u8) -> Vec<u8> {
    let mut kept = encoded[..2].to_vec();
    let all = segments(encoded);
    for (_, range) in all.iter().filter(|(marker, _)| *marker != unwanted) {
        kept.extend(&encoded[range.clone()]);
    }
    kept.extend(&encoded[all.last().unwrap().1.end..]);
    kept
}

/// Motion JPEG leaves the standard tables out.
#[test]
fn a_frame_without_huffman_tables_has_the_standard_ones() {
    for name in ["baseline.jpg", "full_chroma.jpg", "restarts.jpg"] {
        let whole = picture(name);
        let bare = without(&whole, 0xC4);
        assert!(bare.len() + 400 < whole.len());
        assert_eq!(decode(&bare).unwrap().data().unwrap(), decode(&whole).unwrap().data().unwrap(), "{name}");
    }
    // Tables of its own cannot be guessed.
    let row = sweep().into_iter().find(|row| row.name == "1x1 Baseline together").unwrap();
    let own = row.structures.last().unwrap().write();
    let expected = decode(&own).unwrap();
    assert!(decode(&without(&own, 0xC4)).map_or(true, |frame| frame.data().unwrap() != expected.data().unwrap()));
    // A progressive picture has no standard ones.
    assert_eq!(decode(&without(&picture("gray_progressive.jpg"), 0xC4)).unwrap_err().code(), ErrorCode::DataCorrupt);
}

#[test]
fn what_the_standard_lets_stand_between_segments_changes_nothing() {
    for name in ["baseline.jpg", "progressive.jpg", "gray.jpg", "restarts.jpg"] {
        let whole = picture(name);
        let expected = decode(&whole).unwrap();
        for (_, range) in segments(&whole) {
            let with = |what: &[u8]| [&whole[..range.start], what, &whole[range.start..]].concat();
            // Fill bytes, a comment, an application's own segment.
            for what in [&b"\xFF\xFF\xFF"[..], b"\xFF\xFE\0\x05abc", b"\xFF\xEB\0\x06\xFF\xDA\xFF\xD9"] {
                assert_eq!(decode(&with(what)).unwrap().data().unwrap(), expected.data().unwrap(), "{name}: {what:x?}");
            }
            for what in [&b"ab"[..], b"\0\0\0\0", b"\xFF\x00", b"\xFF\xD8", b"\xFF\xD0", b"\xFF\xDC\0\x04\0\x25"] {
                assert_eq!(decode(&with(what)).unwrap_err().code(), ErrorCode::DataCorrupt, "{name}: {what:x?}");
            }
        }
        // Fill bytes before the end.
        let end = whole.len() - 2;
        let filled = [&whole[..end], b"\xFF\xFF", &whole[end..]].concat();
        assert_eq!(decode(&filled).unwrap().data().unwrap(), expected.data().unwrap(), "{name}");
    }
}

#[test]
fn restart_markers_are_those_that_the_interval_asks_for() {
    let whole = picture("restarts.jpg");
    let expected = decode(&whole).unwrap();
    let marks: Vec<usize> =
        (0..whole.len() - 1).filter(|&at| whole[at] == 0xFF && matches!(whole[at + 1], 0xD0..=0xD7)).collect();
    assert!(marks.len() > 3);
    let end = whole.len() - 2;
    // One more behind the last unit, as some encoders write it.
    let more = [&whole[..end], &[0xFF, 0xD0 + (marks.len() % 8) as u8], &whole[end..]].concat();
    assert_eq!(decode(&more).unwrap().data().unwrap(), expected.data().unwrap());
    let mut swapped = whole.clone();
    swapped[marks[1] + 1] = 0xD7;
    let missing = [&whole[..marks[1]], &whole[marks[1] + 2..]].concat();
    let none = without(&whole, 0xDD);
    for (what, encoded) in [("another order", swapped), ("one is missing", missing), ("no interval", none)] {
        assert_eq!(decode(&encoded).unwrap_err().code(), ErrorCode::DataCorrupt, "{what}");
    }
    // An interval that the picture never reaches.
    let mut longer = whole.clone();
    let at = segments(&whole).iter().find(|(marker, _)| *marker == 0xDD).unwrap().1.start;
    longer[at + 4] = 0xFF;
    assert_eq!(decode(&longer).unwrap_err().code(), ErrorCode::DataCorrupt);
    let plain = picture("baseline.jpg");
    let mut never = plain[..2].to_vec();
    segment(&mut never, 0xDD, &[0xFF, 0xFF]);
    never.extend(&plain[2..]);
    assert_eq!(decode(&never).unwrap().data().unwrap(), decode(&plain).unwrap().data().unwrap());
}

#[test]
fn codings_that_are_not_decoded_are_named() {
    let whole = picture("baseline.jpg");
    let frame = segments(&whole).iter().find(|(marker, _)| *marker == 0xC0).unwrap().1.start;
    let claim = |marker: u8| {
        let mut encoded = whole.clone();
        encoded[frame + 1] = marker;
        encoded
    };
    for (marker, words) in [
        (0xC3, "lossless"),
        (0xC5, "hierarchical"),
        (0xC6, "hierarchical"),
        (0xC7, "hierarchical"),
        (0xC8, "extension"),
        (0xC9, "arithmetic"),
        (0xCA, "arithmetic"),
        (0xCB, "arithmetic"),
        (0xCD, "arithmetic"),
        (0xCE, "arithmetic"),
        (0xCF, "arithmetic"),
        (0xDE, "hierarchical"),
        (0xF7, "extension"),
    ] {
        let error = decode(&claim(marker)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{marker:x}: {error}");
        assert!(error.to_string().contains(words), "{marker:x}: {error}");
    }
    let mut conditioned = whole[..2].to_vec();
    segment(&mut conditioned, 0xCC, &[0, 0x10]);
    conditioned.extend(&whole[2..]);
    assert_eq!(decode(&conditioned).unwrap_err().code(), ErrorCode::Unsupported);
    for bits in [0, 2, 7, 9, 12, 16, 255] {
        for marker in [0xC0, 0xC1, 0xC2] {
            let mut encoded = claim(marker);
            encoded[frame + 4] = bits;
            let error = decode(&encoded).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Unsupported, "{bits} bits: {error}");
            assert!(error.to_string().contains(&format!("{bits} bits")), "{error}");
        }
    }
    for count in [2, 5, 255] {
        let mut encoded = whole[..frame].to_vec();
        let body: Vec<u8> = (0..count).flat_map(|id| [id, 0x11, 0]).collect();
        segment(&mut encoded, 0xC0, &[&[8, 0, 8, 0, 8, count][..], &body].concat());
        encoded.extend(&whole[frame + 19..]);
        assert_eq!(decode(&encoded).unwrap_err().code(), ErrorCode::Unsupported, "{count} components");
    }
}

/// One that is written as a progressive picture, and lacks something.
#[test]
fn scans_of_a_progressive_picture_follow_from_each_other() {
    let scan = |components: &[usize], first, last, high, low| Scan {
        components: components.to_vec(),
        spectrum: (first, last),
        approximation: (high, low),
    };
    let sound = [
        scan(&[0, 1, 2], 0, 0, 0, 0),
        scan(&[0], 1, 63, 0, 1),
        scan(&[0], 1, 63, 1, 0),
        scan(&[1], 1, 63, 0, 0),
        scan(&[2], 1, 63, 0, 0),
    ];
    let written = |scans: Vec<Scan>| {
        let components = [1, 2, 3].map(|id| Component { id, sampling: (1, 1) }).to_vec();
        let (size, restart) = ((45, 37), Restart::Never);
        Structure { size, coding: Coding::Progressive, components, scans, restart, jfif: true, adobe: None }.write()
    };
    decode(&written(sound.to_vec())).unwrap();
    for gone in 0..sound.len() {
        let mut scans = sound.to_vec();
        scans.remove(gone);
        let error = decode(&written(scans)).unwrap_err();
        // Without its first bits, a coefficient has no last one.
        let expected = if gone == 1 { ErrorCode::DataCorrupt } else { ErrorCode::Unsupported };
        assert_eq!(error.code(), expected, "without scan {gone}: {error}");
    }
    for twice in 0..sound.len() {
        let mut scans = sound.to_vec();
        scans.insert(twice, sound[twice].clone());
        assert_eq!(decode(&written(scans)).unwrap_err().code(), ErrorCode::DataCorrupt, "scan {twice} twice");
    }
}

/// Colours are settled where the first scan begins: markers behind it say nothing about them.
#[test]
fn markers_behind_the_scan_do_not_sway_the_colours() {
    let jfif = b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0";
    let adobe = |transform: u8| [b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat();
    for (name, between) in [("baseline.jpg", false), ("progressive.jpg", false), ("progressive.jpg", true)] {
        let whole = picture(name);
        let expected = Decoded::of(&whole).unwrap().unwrap();
        let bare = without(&without(&whole, 0xE0), 0xEE);
        for (encoded, late) in [(&bare, (0xEE, adobe(0))), (&bare, (0xE0, jfif.to_vec())), (&whole, (0xEE, adobe(2)))] {
            let scans: Vec<usize> = (0..encoded.len() - 1).filter(|&at| encoded[at..at + 2] == [0xFF, 0xDA]).collect();
            let at = if between { scans[1] } else { encoded.len() - 2 };
            let mut swayed = encoded[..at].to_vec();
            segment(&mut swayed, late.0, &late.1);
            swayed.extend(&encoded[at..]);
            let found = Decoded::of(&swayed).unwrap().unwrap();
            assert_eq!(found.whole.data().unwrap(), expected.whole.data().unwrap(), "{name} {:x}", late.0);
            assert_eq!(found.reduced[0].data().unwrap(), expected.reduced[0].data().unwrap(), "{name} {:x}", late.0);
        }
    }
}

/// A table is in force from where it stands on: one between two scans changes what follows it only.
#[test]
fn quantisation_that_changes_between_scans_is_refused() {
    let whole = picture("progressive.jpg");
    let second = (0..whole.len() - 1).filter(|&at| whole[at..at + 2] == [0xFF, 0xDA]).nth(1).unwrap();
    let mut encoded = whole[..second].to_vec();
    segment(&mut encoded, 0xDB, &[&[0][..], &[7; 64]].concat());
    encoded.extend(&whole[second..]);
    assert_eq!(decode(&encoded).unwrap_err().code(), ErrorCode::Unsupported);
}

#[test]
fn orientation_is_that_of_the_first_exif_segment() {
    let turn = DecodeOptions { apply_orientation: true, ..DecodeOptions::default() };
    let whole = picture("orientation6.jpg");
    let exif = segments(&whole).into_iter().find(|(marker, _)| *marker == 0xE1).unwrap().1;
    // Damaged EXIF says nothing, and is no reason to refuse a picture.
    let mut damaged = whole.clone();
    damaged[exif.start + 10..exif.start + 14].fill(0xFF);
    let size = Frame::decode(&whole, &turn).unwrap().size();
    let unturned = Frame::decode(&damaged, &turn).unwrap().size();
    assert_eq!((size.width, size.height), (unturned.height, unturned.width));
}

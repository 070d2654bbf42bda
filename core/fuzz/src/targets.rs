//! What is promised of bytes of others.

use crate::jpeg::{Decoded, Structure};
use crate::{literal, nut};
use guarita::budget::{BudgetConfig, Spend};
use guarita::clock::{Moment, UnixTime};
use guarita::frame::{DecodeLimits, FrameMeta, Layout};
use guarita::model::ModelHints;
use guarita::pipeline::PipelineCheckpoint;
use guarita::testkit::{FakeProvider, Step};
use guarita::{
    Budget, CameraConfig, CameraId, DecodeOptions, Error, Frame, ModelSpec, MotionGate, MotionGateConfig, Pipeline,
    PixelFormat, Polygon, Size, Timestamp, check_config,
};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What became of the bytes. Errors are sorted by their words, without the numbers in them.
fn outcome<T>(result: &guarita::Result<T>) -> String {
    let Err(error) = result else { return "taken".into() };
    let message = error.to_string();
    assert!(!message.is_empty() && message.len() <= 4_096, "a message of {} bytes", message.len());
    assert_ne!(error.code(), guarita::ErrorCode::Internal, "{message}");
    format!("{}: {}", error.code(), words(&message))
}

/// The words of a message, without numbers and without what it quotes of the bytes.
fn words(message: &str) -> String {
    let quoted = |c: char| matches!(c, '"' | '\'' | '`' | '[' | '(' | '{');
    let plain = message.split(quoted).step_by(2).flat_map(str::chars);
    plain.filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(60).collect()
}

/// Small, so that a run takes no second.
fn options() -> DecodeOptions {
    let limits = DecodeLimits {
        max_pixels: 1 << 18,
        max_side: 4_096,
        max_bytes: 1 << 24,
        max_scans: 40,
        max_input_bytes: 1 << 20,
    };
    DecodeOptions { limits, apply_orientation: true, ..DecodeOptions::default() }
}

pub(crate) fn jpeg_whole(bytes: &[u8]) -> String {
    if !bytes.starts_with(b"\xFF\xD8") {
        return jpeg_whole(&[b"\xFF\xD8", bytes].concat());
    }
    let frame = Frame::decode(bytes, &options());
    if let Ok(frame) = &frame {
        let channels = if frame.format() == PixelFormat::Gray8 { 1 } else { 3 };
        assert_eq!(frame.data().unwrap().len() as u64, frame.size().pixels() * channels);
    }
    outcome(&frame)
}

/// The first byte is the width that is asked for, and the rest is the picture.
pub(crate) fn jpeg_small(bytes: &[u8]) -> String {
    let Some((&width, bytes)) = bytes.split_first() else { return String::new() };
    if !bytes.starts_with(b"\xFF\xD8") {
        return outcome(&Frame::decode_reduced(bytes, &options(), width.into()));
    }
    let small = Frame::decode_reduced(bytes, &options(), width.into());
    if let Ok(small) = &small {
        assert_eq!((small.format(), small.data().unwrap().len() as u64), (PixelFormat::Gray8, small.size().pixels()));
    }
    outcome(&small)
}

/// The bytes draw the structure of a sound picture: what the whole decoder takes, the small one takes, and shows the same.
pub(crate) fn jpeg_structures(bytes: &[u8]) -> String {
    let mut bytes = bytes.iter();
    let structure = Structure::drawn(&mut |most| usize::from(*bytes.next().unwrap_or(&0)) % most);
    match Decoded::of(&structure.write()) {
        Ok(Ok(decoded)) => {
            if let Some(why) = decoded.contradiction() {
                panic!("{why}: {structure:?}");
            }
            format!("{:?} {} decoded", structure.coding, structure.scans.len())
        }
        Ok(Err(error)) => {
            assert_eq!(error.code(), guarita::ErrorCode::Unsupported, "{error}: {structure:?}");
            outcome::<()>(&Err(error))
        }
        Err(why) => panic!("{why}: {structure:?}"),
    }
}

pub(crate) fn png(bytes: &[u8]) -> String {
    const MARK: &[u8] = b"\x89PNG\r\n\x1a\n";
    if !bytes.starts_with(MARK) {
        return png(&[MARK, bytes].concat());
    }
    // Once as it is, and once with sums that fit.
    let (frame, sealed) = (Frame::decode(bytes, &options()), Frame::decode(&sealed_png(bytes), &options()));
    let small = Frame::decode_reduced(&sealed_png(bytes), &options(), 16);
    assert_eq!(small.is_ok(), sealed.is_ok());
    outcome(&frame);
    outcome(&sealed)
}

/// With the sum of each chunk put right.
fn sealed_png(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap_or_default()) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        let (Some(content), Some(_)) = (bytes.get(at + 4..end), bytes.get(end..end + 4)) else { break };
        sealed[end..end + 4].copy_from_slice(&crc32fast::hash(content).to_be_bytes());
        at = end + 4;
    }
    sealed
}

/// A path that no other run uses. In memory where the system has such a folder.
fn scratch(extension: &str) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("guarita-fuzz-{}-{number}.{extension}", std::process::id()))
}

/// Has a file with these bytes for as long as the work takes.
fn with_file<T>(extension: &str, bytes: &[u8], work: impl FnOnce(&std::path::Path) -> T) -> T {
    let path = scratch(extension);
    std::fs::write(&path, bytes).expect("a file can be written");
    let done = work(&path);
    std::fs::remove_file(&path).expect("a file can be removed");
    done
}

pub(crate) fn model(bytes: &[u8]) -> String {
    with_file("onnx", bytes, |path| {
        let spec = ModelSpec::read(path);
        if let Ok(spec) = &spec {
            let size = spec.input.transform.size;
            assert!(size.pixels() > 0 && size.pixels() <= 1 << 26 && spec.classes.unwrap_or(0) <= 100_000, "{spec:?}");
        }
        outcome(&spec)
    })
}

pub(crate) fn spec_file(bytes: &[u8]) -> String {
    let hints = with_file("spec.toml", bytes, ModelHints::read);
    let Ok(hints) = &hints else { return outcome(&hints) };
    let models = ["nameless_yolo.onnx", "rows_of_seven.onnx", "v8_nc1.onnx"].map(crate::seeds::fixture);
    let read = |path: &PathBuf| {
        let spec = ModelSpec::read_with(path, hints);
        if let Ok(spec) = &spec {
            let (mean, std) = (spec.input.transform.mean, spec.input.transform.std);
            assert!(mean.iter().chain(&std).all(|value| value.is_finite()) && !std.contains(&0.0), "{spec:?}");
        }
        outcome(&spec)
    };
    models.iter().map(read).collect()
}

pub(crate) fn literal(bytes: &[u8]) -> String {
    match literal::parse(&String::from_utf8_lossy(bytes)) {
        Ok(_) => "taken".into(),
        Err(why) => {
            assert!(!why.is_empty());
            outcome::<()>(&Err(Error::new(guarita::ErrorCode::ModelInvalid, why)))
        }
    }
}

pub(crate) fn nut(bytes: &[u8]) -> String {
    let mut reader = match nut::Reader::open(bytes) {
        Ok(Some(reader)) => reader,
        other => return words(&format!("{:?}", other.err())),
    };
    let pixels = reader.size().pixels();
    if pixels > 1 << 16 {
        return "large".into();
    }
    let len = usize::try_from(pixels * 3 / 2).expect("a small number");
    for _ in 0..64 {
        match reader.next(len) {
            Ok(Some((_, frame))) => assert_eq!(frame.len(), len),
            Ok(None) => return "ended".into(),
            Err(fault) => return words(&format!("{fault:?}")),
        }
    }
    "many frames".into()
}

/// A moment that is the same in every run.
pub(crate) fn now() -> Moment {
    Moment { monotonic: Timestamp::from_millis(1_000), unix: UnixTime::from_secs(1_764_000_000) }
}

/// Money is kept whatever stands in the file: it is opened as a whole, and again as the same, or refused.
pub(crate) fn journal(bytes: &[u8]) -> String {
    let open = |path: &std::path::Path| Budget::open(path, BudgetConfig::default(), Default::default(), now());
    let both = [bytes.to_vec(), sealed_journal(bytes)].map(|bytes| {
        with_file("journal", &bytes, |path| {
            let opened = open(path);
            let result = outcome(&opened);
            if let Ok(budget) = opened {
                let report = budget.report(now());
                drop(budget);
                let budget = open(path).expect("what was opened can be opened again");
                assert_eq!(budget.report(now()), report);
                let spend = Spend { api: "rekognition:DetectLabels", camera: "one", tenant: "", images: 3 };
                if let Ok(reserved) = budget.reserve(&spend, now()) {
                    reserved.commit(now());
                }
                let spent = budget.report(now());
                drop(budget);
                let again = open(path).expect("what was written can be read").report(now());
                assert_eq!(again, spent);
            } else {
                // A journal that is refused stays as it was, for whoever mends it.
                assert_eq!(std::fs::read(path).expect("it is still there"), bytes);
            }
            let mut lock = path.as_os_str().to_owned();
            lock.push(".lock");
            let _ = std::fs::remove_file(lock);
            result
        })
    });
    both.concat()
}

/// With every sum put right.
fn sealed_journal(bytes: &[u8]) -> Vec<u8> {
    let check = |before: u32, bytes: &[u8]| {
        let mut hasher = crc32fast::Hasher::new_with_initial(before);
        hasher.update(bytes);
        hasher.finalize()
    };
    let Some(head) = bytes.get(..10) else { return bytes.to_vec() };
    let mut sealed = head.to_vec();
    sealed.extend(check(0, head).to_le_bytes());
    let mut sum = check(0, &sealed);
    let mut rest = bytes.get(14..).unwrap_or_default();
    while rest.len() > 12 {
        let said = u32::from_le_bytes(rest[..4].try_into().unwrap_or_default()) as usize;
        let content = &rest[8..(8 + said.min(rest.len())).min(rest.len() - 4)];
        let length = (content.len() as u32).to_le_bytes();
        let length_sum = check(sum, &length);
        sum = check(length_sum, content);
        sealed.extend(length);
        sealed.extend(length_sum.to_le_bytes());
        sealed.extend(content);
        sealed.extend(sum.to_le_bytes());
        rest = &rest[8 + content.len() + 4..];
    }
    sealed.extend(rest);
    sealed
}

pub(crate) fn gate_config() -> MotionGateConfig {
    MotionGateConfig { working_width: 32, ..MotionGateConfig::default() }
}

/// A gray frame of 32×24.
pub(crate) fn frame(number: u8) -> Frame {
    let pixels: Vec<u8> =
        (0..32 * 24_u16).map(|k| (k as u8).wrapping_mul(7) ^ number.wrapping_mul((k / 64) as u8)).collect();
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(32, 24)).expect("a size");
    let pts = Timestamp::from_millis(i64::from(number) * 200);
    let frame = Frame::from_owner(pixels, layout).expect("a frame");
    frame.with_meta(FrameMeta { camera: CameraId::new("one"), pts, seq: number.into() })
}

pub(crate) fn gate_snapshot(bytes: &[u8]) -> String {
    let mut sealed = bytes[..bytes.len().saturating_sub(32)].to_vec();
    let sum = Sha256::digest(&sealed);
    sealed.extend_from_slice(&sum);
    let mut gate = MotionGate::new(gate_config()).expect("a config");
    outcome(&gate.restore(bytes));
    let restored = gate.restore(&sealed);
    // What was taken can be kept, is then the same, and can be gone on from.
    if restored.is_ok() {
        let kept = gate.snapshot();
        let mut other = MotionGate::new(gate_config()).expect("a config");
        other.restore(&kept).expect("what was kept can be restored");
        assert_eq!(other.snapshot(), kept);
        for number in 200..204 {
            let (ours, theirs) = (gate.observe(&frame(number)), other.observe(&frame(number)));
            assert_eq!(ours.expect("a frame is looked at").open, theirs.expect("by the other too").open);
        }
    }
    outcome(&restored)
}

pub(crate) fn checkpoint(bytes: &[u8]) -> String {
    let mut sealed = bytes[..bytes.len().saturating_sub(4)].to_vec();
    sealed.extend(crc32fast::hash(&sealed).to_le_bytes());
    outcome(&PipelineCheckpoint::from_bytes(bytes));
    let read = PipelineCheckpoint::from_bytes(&sealed);
    let result = outcome(&read);
    let Ok(checkpoint) = read else { return result };
    assert!(checkpoint.account().balances());
    let written = checkpoint.to_bytes();
    let again = PipelineCheckpoint::from_bytes(&written).expect("what was written can be read");
    assert_eq!(again.to_bytes(), written);
    // A pipeline goes on from it, or says why not.
    let before = checkpoint.account().pushed;
    let cameras: Vec<_> = checkpoint.cameras().take(2).cloned().collect();
    let provider = FakeProvider::new("fuzz").always(Step::nothing());
    let pipeline = match Pipeline::builder(Arc::new(provider)).restore(checkpoint).build() {
        Ok(pipeline) => pipeline,
        Err(error) => return result + &outcome::<()>(&Err(error)),
    };
    for camera in &cameras {
        if let Ok(camera) =
            pipeline.add_camera(CameraConfig { motion: Some(gate_config()), ..CameraConfig::new(camera.as_str()) })
        {
            let _ = camera.push(frame(250));
        }
    }
    let report = pipeline.shutdown(Duration::from_secs(5));
    assert!(report.account.balances() && report.account.pushed >= before, "{report:?}");
    result
}

/// The first line is the kind, and the rest is the config.
pub(crate) fn config(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (kind, json) = text.split_once('\n').unwrap_or((&text, "{}"));
    let checked = check_config(kind, json);
    if let Ok(filled) = &checked {
        assert_eq!(check_config(kind, filled).as_deref().map_err(ToString::to_string), Ok(filled.as_str()), "{kind}");
    }
    match &checked {
        // Its name is in the message.
        Err(error) if error.code() == guarita::ErrorCode::InvalidArgument => "an unknown kind".into(),
        _ => outcome(&checked),
    }
}

/// Corners as pairs of floats.
pub(crate) fn polygon(bytes: &[u8]) -> String {
    let (numbers, _) = bytes.as_chunks::<4>();
    let numbers: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let corners: Vec<[f32; 2]> = numbers.as_chunks::<2>().0.to_vec();
    let polygon = Polygon::new(corners.iter().copied());
    if let Ok(polygon) = &polygon {
        assert!(polygon.points().iter().all(|point| (0.0..=1.0).contains(&point.x) && (0.0..=1.0).contains(&point.y)));
        assert!((1e-6..=1.0).contains(&polygon.area()), "{}", polygon.area());
        let written = serde_json::to_string(polygon).expect("a polygon is plain data");
        assert_eq!(&serde_json::from_str::<Polygon>(&written).expect("it can be read again"), polygon);
    }
    // On a grid on which all arithmetic is exact, the corners may go either way round.
    let snapped = |[x, y]: [f32; 2]| [x, y].map(|at| (at * 1_048_576.0).round() / 1_048_576.0);
    let snapped: Vec<[f32; 2]> = corners.into_iter().map(snapped).collect();
    if let Ok(polygon) = Polygon::new(snapped.iter().copied()) {
        let other = Polygon::new(polygon.points().iter().rev().copied()).expect("the other way round");
        for k in 0..64_u8 {
            let place = [f32::from(k % 8) / 8.0 + 0.061, f32::from(k / 8) / 8.0 + 0.059];
            assert_eq!(polygon.contains(place), other.contains(place), "{place:?}");
        }
    }
    outcome(&polygon)
}

//! What a host can get wrong: model files, spec files, configs, frames. Each is an error that says what to do, or works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use common::{Random, config, fixture};
use guarita::frame::{Layout, Plane};
use guarita::imaging::Preprocessor;
use guarita::model::{BoxUnits, Family, InputHints, ModelHints, SsdBoxes, SsdHints};
use guarita::onnx::{ExecutionProvider, ExecutionProviderChoice};
use guarita::{
    DecodeOptions, Detection, Detector, DetectorConfig, Error, ErrorCode, Frame, ModelSpec, PixelFormat, Result, Size,
};
use std::path::PathBuf;
use std::sync::Arc;

/// A folder that is gone after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("guarita-bad-input-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A fixture, copied in here, with a spec file beside it.
    fn model(&self, name: &str, spec: &str) -> PathBuf {
        let model = self.0.join(name);
        std::fs::copy(fixture(name), &model).unwrap();
        std::fs::write(ModelHints::path_for(&model), spec).unwrap();
        model
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn assert_error<T>(result: Result<T>, code: ErrorCode, mentions: &[&str]) -> Error {
    let error = result.err().expect("an error");
    assert_eq!(error.code(), code, "{error}");
    for words in mentions {
        assert!(error.to_string().contains(words), "no {words:?} in: {error}");
    }
    error
}

fn open_with(config: DetectorConfig) -> Result<Detector> {
    Detector::open_file(fixture("v8_nc80.onnx"), config)
}

#[test]
fn models_that_are_none() {
    let folder = Scratch::new("models");
    let path = |name: &str| folder.0.join(name);
    assert_error(Detector::open_file(path("missing.onnx"), config()), ErrorCode::NotFound, &["missing.onnx"]);
    assert_error(Detector::open_file(&folder.0, config()), ErrorCode::ModelInvalid, &["folder"]);
    std::fs::write(path("empty.onnx"), b"").unwrap();
    assert_error(Detector::open_file(path("empty.onnx"), config()), ErrorCode::ModelInvalid, &["empty.onnx", "empty"]);
    std::fs::write(path("text.onnx"), b"no model").unwrap();
    assert_error(Detector::open_file(path("text.onnx"), config()), ErrorCode::ModelInvalid, &["text.onnx"]);
    assert_error(
        Detector::open_file(common::data("baseline.jpg"), config()),
        ErrorCode::ModelInvalid,
        &["baseline.jpg"],
    );
}

/// Damage may hit a part that nobody reads; then the model opens. It must never be another error, or a panic.
#[test]
fn no_damaged_model_panics() {
    let folder = Scratch::new("damaged");
    let mut random = Random(0x6775_6172_6974_6133);
    let (mut read, mut tried, mut opened) = (0, 0, 0);
    for name in ["v8_nc1.onnx", "ssd_nc2.onnx", "yolox_nc2.onnx", "rfdetr_nc2.onnx"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for k in 0..400 {
            let mut bytes = whole.clone();
            match k % 3 {
                0 => bytes.truncate(random.below(whole.len())),
                1 => bytes[random.below(whole.len())] ^= 1 << random.below(8),
                _ => bytes[random.below(whole.len())] = random.below(256) as u8,
            }
            let path = folder.0.join("damaged.onnx");
            std::fs::write(&path, bytes).unwrap();
            let typed = |error: Error| {
                let expected = matches!(error.code(), ErrorCode::ModelInvalid | ErrorCode::Unsupported);
                assert!(expected, "{name}, damage {k}: {:?} {error}", error.code());
            };
            match ModelSpec::read(&path) {
                Ok(spec) => {
                    read += 1;
                    // What ONNX Runtime makes of it; a few are enough, each costs a session.
                    if k % 8 == 0 {
                        tried += 1;
                        opened += usize::from(Detector::open(spec, config()).map_err(typed).is_ok());
                    }
                }
                Err(error) => typed(error),
            }
        }
    }
    println!("1600 damaged models: {read} still read, {opened} of {tried} tried open");
    assert!((100..1500).contains(&read), "{read}");
}

#[test]
fn a_model_that_changes_between_read_and_open_is_refused() {
    let folder = Scratch::new("changed");
    let model = folder.model("v8_nc80.onnx", "");
    let spec = ModelSpec::read(&model).unwrap();
    assert!(Detector::open(spec.clone(), config()).is_ok());
    let mut bytes = std::fs::read(&model).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&model, bytes).unwrap();
    assert_error(Detector::open(spec.clone(), config()), ErrorCode::ModelInvalid, &["changed"]);
    std::fs::remove_file(&model).unwrap();
    assert_error(Detector::open(spec, config()), ErrorCode::NotFound, &["v8_nc80.onnx"]);
}

#[test]
fn thresholds_outside_their_range() {
    for bad in [-0.01, 1.01, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_error(
            open_with(DetectorConfig { min_confidence: bad, ..config() }),
            ErrorCode::InvalidConfig,
            &["confidence", "0..1"],
        );
        assert_error(open_with(DetectorConfig { iou: bad, ..config() }), ErrorCode::InvalidConfig, &["iou", "0..1"]);
        let by_class = [("person".to_owned(), bad)].into();
        let with = DetectorConfig { class_confidence: by_class, ..config() };
        assert_error(open_with(with), ErrorCode::InvalidConfig, &["class_confidence", "person"]);
    }
    for edge in [0.0, 1.0] {
        assert!(open_with(DetectorConfig { min_confidence: edge, iou: edge, ..config() }).is_ok());
    }
}

#[test]
fn a_class_that_the_model_does_not_know() {
    let two = |config: DetectorConfig| Detector::open_file(fixture("v8_nc2_8400.onnx"), config);
    let classes = DetectorConfig { classes: vec!["car".into(), "lorry".into()], ..config() };
    assert_error(two(classes.clone()), ErrorCode::InvalidConfig, &["classes", "lorry", "car, truck"]);
    let by_class = DetectorConfig { class_confidence: [("Car".to_owned(), 0.5)].into(), ..config() };
    assert_error(two(by_class), ErrorCode::InvalidConfig, &["class_confidence", "Car", "is \"car\" meant?"]);
    // Of many names some are enough.
    assert_error(open_with(classes.clone()), ErrorCode::InvalidConfig, &["lorry", "80 classes begin with"]);
    // Without any, the way to give them.
    let unnamed = Detector::open_file(fixture("yolox_nc80.onnx"), classes);
    assert_error(unnamed, ErrorCode::InvalidConfig, &["no class names", ".spec.toml"]);
}

#[test]
fn providers_that_are_not_there() {
    let plain = open_with(config()).unwrap();
    let has_cuda = plain.report().runtime.providers.contains(&ExecutionProvider::Cuda);
    if has_cuda {
        println!("SKIPPED: this ONNX Runtime was built with CUDA");
        return;
    }
    let with = |provider| open_with(DetectorConfig { execution_provider: provider, ..config() });
    let error = assert_error(
        with(ExecutionProviderChoice::Only(ExecutionProvider::Cuda)),
        ErrorCode::RuntimeUnavailable,
        &["cuda", "built without it", "cpu"],
    );
    assert_eq!(error.advice(), guarita::Advice::FixHost);
    let both = ExecutionProviderChoice::FirstOf(vec![ExecutionProvider::Cuda, ExecutionProvider::TensorRt]);
    assert_error(with(both), ErrorCode::RuntimeUnavailable, &["cuda", "tensorrt"]);

    let detector =
        with(ExecutionProviderChoice::FirstOf(vec![ExecutionProvider::Cuda, ExecutionProvider::Cpu])).unwrap();
    let report = detector.report();
    assert_eq!(report.execution_provider, ExecutionProvider::Cpu);
    let [(ExecutionProvider::Cuda, why)] = &report.skipped[..] else { panic!("{:?}", report.skipped) };
    assert!(why.contains("built without it"), "{why}");
    assert!(report.to_string().contains("not on cuda"), "{report}");
    assert!(plain.report().skipped.is_empty());
    let frame = common::flat(Size::new(96, 96), PixelFormat::Rgb8, &[204, 50, 153]);
    assert_eq!(detector.detect(&frame).unwrap().len(), 1);
}

#[test]
fn a_spec_file_beside_the_model_says_what_the_model_does_not() {
    let folder = Scratch::new("spec");
    assert_error(
        ModelSpec::read(fixture("ssd_xyxy_ambiguous.onnx")),
        ErrorCode::ModelInvalid,
        &["xyxy or yxyx", "pixels or fractions", "background", "mean and std", ".spec.toml"],
    );
    let told = "labels = ['face']\n[input]\nmean = [127, 127, 127]\nstd = [128, 128, 128]\n\
                [ssd]\nboxes = 'xyxy'\nunits = 'fractions'\nbackground = true\n";
    let ssd = folder.model("ssd_xyxy_ambiguous.onnx", told);
    let spec = ModelSpec::read(&ssd).unwrap();
    assert_eq!((spec.family, spec.classes, spec.labels.iter().next()), (Family::Ssd, Some(1), Some((0, "face"))));
    let size = spec.input.transform.size;
    let detector = Detector::open(spec, config()).unwrap();
    assert!(detector.detect(&common::flat(size, PixelFormat::Rgb8, &[204, 50, 153])).is_ok());
    // The same in code; the file beside is then not looked at.
    let ssd_hints = SsdHints { boxes: Some(SsdBoxes::Xyxy), units: Some(BoxUnits::Fractions), background: Some(false) };
    let input = InputHints { mean: Some([0.0; 3]), std: Some([255.0; 3]), ..InputHints::default() };
    let hints = ModelHints { ssd: ssd_hints, input, ..ModelHints::default() };
    let spec = ModelSpec::read_with(&ssd, &hints).unwrap();
    assert_eq!((spec.classes, spec.labels.len()), (Some(2), 0));

    let ambiguous = "ambiguous_yolox_or_v8t.onnx";
    assert_error(ModelSpec::read(fixture(ambiguous)), ErrorCode::ModelInvalid, &["yolox", "yolov8", "head_out"]);
    for (name, family, classes) in [("yolox", Family::YoloX, 80), ("yolov8", Family::YoloV8, 81)] {
        let model = folder.model(ambiguous, &format!("family = '{name}'"));
        let from_file = ModelSpec::read(&model).unwrap();
        let hints = ModelHints { family: Some(family), ..ModelHints::default() };
        let from_code = ModelSpec::read_with(fixture(ambiguous), &hints).unwrap();
        for spec in [from_file, from_code] {
            assert_eq!((spec.family, spec.classes), (family, Some(classes)));
            let frame = common::flat(spec.input.transform.size, PixelFormat::Rgb8, &[0, 0, 0]);
            Detector::open(spec, config()).unwrap().detect(&frame).unwrap();
        }
    }
    // A hint that does not fit the shapes is no way round the check.
    let wrong = folder.model(ambiguous, "family = 'rfdetr'");
    assert_error(ModelSpec::read(wrong), ErrorCode::ModelInvalid, &["head_out"]);
}

#[test]
fn a_faulty_spec_file_names_its_field() {
    let folder = Scratch::new("faulty");
    for (text, field) in [
        ("famly = 'yolox'", "famly"),
        ("family = 'yolo99'", "yolo99"),
        ("family = 7", "family"),
        ("[ssd]\nboxes = 'zigzag'", "boxes"),
        ("[ssd]\nunits = 'inches'", "units"),
        ("[rows]\norder = 'any'", "order"),
        ("[rows]\ncolumns = 7", "columns"),
        ("[input]\nmean = [1, 2]", "mean"),
        ("[input]\nwidth = -4", "width"),
        ("[input]\nstd = [1, 0, 1]", "input.std"),
        ("[input]\nstd = [1, nan, 1]", "input.std"),
        ("[input]\npad = 300", "pad"),
        ("labels = 7", "labels"),
        ("no toml at all", "spec.toml"),
    ] {
        let model = folder.model("v8_nc80.onnx", text);
        let error = assert_error(ModelSpec::read(&model), ErrorCode::InvalidConfig, &[field]);
        assert!(error.to_string().contains("v8_nc80"), "{text}: no file in: {error}");
    }
    let model = folder.model("v8_nc80.onnx", "");
    std::fs::write(ModelHints::path_for(&model), b"\xFF\xFE").unwrap();
    assert!(ModelSpec::read(&model).is_err());
}

/// The decoder panics where it looks a colour up in such a palette.
#[test]
fn a_palette_is_one_to_256_whole_colours() {
    let whole = common::picture("palette.png");
    let at = whole.windows(4).position(|four| four == b"PLTE").unwrap();
    let length = u32::from_be_bytes(whole[at - 4..at].try_into().unwrap()) as usize;
    for wanted in [0, 1, 2, 3, 94, length, 766, 768, 769, 771, 3000] {
        let mut palette = b"PLTE".to_vec();
        palette.extend(whole[at + 4..at + 4 + length].iter().cycle().take(wanted));
        let sum = crc32fast::hash(&palette);
        let mut encoded = whole[..at - 4].to_vec();
        encoded.extend((wanted as u32).to_be_bytes());
        encoded.extend(palette);
        encoded.extend(sum.to_be_bytes());
        encoded.extend(&whole[at + 4 + length + 4..]);
        let sound = wanted % 3 == 0 && (3..=768).contains(&wanted);
        for decoded in [
            Frame::decode(&encoded, &DecodeOptions::default()),
            Frame::decode_reduced(&encoded, &DecodeOptions::default(), 8),
        ] {
            match decoded {
                Ok(_) => assert!(sound, "{wanted} bytes"),
                Err(error) => assert!(!sound && error.code() == ErrorCode::DataCorrupt, "{wanted} bytes: {error}"),
            }
        }
    }
}

#[test]
fn frames_of_extreme_shape() {
    let sizes = [(1, 1), (1, 65_535), (65_535, 1), (2, 3), (3, 65_535), (65_535, 3)];
    // One of each way of fitting: letterbox, at the top left, stretched.
    for name in ["v8_nc80.onnx", "yolox_nc80.onnx", "ssd_nc90.onnx", "v8_uint8.onnx"] {
        let detector = common::open(name).unwrap();
        for (width, height) in sizes {
            let size = Size::new(width, height);
            for format in
                [PixelFormat::Gray8, PixelFormat::Rgb8, PixelFormat::Bgra8, PixelFormat::Nv12, PixelFormat::I420]
            {
                let layout = Layout::packed(format, size).unwrap();
                let frame = Frame::from_owner(vec![200; layout.byte_len()], layout).unwrap();
                let found = detector.detect(&frame).unwrap_or_else(|error| panic!("{name}, {size} {format}: {error}"));
                for one in &found {
                    let [x1, y1, x2, y2] = one.bbox.to_array();
                    let inside =
                        x1 >= 0.0 && y1 >= 0.0 && x2 <= width as f32 && y2 <= height as f32 && x1 <= x2 && y1 <= y2;
                    assert!(inside, "{name}, {size} {format}: {:?}", one.bbox);
                }
            }
        }
    }
}

/// A picture in luma and two chroma planes, at half the size rounded up.
struct Yuv {
    size: Size,
    planes: [Vec<u8>; 3],
}

impl Yuv {
    fn random(size: Size, random: &mut Random) -> Self {
        let chroma = (size.width.div_ceil(2) * size.height.div_ceil(2)) as usize;
        let planes = [random.bytes(size.pixels() as usize), random.bytes(chroma), random.bytes(chroma)];
        Self { size, planes }
    }

    /// ITU-R BT.601 in studio range, in OpenCV's fixed point.
    fn rgb(&self) -> Vec<u8> {
        let half = self.size.width.div_ceil(2);
        let at = |x: u32, y: u32| {
            let chroma = (y / 2 * half + x / 2) as usize;
            let luma =
                (i32::from(self.planes[0][(y * self.size.width + x) as usize]) - 16).max(0) * 1_220_542 + (1 << 19);
            let (u, v) = (i32::from(self.planes[1][chroma]) - 128, i32::from(self.planes[2][chroma]) - 128);
            [1_673_527 * v, -852_492 * v - 409_993 * u, 2_116_026 * u]
                .map(|part| ((luma + part) >> 20).clamp(0, 255) as u8)
        };
        (0..self.size.height).flat_map(|y| (0..self.size.width).flat_map(move |x| at(x, y))).collect()
    }
}

/// Rows with `padding` bytes behind each plane's, and `gap` bytes before each plane, all of a level that shows up where
/// it is read.
fn padded(format: PixelFormat, size: Size, planes: &[(&[u8], usize)], padding: usize, gap: usize) -> Frame {
    let mut bytes = Vec::new();
    let mut places = Vec::new();
    for &(plane, row) in planes {
        bytes.extend(vec![0xA5; gap]);
        places.push(Plane { offset: bytes.len(), stride: row + padding });
        for row in plane.chunks(row) {
            bytes.extend(row);
            bytes.extend(vec![0xA5; padding]);
        }
    }
    Frame::from_owner(bytes, Layout::packed(format, size).unwrap().with_planes(&places).unwrap()).unwrap()
}

/// One picture in every format that can hold it, with rows of several strides.
fn in_every_format(yuv: &Yuv) -> Vec<Frame> {
    let rgb = yuv.rgb();
    let size = yuv.size;
    let width = size.width as usize;
    let half = width.div_ceil(2);
    let bgr: Vec<u8> = rgb.chunks(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
    let rgba: Vec<u8> = rgb.chunks(3).flat_map(|p| [p[0], p[1], p[2], 7]).collect();
    let bgra: Vec<u8> = rgb.chunks(3).flat_map(|p| [p[2], p[1], p[0], 7]).collect();
    let [y, u, v] = &yuv.planes;
    let uv: Vec<u8> = u.iter().zip(v).flat_map(|(&u, &v)| [u, v]).collect();
    let mut frames = Vec::new();
    for (padding, gap) in [(0, 0), (1, 0), (13, 5), (64, 4096)] {
        frames.extend([
            padded(PixelFormat::Rgb8, size, &[(&rgb, width * 3)], padding, gap),
            padded(PixelFormat::Bgr8, size, &[(&bgr, width * 3)], padding, gap),
            padded(PixelFormat::Rgba8, size, &[(&rgba, width * 4)], padding, gap),
            padded(PixelFormat::Bgra8, size, &[(&bgra, width * 4)], padding, gap),
            padded(PixelFormat::Nv12, size, &[(y, width), (&uv, half * 2)], padding, gap),
            padded(PixelFormat::I420, size, &[(y, width), (u, half), (v, half)], padding, gap),
        ]);
    }
    frames
}

#[test]
fn every_pixel_format_and_stride_gives_the_same_detections() {
    let mut random = Random(0x6775_6172_6974_6134);
    for name in ["v8_nc80.onnx", "yolox_nc80.onnx", "v8_nhwc.onnx", "v8_fp16.onnx"] {
        let detector = common::open(name).unwrap();
        let mut preprocessor = Preprocessor::new(detector.spec().input.transform.clone());
        let mut found_any = false;
        for size in [(96, 96), (97, 61), (31, 200), (1, 1), (3, 2), (1, 7), (96, 95), (193, 97)] {
            let frames = in_every_format(&Yuv::random(Size::new(size.0, size.1), &mut random));
            let mut tensor = |frame: &Frame| {
                let mut tensor = vec![0f32; preprocessor.transform().len()];
                preprocessor.write(frame, &mut tensor).unwrap();
                tensor
            };
            // The tensor, since a detection of these models depends on one pixel of it.
            let reference = (tensor(&frames[0]), detector.detect(&frames[0]).unwrap().items);
            found_any |= !reference.1.is_empty();
            for frame in &frames[1..] {
                assert!(
                    tensor(frame) == reference.0,
                    "{name}: {}, {:?}: another tensor",
                    frame.layout(),
                    frame.layout().planes()
                );
                assert_eq!(detector.detect(frame).unwrap().items, reference.1, "{name}: {}", frame.layout());
            }
        }
        assert!(found_any, "{name}: nothing found in any picture");
    }
}

#[test]
fn gray_is_rgb_with_equal_channels() {
    let mut random = Random(0x6775_6172_6974_6135);
    let detector = common::open("v8_nc80.onnx").unwrap();
    let size = Size::new(95, 63);
    for _ in 0..8 {
        let gray = random.bytes(size.pixels() as usize);
        let rgb: Vec<u8> = gray.iter().flat_map(|&level| [level; 3]).collect();
        let [gray, rgb] = [(PixelFormat::Gray8, gray, 1), (PixelFormat::Rgb8, rgb, 3)]
            .map(|(format, pixels, channels)| padded(format, size, &[(&pixels, size.width as usize * channels)], 3, 1));
        assert_eq!(detector.detect(&gray).unwrap().items, detector.detect(&rgb).unwrap().items);
    }
}

#[test]
fn threads_share_a_detector_and_find_the_same() {
    let mut random = Random(0x6775_6172_6974_6136);
    let detector = Arc::new(common::open("v8_nc80.onnx").unwrap());
    let sizes = [Size::new(96, 96), Size::new(200, 100), Size::new(61, 97)];
    let frames: Vec<Frame> = (0..10)
        .map(|k| in_every_format(&Yuv::random(sizes[k % 3], &mut random)).swap_remove(k % 6))
        // Some with something in them, and a score of their own.
        .chain((0..10).map(|k| common::flat(sizes[k % 3], PixelFormat::Rgb8, &[110 + 10 * k as u8, 9, 200])))
        .collect();
    let expected: Vec<Vec<Detection>> = frames.iter().map(|frame| detector.detect(frame).unwrap().items).collect();
    assert!(expected.iter().filter(|found| !found.is_empty()).count() >= 10);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (detector, frames, expected) = (Arc::clone(&detector), &frames, &expected);
            scope.spawn(move || {
                for k in 0..50 {
                    let which = (k * 7 + thread * 3) % frames.len();
                    assert_eq!(
                        detector.detect(&frames[which]).unwrap().items,
                        expected[which],
                        "thread {thread}, call {k}"
                    );
                }
            });
        }
    });
}

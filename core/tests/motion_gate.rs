//! The motion gate as a host sees it: what opens it, what does not, its states, its time, its snapshots, and bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use guarita::frame::{FrameMeta, Layout};
use guarita::motion::{IgnoreReason, Motion, MotionState, OpenReason};
use guarita::{ErrorCode, Frame, MotionGate, MotionGateConfig, PixelFormat, Polygon, Size, Timestamp};

const SIZE: Size = Size::new(640, 360);
const FPS: i64 = 10;

/// A still street: walls with a pattern, a smooth road below, and a little noise that depends on the frame.
struct Street {
    noise: u32,
}

impl Street {
    fn new() -> Self {
        Self { noise: 1 }
    }

    fn level(x: usize, y: usize) -> u8 {
        let block = ((x / 14) * 31 + (y / 11) * 57) % 13;
        if y > 240 { 105 } else { 60 + 9 * block as u8 }
    }

    fn gray(&mut self, change: impl Fn(usize, usize, u8) -> u8) -> Vec<u8> {
        (0..SIZE.pixels() as usize)
            .map(|k| {
                self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (x, y) = (k % 640, k / 640);
                change(x, y, Self::level(x, y)).saturating_add((self.noise >> 30) as u8)
            })
            .collect()
    }
}

fn still(_: usize, _: usize, level: u8) -> u8 {
    level
}

/// A person of 60 pixels' height on the road.
fn person(at: usize) -> impl Fn(usize, usize, u8) -> u8 {
    move |x, y, level| {
        if (at..at + 24).contains(&x) && (250..310).contains(&y) { if y < 270 { 30 } else { 190 } } else { level }
    }
}

struct Camera {
    street: Street,
    gate: MotionGate,
    millis: i64,
}

impl Camera {
    fn new(config: MotionGateConfig) -> Self {
        Self { street: Street::new(), gate: MotionGate::new(config).unwrap(), millis: 0 }
    }

    /// One that has learnt the street.
    fn learnt(config: MotionGateConfig) -> Self {
        let mut camera = Self::new(config);
        camera.watch(60, |_| still);
        camera
    }

    fn look(&mut self, change: impl Fn(usize, usize, u8) -> u8) -> Motion {
        let gray = self.street.gray(change);
        self.millis += 1000 / FPS;
        self.gate.observe(&frame(&gray, SIZE, self.millis)).unwrap()
    }

    fn watch<F: Fn(usize, usize, u8) -> u8>(&mut self, frames: usize, change: impl Fn(usize) -> F) -> Vec<Motion> {
        (0..frames).map(|k| self.look(change(k))).collect()
    }
}

fn frame(gray: &[u8], size: Size, millis: i64) -> Frame {
    let layout = Layout::packed(PixelFormat::Gray8, size).unwrap();
    let meta = FrameMeta { pts: Timestamp::from_millis(millis), ..FrameMeta::default() };
    Frame::copy_from(gray, layout).unwrap().with_meta(meta)
}

fn quick() -> MotionGateConfig {
    MotionGateConfig { linger_s: 0.5, ..MotionGateConfig::default() }
}

fn moves(motion: &Motion) -> bool {
    motion.reason == Some(OpenReason::Motion)
}

#[test]
fn a_person_opens_and_the_gate_lingers_and_closes() {
    let mut camera = Camera::learnt(quick());
    let quiet = camera.watch(50, |_| still);
    assert!(quiet.iter().all(|motion| !motion.open && motion.state == MotionState::Stable && motion.fraction == 0.0));
    let walk = camera.watch(30, |k| person(100 + 4 * k));
    assert!(walk.iter().all(moves), "{walk:?}");
    assert!(walk.iter().all(|motion| motion.state == MotionState::Moving && motion.since == walk[0].since));
    let [x1, y1, x2, y2] = walk[20].regions[0].to_array();
    assert!((x1 - 180.0).abs() <= 4.0 && (x2 - 204.0).abs() <= 4.0, "{x1} {x2}");
    assert!((y1 - 250.0).abs() <= 4.0 && (y2 - 310.0).abs() <= 4.0, "{y1} {y2}");
    let fraction = 24.0 * 60.0 / SIZE.pixels() as f32;
    assert!((walk[20].fraction - fraction).abs() < 0.3 * fraction, "{} {fraction}", walk[20].fraction);
    let after = camera.watch(20, |_| still);
    let reasons: Vec<_> = after.iter().map(|motion| motion.reason).collect();
    assert!(reasons[..4].iter().all(|&reason| reason == Some(OpenReason::Linger)), "{reasons:?}");
    assert!(reasons[6..].iter().all(Option::is_none), "{reasons:?}");
}

#[test]
fn every_pixel_format_gives_the_same_decision() {
    use PixelFormat::{Bgr8, Bgra8, Gray8, I420, Nv12, Rgb8, Rgba8};
    for format in [Gray8, Rgb8, Bgr8, Rgba8, Bgra8, Nv12, I420] {
        let layout = Layout::packed(format, SIZE).unwrap();
        let mut gate = MotionGate::new(quick()).unwrap();
        let mut street = Street::new();
        let mut open = Vec::new();
        for k in 0..80 {
            let gray = if k < 60 { street.gray(still) } else { street.gray(person(4 * k)) };
            let bytes: Vec<u8> = match format {
                PixelFormat::Gray8 => gray,
                PixelFormat::Nv12 | PixelFormat::I420 => {
                    let chroma = vec![128; layout.byte_len() - gray.len()];
                    [gray, chroma].concat()
                }
                PixelFormat::Rgb8 | PixelFormat::Bgr8 => gray.iter().flat_map(|&level| [level; 3]).collect(),
                _ => gray.iter().flat_map(|&level| [level, level, level, 255]).collect(),
            };
            let meta = FrameMeta { pts: Timestamp::from_millis(100 * k as i64), ..FrameMeta::default() };
            let frame = Frame::copy_from(&bytes, layout.clone()).unwrap().with_meta(meta);
            open.push(moves(&gate.observe(&frame).unwrap()));
        }
        assert_eq!(open, (0..80).map(|k| k >= 60).collect::<Vec<_>>(), "{format}");
    }
}

#[test]
fn only_the_region_of_interest_counts() {
    let square = |x1: f32, y1: f32, x2: f32, y2: f32| Polygon::new([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]).unwrap();
    let right = square(0.5, 0.0, 1.0, 1.0);
    let include = MotionGateConfig { include: vec![right.clone()], ..quick() };
    let exclude = MotionGateConfig { exclude: vec![right], ..quick() };
    for (config, at, seen) in
        [(&include, 100, false), (&include, 500, true), (&exclude, 100, true), (&exclude, 500, false)]
    {
        let mut camera = Camera::learnt(config.clone());
        let walk = camera.watch(10, |k| person(at + 4 * k));
        assert!(walk.iter().all(|motion| moves(motion) == seen), "{config:?} {at}");
        if seen {
            // A share of what is looked at, which is half of the picture.
            let fraction = 2.0 * 24.0 * 60.0 / SIZE.pixels() as f32;
            assert!((walk[5].fraction - fraction).abs() < 0.3 * fraction, "{} {fraction}", walk[5].fraction);
        }
    }
    // The rule of the share alone: the person is 0.6 % of the picture, and 5 % of a small place.
    let by_share = MotionGateConfig { min_region: 1.0, ..quick() };
    let place = MotionGateConfig { include: vec![square(0.1, 0.65, 0.3, 0.9)], ..by_share.clone() };
    assert!(!Camera::learnt(by_share).watch(5, |k| person(100 + 4 * k)).iter().any(moves));
    assert!(Camera::learnt(place).watch(5, |k| person(100 + 4 * k)).iter().all(moves));
}

#[test]
fn a_heartbeat_passes_whatever_happens() {
    let config = MotionGateConfig { heartbeat_s: 7.0, ..quick() };
    for seconds in [30, 60] {
        let mut camera = Camera::new(config.clone());
        let opened: Vec<i64> = (0..seconds * FPS)
            .filter(|_| {
                let motion = camera.look(still);
                assert!(!motion.open || motion.reason == Some(OpenReason::Heartbeat));
                motion.open
            })
            .collect();
        // The first frame, the first one after learning, and then every seven seconds.
        let from_learnt: Vec<i64> = (0..).map(|k| opened[1] + k * 7 * FPS).take_while(|&k| k < seconds * FPS).collect();
        assert_eq!((opened[0], &opened[1..]), (0, &from_learnt[..]));
    }
    // Also where the picture is frozen, and the camera's clock stands still.
    let mut gate = MotionGate::new(MotionGateConfig { heartbeat_s: 1.0, ..quick() }).unwrap();
    let gray = Street::new().gray(still);
    let open = (0..200).filter(|_| gate.observe(&frame(&gray, SIZE, 5)).unwrap().open).count();
    assert!((6..12).contains(&open), "{open}");
}

#[test]
fn timestamps_may_repeat_jump_and_go_back() {
    for pts in [
        (|k| 100 * k) as fn(i64) -> i64,
        |k| 100 * (k / 2 * 2),
        |k| 100 * k + if k > 40 { 86_400_000 } else { 0 },
        |k| 100 * k - if k > 40 { 4_000 } else { 0 },
        |k| 100 * k - if k % 10 == 0 { 50 } else { 0 },
        |_| 77,
    ] {
        let mut gate = MotionGate::new(quick()).unwrap();
        let mut street = Street::new();
        let open: Vec<bool> = (0..110)
            .map(|k| {
                let gray = if k < 100 { street.gray(still) } else { street.gray(person(100 + 4 * k)) };
                moves(&gate.observe(&frame(&gray, SIZE, pts(k as i64))).unwrap())
            })
            .collect();
        assert!(open[..100].iter().all(|open| !open), "{:?}", (pts(50), &open));
        assert!(open[101..].iter().all(|open| *open), "{:?}", (pts(50), &open));
    }
}

/// `count` people of 20 pixels' height that walk to and fro, at a second.
fn crowd(count: usize, t: f64) -> impl Fn(usize, usize, u8) -> u8 {
    move |x, y, level| {
        let walks = |k: usize| {
            let at = 40 + 36 * k + ((t * 12.0 + 7.0 * k as f64) % 20.0) as usize;
            (at..at + 8).contains(&x) && (250 + 4 * (k % 5)..270 + 4 * (k % 5)).contains(&y)
        };
        if (0..count).any(walks) { 25 } else { level }
    }
}

#[test]
fn a_crowd_is_no_weather() {
    let mut slow = Camera::learnt(quick());
    slow.millis += 1000;
    let seen = (0..20)
        .filter(|&k| {
            slow.millis += 900;
            moves(&slow.look(crowd(12, k as f64)))
        })
        .count();
    assert!(seen >= 19, "{seen} of 20 at 1 frame a second");
    // One after the other, as people come.
    let mut quick = Camera::learnt(quick());
    let walk = quick.watch(150, |k| crowd(1 + k / 10, k as f64 / 10.0));
    let seen = walk.iter().filter(|motion| moves(motion)).count();
    assert!(seen >= 140, "{seen} of 150 at 10 frames a second");
}

#[test]
fn what_is_there_after_a_gap_is_seen() {
    // The camera was away for an hour, or frozen for twenty minutes; then somebody stands there, and walks off.
    for (gap_ms, frozen) in [(3_600_000, false), (600_000, false), (20_000, true)] {
        let mut camera = Camera::learnt(quick());
        if frozen {
            let gray = camera.street.gray(still);
            for _ in 0..60 {
                camera.millis += gap_ms;
                camera.gate.observe(&frame(&gray, SIZE, camera.millis)).unwrap();
            }
        } else {
            camera.millis += gap_ms;
        }
        let walk = camera.watch(20, |k| person(100 + 4 * k));
        assert!(walk[2..].iter().all(moves), "{gap_ms} {frozen}: {walk:?}");
        camera.watch(20, |_| still);
        assert!(!camera.watch(50, |_| still).iter().any(moves), "{gap_ms} {frozen}");
    }
}

#[test]
fn another_size_starts_anew() {
    let mut camera = Camera::learnt(quick());
    let small = Size::new(320, 200);
    for k in 0..50 {
        let gray: Vec<u8> =
            (0..small.pixels()).map(|at| 50 + ((at * 7 + k) % 3) as u8 + (at / 40 % 90) as u8).collect();
        camera.millis += 100;
        let motion = camera.gate.observe(&frame(&gray, small, camera.millis)).unwrap();
        assert!(!moves(&motion));
        assert_eq!(motion.state == MotionState::Learning, k < 19, "{k} {motion:?}");
    }
    camera.watch(60, |_| still);
    assert!(camera.watch(5, |k| person(100 + 4 * k)).iter().all(moves));
    camera.gate.reset();
    assert_eq!(camera.look(still).state, MotionState::Learning);
}

/// States from the first frame of a disturbance on, and that none of them opened.
fn closed_states<F: Fn(usize, usize, u8) -> u8>(
    camera: &mut Camera,
    frames: usize,
    change: impl Fn(usize) -> F,
) -> Vec<MotionState> {
    let motions = camera.watch(frames, change);
    assert!(!motions.iter().any(moves), "{motions:?}");
    motions.into_iter().map(|motion| motion.state).collect()
}

#[test]
fn light_is_no_motion() {
    for change in [
        (|_, _, level| level + 20) as fn(usize, usize, u8) -> u8,
        |_, _, level| level - 25,
        |_, _, level| (f32::from(level) * 1.25) as u8,
        |_, _, level| (f32::from(level) * 0.7) as u8,
    ] {
        let mut camera = Camera::learnt(quick());
        let states = closed_states(&mut camera, 40, |_| change);
        assert_eq!((states[0], states[39]), (MotionState::LightShift, MotionState::Stable), "{states:?}");
        // The gate is not blind.
        assert!(
            camera.watch(5, |k| move |x, y, level| person(100 + 4 * k)(x, y, change(x, y, level))).iter().all(moves)
        );
    }
}

#[test]
fn a_frozen_picture_is_told() {
    let mut camera = Camera::learnt(quick());
    let gray = camera.street.gray(still);
    let mut states = Vec::new();
    for _ in 0..80 {
        camera.millis += 100;
        states.push(camera.gate.observe(&frame(&gray, SIZE, camera.millis)).unwrap().state);
    }
    assert!(states[..50].iter().all(|&state| state == MotionState::Stable), "{states:?}");
    assert!(states[52..].iter().all(|&state| state == MotionState::Frozen), "{states:?}");
    assert_eq!(camera.look(still).state, MotionState::Stable);
    assert!(camera.watch(5, |k| person(100 + 4 * k)).iter().all(moves));
}

#[test]
fn a_covered_lens_is_told() {
    let mut camera = Camera::learnt(quick());
    let states = closed_states(&mut camera, 30, |_| |_: usize, _: usize, _: u8| 22);
    assert!(states.iter().all(|&state| state == MotionState::Obscured), "{states:?}");
    let after = camera.watch(30, |_| still);
    assert_eq!(after[0].reason, Some(OpenReason::Heartbeat), "somebody should look");
    assert!(!after.iter().any(moves) && after[29].state == MotionState::Stable);
    assert!(camera.watch(5, |k| person(100 + 4 * k)).iter().all(moves));
}

#[test]
fn a_camera_that_was_turned_is_told() {
    let mut camera = Camera::learnt(quick());
    let turned = |x: usize, y: usize, _: u8| Street::level(x + 8, y + 6);
    let states = closed_states(&mut camera, 50, |_| turned);
    assert_eq!((states[0], states[49]), (MotionState::CameraMoved, MotionState::Stable), "{states:?}");
    assert!(camera.watch(5, |k| move |x, y, level| person(100 + 4 * k)(x, y, turned(x, y, level))).iter().all(moves));
}

#[test]
fn the_infrared_switch_is_told() {
    let layout = Layout::packed(PixelFormat::I420, SIZE).unwrap();
    let mut gate = MotionGate::new(quick()).unwrap();
    let mut street = Street::new();
    let mut states = Vec::new();
    for k in 0..160 {
        // By day, colours; by night none, and other levels.
        let night = (60..110).contains(&k);
        let gray = street.gray(|_, _, level| if night { 200 - level / 2 } else { level });
        let chroma = vec![if night { 128 } else { 140 }; layout.byte_len() - gray.len()];
        let meta = FrameMeta { pts: Timestamp::from_millis(100 * k), ..FrameMeta::default() };
        let frame = Frame::copy_from(&[gray, chroma].concat(), layout.clone()).unwrap().with_meta(meta);
        let motion = gate.observe(&frame).unwrap();
        assert!(!moves(&motion), "{k} {motion:?}");
        states.push(motion.state);
    }
    for (at, state) in [(59, MotionState::Stable), (61, MotionState::IrSwitch), (109, MotionState::Stable)] {
        assert_eq!(states[at], state, "{at}");
    }
    assert_eq!((states[111], states[159]), (MotionState::IrSwitch, MotionState::Stable));
}

#[test]
fn a_snapshot_goes_on_where_it_was() {
    let mut first = Camera::learnt(quick());
    let snapshot = first.gate.snapshot();
    let mut gate = MotionGate::new(quick()).unwrap();
    gate.restore(&snapshot).unwrap();
    let mut second = Camera { street: Street { noise: first.street.noise }, gate, millis: first.millis };
    for k in 0..60 {
        let change = |x, y, level| if (20..40).contains(&k) { person(100 + 4 * k)(x, y, level) } else { level };
        let (one, other) = (first.look(change), second.look(change));
        assert_eq!((one.open, one.state, one.reason), (other.open, other.state, other.reason), "{k}");
    }
    // A gate that has seen nothing has a snapshot as well.
    let empty = MotionGate::new(quick()).unwrap().snapshot();
    second.gate.restore(&empty).unwrap();
    assert_eq!(second.look(still).state, MotionState::Learning);
    // Thresholds may change over a restart.
    let mut other = MotionGate::new(MotionGateConfig { min_fraction: 0.2, ..quick() }).unwrap();
    other.restore(&snapshot).unwrap();
}

/// Not only the same states: every number is that of a gate that was never interrupted, whatever goes on.
#[test]
fn a_snapshot_at_any_moment_changes_nothing() {
    let mut street = Street::new();
    let mut one = MotionGate::new(quick()).unwrap();
    let mut other = MotionGate::new(quick()).unwrap();
    let mut states = std::collections::BTreeSet::new();
    let mut open = 0;
    for k in 0..400_usize {
        let wind = (k * 7919 % 5, k * 104_729 % 3);
        let change = |x: usize, y: usize, level: u8| match k {
            // Somebody walks, and stands; rain; a tree; a cloud; the lamp goes on; the camera turns; nothing comes.
            60..100 => person(100 + 4 * k.min(85))(x, y, level),
            100..140 if (x * 31 + y * 17 + k * 97) % 4001 < 3 => 230,
            140..200 if x < 200 && y < 200 => Street::level(x + wind.0, y + wind.1),
            200..230 => (f32::from(level) * (1.0 - (k - 200) as f32 * 0.012)) as u8,
            230..260 => level.saturating_add(60),
            260..330 => person(1200 - 3 * k)(x, y, Street::level(x + 9, y + 5)),
            330..350 => 40,
            _ => level,
        };
        let pixels = street.gray(change);
        let frame = frame(&pixels, SIZE, k as i64 * 1000 / FPS);
        let (expected, got) = (one.observe(&frame).unwrap(), other.observe(&frame).unwrap());
        assert_eq!(got, expected, "{k}");
        states.insert(format!("{:?}", expected.state));
        open += usize::from(expected.open);
        if k % 3 == 1 {
            let snapshot = other.snapshot();
            other = MotionGate::new(quick()).unwrap();
            other.restore(&snapshot).unwrap();
            assert!(other.snapshot() == snapshot, "{k}");
        }
    }
    assert!(states.len() >= 5 && (60..390).contains(&open), "{states:?} {open}");
}

#[test]
fn a_snapshot_of_hours_between_frames_is_sound() {
    let mut gate = MotionGate::new(quick()).unwrap();
    for k in 0..40 {
        let level = if k % 3 == 0 { 0 } else { 40 };
        gate.observe(&frame(&vec![level + (k % 2) as u8; 64 * 48], Size::new(64, 48), 3_600_000 * k)).unwrap();
        gate.restore(&gate.snapshot()).unwrap();
    }
}

#[test]
fn a_bad_snapshot_is_an_error_and_loses_nothing() {
    let mut camera = Camera::learnt(quick());
    let snapshot = camera.gate.snapshot();
    println!("{} bytes", snapshot.len());
    let refuses = |camera: &mut Camera, bytes: &[u8], code: ErrorCode, what: &str| {
        let error = camera.gate.restore(bytes).unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
    };
    let torn = ErrorCode::DataCorrupt;
    for len in (0..64).chain((64..snapshot.len()).step_by(9973)) {
        refuses(&mut camera, &snapshot[..len], torn, "cut off");
    }
    for at in (0..64).chain((64..snapshot.len()).step_by(9973)) {
        let mut bytes = snapshot.clone();
        bytes[at] ^= 0x10;
        refuses(&mut camera, &bytes, torn, "flipped");
    }
    refuses(&mut camera, &[snapshot.as_slice(), b"x"].concat(), torn, "longer");
    refuses(&mut camera, &[0; 4096], torn, "zeros");
    // As another version would write it, with a sum that fits.
    let mut other = snapshot[..snapshot.len() - 32].to_vec();
    other[8] += 1;
    let sum = <sha2::Sha256 as sha2::Digest>::digest(&other);
    refuses(&mut camera, &[other.as_slice(), sum.as_slice()].concat(), ErrorCode::Unsupported, "version");
    // Sound sums over nonsense.
    for garbage in [vec![], vec![0xff; 200]] {
        let bytes = [&snapshot[..10], garbage.as_slice()].concat();
        let sum = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
        refuses(&mut camera, &[bytes.as_slice(), sum.as_slice()].concat(), torn, "garbage");
    }
    for config in [
        MotionGateConfig { working_width: 160, ..quick() },
        MotionGateConfig { exclude: vec![Polygon::new([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1]]).unwrap()], ..quick() },
    ] {
        let error = MotionGate::new(config).unwrap().restore(&snapshot).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
    }
    // Of a camera with another size: the next frame starts anew.
    let mut gate = MotionGate::new(quick()).unwrap();
    gate.restore(&snapshot).unwrap();
    let motion = gate.observe(&frame(&[9; 320 * 200], Size::new(320, 200), 1)).unwrap();
    assert_eq!(motion.state, MotionState::Learning);
    assert!(camera.watch(5, |k| person(100 + 4 * k)).iter().all(moves), "it still knows what it knew");
}

#[test]
fn bad_configs_are_refused() {
    let base = MotionGateConfig::default;
    let everything = Polygon::new([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).unwrap();
    for (config, field) in [
        (MotionGateConfig { working_width: 1, ..base() }, "working_width"),
        (MotionGateConfig { working_width: 100_000, ..base() }, "working_width"),
        (MotionGateConfig { min_fraction: -0.1, ..base() }, "min_fraction"),
        (MotionGateConfig { min_fraction: f32::NAN, ..base() }, "min_fraction"),
        (MotionGateConfig { min_fraction: 1.5, ..base() }, "min_fraction"),
        (MotionGateConfig { min_region: f32::INFINITY, ..base() }, "min_region"),
        (MotionGateConfig { min_region: 0.0, min_fraction: 0.0, ..base() }, "min_region"),
        (MotionGateConfig { history_s: 0.0, ..base() }, "history_s"),
        (MotionGateConfig { history_s: f64::NAN, ..base() }, "history_s"),
        (MotionGateConfig { linger_s: -1.0, ..base() }, "linger_s"),
        (MotionGateConfig { heartbeat_s: 0.0, ..base() }, "heartbeat_s"),
        (MotionGateConfig { heartbeat_s: 1e9, ..base() }, "heartbeat_s"),
        (MotionGateConfig { exclude: vec![everything.clone()], ..base() }, "exclude"),
        (MotionGateConfig { include: vec![everything; 300], ..base() }, "include"),
    ] {
        let error = MotionGate::new(config).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidConfig);
        assert!(error.to_string().contains(field), "{field}: {error}");
    }
    for text in [
        r#"{"min_fractoin": 0.1}"#,
        r#"{"include": [[[0,0],[1,1]]]}"#,
        r#"{"include": [[[0,0],[1,1],[1,0],[0,1]]]}"#,
        r#"{"exclude": [[[0,0],[2,0],[1,1]]]}"#,
        r#"{"history_s": null}"#,
    ] {
        assert!(serde_json::from_str::<MotionGateConfig>(text).is_err(), "{text}");
    }
    let config: MotionGateConfig = serde_json::from_str(r#"{"include": [[[0,0],[1,0],[1,1]]]}"#).unwrap();
    assert_eq!((config.include[0].area(), config.linger_s), (0.5, 2.0));
}

#[test]
fn frames_of_any_size_are_taken() {
    for size in [(1, 1), (1, 500), (500, 1), (3, 3), (33, 2), (17, 4000), (4000, 17), (319, 241), (8192, 64)] {
        let size = Size::new(size.0, size.1);
        for working_width in [0, 32, 320] {
            let mut gate = MotionGate::new(MotionGateConfig { working_width, ..quick() }).unwrap();
            for k in 0..60 {
                // Stripes, then noise, then white.
                let gray: Vec<u8> = (0..size.pixels())
                    .map(|at| match k {
                        0..30 => (at / 5 * 40 + k % 2) as u8,
                        30..45 => (at * 7919 * (k + 1) % 251) as u8,
                        _ => 255,
                    })
                    .collect();
                let motion = gate.observe(&frame(&gray, size, 100 * k as i64)).unwrap();
                assert!((0.0..=1.0).contains(&motion.fraction), "{size}: {motion:?}");
                for region in &motion.regions {
                    assert_eq!(region.clipped(size), *region, "{size}");
                    assert!(region.area() > 0.0, "{size}: {region:?}");
                }
            }
        }
    }
    // A place that only a larger picture has.
    let corner = Polygon::new([[0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [0.0, 0.1]]).unwrap();
    let mut gate = MotionGate::new(MotionGateConfig { include: vec![corner], ..quick() }).unwrap();
    let error = gate.observe(&frame(&[9], Size::new(1, 1), 1)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidConfig);
    assert_eq!(gate.observe(&frame(&[9; 640 * 360], SIZE, 2)).unwrap().state, MotionState::Learning);
    // One that would take gigabytes.
    let huge = Layout::packed(PixelFormat::Gray8, Size::new(8192, 8192)).unwrap();
    let huge = Frame::from_owner(vec![0u8; huge.byte_len()], huge).unwrap();
    let mut gate = MotionGate::new(MotionGateConfig { working_width: 0, ..quick() }).unwrap();
    assert_eq!(gate.observe(&huge).unwrap_err().code(), ErrorCode::ResourceExhausted);
}

/// A lamp that blinks becomes an overlay; who then stands in its light, or somewhere else, and shifts about, is none.
#[test]
fn somebody_who_shifts_about_is_no_overlay_also_where_a_lamp_blinked() {
    let lamp = |x, y| (300..360).contains(&x) && (160..208).contains(&y);
    for (every, left) in [(500, 316), (500, 90), (1000, 316), (200, 90)] {
        let mut street = Street::new();
        let mut gate = MotionGate::new(quick()).unwrap();
        let mut look = |millis: i64, change: &dyn Fn(usize, usize, u8) -> u8| {
            gate.observe(&frame(&street.gray(change), SIZE, millis)).unwrap()
        };
        let (mut cells, mut seen, mut looks) = (0, 0, 0);
        for millis in (0..60_000).step_by(every) {
            let is_on = (4_000..24_000).contains(&millis) && millis / 1000 % 2 == 0;
            let here = left + [0, 5, 2, 7, 3, 6, 1][millis as usize / every % 7];
            let motion = look(millis, &|x, y, level| match millis {
                ..24_000 if is_on && lamp(x, y) => 230,
                30_000.. if (here..here + 18).contains(&x) && (160..208).contains(&y) => 30,
                _ => level,
            });
            cells = cells.max(motion.overlay_cells);
            if millis >= 30_000 {
                (seen, looks) = (seen + usize::from(moves(&motion)), looks + 1);
            }
        }
        assert!(cells > 0, "the lamp is none, at {every} ms");
        assert!(seen * 10 >= looks * 7, "{every} ms, at {left}: {seen} of {looks}");
    }
}

/// The lower half of a picture that was not decoded to the end, for a second: gray, or the last row again and again.
#[test]
fn a_broken_picture_does_not_open() {
    let mut camera = Camera::learnt(quick());
    let broken = |camera: &mut Camera, frames: usize, smeared: bool| -> Vec<Motion> {
        let look = |_| {
            let mut gray = camera.street.gray(still);
            let (good, lower) = gray.split_at_mut(640 * 180);
            let last = &good[640 * 179..];
            lower.chunks_mut(640).for_each(|row| if smeared { row.copy_from_slice(last) } else { row.fill(128) });
            camera.millis += 1000 / FPS;
            camera.gate.observe(&frame(&gray, SIZE, camera.millis)).unwrap()
        };
        (0..frames).map(look).collect()
    };
    let open = |motions: &[Motion]| motions.iter().filter(|motion| motion.open).count();
    for smeared in [false, true] {
        assert_eq!(open(&broken(&mut camera, 10, smeared)), 0, "smeared: {smeared}");
        assert_eq!(open(&camera.watch(20, |_| still)), 0, "after it, smeared: {smeared}");
        let walk = camera.watch(10, |k| person(100 + 8 * k));
        assert!(walk[1..].iter().all(moves), "{walk:?}");
        camera.watch(30, |_| still);
    }
    // One that stays is what the camera shows now.
    let lasting = broken(&mut camera, 60, false);
    assert!(lasting[..25].iter().all(|motion| !motion.open && motion.ignored.contains(IgnoreReason::Camera)));
    assert!(lasting[25..].iter().any(|motion| motion.open), "{lasting:?}");
}

//! The scenes are what they say they are, and the gate reaches its goals on some of them; `make compare-gate` measures
//! all.
#![allow(clippy::unwrap_used, reason = "a test")]

use guarita::motion::OpenReason;
use guarita::{MotionGate, MotionGateConfig};
use guarita_benches::account::{Account, Course, Seconds};
use guarita_benches::scenes::{self, SIZE, Scene, Theme};

const LUMA: usize = SIZE.pixels() as usize;

fn scene(name: &str) -> Scene {
    scenes::all().into_iter().find(|scene| scene.name() == name).unwrap()
}

fn footage(name: &str) -> Scene {
    scenes::footage(0).into_iter().find(|scene| scene.name() == name).unwrap()
}

fn bytes(scene: &Scene, t: f64) -> Vec<u8> {
    scene.frame(t).unwrap().data().unwrap().to_vec()
}

/// FNV-1a.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn frames_are_the_same_on_every_machine() {
    for (name, t, expected) in [
        ("quiet-day", 21.0, 0x5c6b_cdbd_59d9_7ed6),
        ("quiet-night", 31.6, 0x0d3a_f91f_f1e0_b44f),
        ("infrared", 35.2, 0xbcef_8508_5079_2316),
        ("cloud-edge", 30.5, 0xdc42_3d29_d80f_2464),
        ("snow", 41.4, 0x52dc_4070_388f_c84d),
        ("shake", 33.3, 0x06f9_d2a5_89a4_c973),
        ("covered", 29.1, 0xd52a_909a_46e5_f579),
        ("small-42", 40.0, 0xe0fc_eb04_9755_2f17),
    ] {
        assert_eq!(digest(&bytes(&scene(name), t)), expected, "{name} at {t} s");
    }
}

#[test]
fn a_frame_depends_on_nothing_but_its_time() {
    let (one, other) = (scene("wind"), scene("wind"));
    let late = bytes(&one, 35.0);
    let early = bytes(&one, 20.0);
    assert!(late != early);
    assert!(bytes(&other, 20.0) == early && bytes(&other, 35.0) == late);
    let frame = one.frame(1.0 / 3.0).unwrap();
    assert_eq!(frame.meta().pts.as_nanos(), 333_000_000);
}

#[test]
fn every_scene_is_quiet_first_and_every_disturbance_is_followed_by_an_object() {
    let scenes = scenes::all();
    let mut names: Vec<&str> = scenes.iter().map(Scene::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), scenes.len());
    for scene in &scenes {
        let name = scene.name();
        let course = Course::of(scene);
        let seen = |from: f64, to: f64, least: f32| {
            let (from, to) = ((from * 30.0).ceil() as usize, ((to * 30.0) as usize).min(course.visible.len()));
            course.visible[from.min(to)..to].iter().any(|&share| share >= least)
        };
        assert!(!seen(0.0, 14.0, 0.01), "{name}: not quiet first");
        assert!(seen(14.0, scene.duration_s(), 0.9), "{name}: no object");
        assert!((45.0..110.0).contains(&scene.duration_s()), "{name}: {} s", scene.duration_s());
        for (k, event) in course.events.iter().enumerate() {
            let next = course.events.get(k + 1).map_or(scene.duration_s(), |next| next.start_s);
            assert!(seen(14.0, event.start_s, 0.9), "{name}, {}: no object before", event.name);
            assert!(!seen(event.start_s, event.end_s + 6.0, 0.01), "{name}, {}: an object too soon", event.name);
            // While the lens is covered, nothing can be seen.
            if event.name != "covered" {
                assert!(seen(event.end_s + 6.0, next, 0.9), "{name}, {}: no object after", event.name);
            }
        }
    }
}

#[test]
fn true_boxes_fit_the_pixels() {
    for name in ["quiet-day", "quiet-day-2", "small-41"] {
        let scene = scene(name);
        let before = bytes(&scene, 15.0);
        let times = (20..scene.duration_s() as u32).map(f64::from);
        let truths: Vec<_> =
            times.map(|t| (t, scene.truth(t))).filter(|(_, truth)| !truth.objects.is_empty()).collect();
        assert!(truths.len() > 20, "{name}: {} instants with objects", truths.len());
        for (t, truth) in truths.into_iter().step_by(2) {
            let now = bytes(&scene, t);
            let inside = |k: usize, grow: f32| {
                let (x, y) = ((k % SIZE.width as usize) as f32, (k / SIZE.width as usize) as f32);
                truth.objects.iter().any(|object| {
                    let b = object.bbox;
                    (b.x1 - grow..b.x2 + grow).contains(&x) && (b.y1 - grow..b.y2 + grow).contains(&y)
                })
            };
            let changed = |k: &usize| now[*k].abs_diff(before[*k]) > 22;
            let all: Vec<usize> = (0..LUMA).filter(changed).collect();
            let stray = all.iter().filter(|&&k| !inside(k, 6.0)).count();
            assert!(stray * 100 < all.len() * 5, "{name} at {t} s: {stray} of {} pixels outside", all.len());
            for object in &truth.objects {
                let (b, area) = (object.bbox, object.bbox.area());
                let within = all.iter().filter(|&&k| {
                    let (x, y) = ((k % SIZE.width as usize) as f32, (k / SIZE.width as usize) as f32);
                    (b.x1..b.x2).contains(&x) && (b.y1..b.y2).contains(&y)
                });
                let share = within.count() as f32 / area;
                assert!(area < 30.0 || share > 0.15, "{name} at {t} s: {share} of {b:?} changed");
            }
        }
    }
}

#[test]
fn far_and_small_objects_have_their_size() {
    for scene in scenes::all() {
        let range = match scene.theme {
            Theme::Far => 0.017..0.024,
            Theme::Small => 0.02..0.065,
            Theme::Quiet | Theme::Disturbed | Theme::Footage => continue,
        };
        let mut several = 0;
        for t in (15..scene.duration_s() as u32).map(f64::from) {
            let objects = scene.truth(t).objects;
            several += usize::from(objects.len() > 1);
            for object in objects.iter().filter(|object| object.visible > 0.99) {
                let share = object.bbox.height() / SIZE.height as f32;
                assert!(range.contains(&share), "{} at {t} s: {share}", scene.name());
            }
        }
        assert_eq!(several > 10, scene.theme == Theme::Small, "{}", scene.name());
    }
}

#[test]
fn disturbances_do_what_their_names_say() {
    let mean = |picture: &[u8]| picture[..LUMA].iter().map(|&v| f64::from(v)).sum::<f64>() / LUMA as f64;
    let at = |scene: &Scene, k: usize, end: bool, more: f64| {
        let event = &scene.events()[k];
        bytes(scene, if end { event.end_s } else { event.start_s } + more)
    };

    let steps = scene("light-steps");
    let levels: Vec<f64> = (0..3).flat_map(|k| [-0.2, 0.1].map(|more| mean(&at(&steps, k, false, more)))).collect();
    assert!((16.0..21.0).contains(&(levels[1] - levels[0])), "{levels:?}");
    assert!((-26.0..-19.0).contains(&(levels[3] - levels[2])), "{levels:?}");
    assert!((1.1..1.3).contains(&(levels[5] / levels[4])), "{levels:?}");

    let infrared = scene("infrared");
    let grey = at(&infrared, 0, true, 0.5);
    assert!(grey[LUMA..].iter().all(|&chroma| chroma == 128));
    assert!(mean(&at(&infrared, 0, false, 0.1)) < 30.0, "black for a moment");
    assert!(at(&infrared, 1, true, 0.5)[LUMA..].iter().any(|&chroma| chroma.abs_diff(128) > 10));

    let frozen = scene("frozen");
    let first = at(&frozen, 0, false, 0.1);
    assert!(at(&frozen, 0, true, -0.2) == first);
    assert!(at(&frozen, 0, true, 0.1) != first);
    assert!(frozen.truth(frozen.events()[0].start_s + 3.0).disturbance.as_deref() == Some("frozen"));

    let covered = scene("covered");
    assert!(mean(&at(&covered, 0, true, 1.0)) < 40.0);
    assert!(mean(&at(&covered, 1, true, 1.0)) > 90.0);

    // After the pan, the picture is what was 30 pixels further.
    let pan = scene("pan");
    let (before, after) = (at(&pan, 0, false, -1.0), at(&pan, 0, true, 1.0));
    let width = SIZE.width as usize;
    let mut difference = 0u64;
    for (old, new) in before[..LUMA].chunks_exact(width).zip(after[..LUMA].chunks_exact(width)) {
        difference += old[30..].iter().zip(new).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
    }
    assert!(difference < 5 * LUMA as u64, "{} a pixel", difference as f64 / LUMA as f64);
}

#[test]
fn footage_shows_what_its_names_say() {
    let scenes = scenes::footage(0);
    let all = scenes::all();
    let mut names: Vec<&str> = scenes.iter().chain(&all).map(Scene::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), scenes.len() + all.len());
    assert!(scenes.iter().all(|scene| scene.theme == Theme::Footage && (50.0..140.0).contains(&scene.duration_s())));
    let differing = |name: &str, one: f64, other: f64, rows: std::ops::Range<usize>| {
        let scene = footage(name);
        let (one, other) = (bytes(&scene, one), bytes(&scene, other));
        let width = SIZE.width as usize;
        let range = rows.start * width..rows.end * width;
        one[range.clone()].iter().zip(&other[range]).filter(|(a, b)| a.abs_diff(**b) > 60).count()
    };
    // Digits change where they stand, and nowhere else; the clock jumps to the other end of the picture.
    assert!(differing("clock", 20.1, 21.1, 10..32) > 20 && differing("clock", 20.1, 21.1, 40..360) == 0);
    assert!(differing("clock-jumps", 29.5, 31.5, 10..32) > 100 && differing("clock-jumps", 29.5, 31.5, 320..350) > 100);
    assert_eq!(differing("rec", 20.1, 22.1, 10..32), 0);
    assert!(differing("rec", 20.1, 21.1, 10..32) > 100);
    // Persons of 5, 10 and 20 % of the height walk before the bushes.
    for (name, share) in [("walker-5", 0.05), ("walker-10", 0.1), ("walker-20", 0.2)] {
        let scene = footage(name);
        let heights = (0..scene.duration_s() as u32).flat_map(|t| scene.truth(f64::from(t)).objects);
        let heights: Vec<f32> =
            heights.filter(|object| object.visible > 0.99).map(|object| object.bbox.height() / 360.0).collect();
        assert!(heights.len() > 15 && heights.iter().all(|height| (height / share - 1.0).abs() < 0.15), "{heights:?}");
    }
    // A gray street, in which a car is not.
    let (gray, car) = (footage("coloured-car"), footage("coloured-car"));
    let colours = |picture: &[u8]| picture[LUMA..].iter().filter(|chroma| chroma.abs_diff(128) > 40).count();
    assert!(colours(&bytes(&gray, 4.0)) == 0);
    let busy = (4..40).map(|t| colours(&bytes(&car, f64::from(t)))).max().unwrap();
    assert!(busy > 2_000, "{busy}");
    // Every picture twice, and the truth of a feed that stands still for a second.
    let stutter = footage("stutter");
    assert!(bytes(&stutter, 12.0)[..LUMA] == bytes(&stutter, 12.06)[..LUMA]);
    assert!(bytes(&stutter, 12.0)[..LUMA] != bytes(&stutter, 12.2)[..LUMA]);
}

/// What a gate is worth on footage at some rate, by seconds.
fn seconds(name: &str, fps: usize) -> Seconds {
    let scene = footage(name);
    let config = MotionGateConfig::default();
    let mut gate = MotionGate::new(config.clone()).unwrap();
    let look = |k: usize| {
        let motion = gate.observe(&scene.frame(k as f64 / fps as f64).unwrap()).unwrap();
        motion.open && motion.reason != Some(OpenReason::Heartbeat)
    };
    let open: Vec<bool> = (0..scene.duration_s() as usize * fps).map(look).collect();
    Seconds::of(&Course::of(&scene), fps as f64, &open, config.linger_s)
}

/// So much of the busy seconds is kept, and so many empty ones are opened at most.
fn assert_seen(name: &str, fps: usize, recall: f64, opened: usize) {
    let seconds = seconds(name, fps);
    assert!(seconds.kept as f64 >= recall * seconds.busy as f64 && seconds.opened <= opened, "{name}: {seconds:?}");
}

#[test]
fn somebody_who_walks_before_bushes_is_seen_and_the_bushes_are_not() {
    assert_seen("walker-10", 5, 0.97, 2);
    assert_seen("walker-5", 5, 0.95, 2);
    assert_seen("walker-10", 1, 0.93, 3);
    assert_seen("trees-gusts", 5, 0.0, 2);
}

#[test]
fn a_camera_on_a_pole_sees_what_passes() {
    assert_seen("pole-0.7", 5, 0.95, 4);
    assert_seen("pole-1.5", 1, 0.9, 4);
}

#[test]
fn clocks_are_learnt_and_who_comes_beside_one_is_seen() {
    assert_seen("clock", 5, 0.0, 2);
    assert_seen("clock-large", 5, 0.0, 2);
    assert_seen("clock-jumps", 1, 0.0, 6);
    assert_seen("clock-people", 5, 0.97, 2);
}

#[test]
fn exposure_that_settles_spoils_nothing() {
    assert_seen("exposure-down", 1, 0.95, 0);
    assert_seen("exposure-up", 5, 0.95, 0);
}

#[test]
fn a_coloured_car_is_no_switch() {
    assert_seen("coloured-car", 5, 0.97, 2);
}

/// What a gate is worth on a scene at 15 and at 1 frame a second.
fn judged(name: &str) -> [Account; 2] {
    const FPS: usize = 15;
    let scene = scene(name);
    let config = MotionGateConfig::default();
    let mut gates = [1, FPS].map(|every| (every, MotionGate::new(config.clone()).unwrap(), Vec::new()));
    for k in 0..scene.duration_s() as usize * FPS {
        let frame = scene.frame(k as f64 / FPS as f64).unwrap();
        for (every, gate, moves) in &mut gates {
            if k % *every == 0 {
                moves.push(gate.observe(&frame).unwrap().reason == Some(OpenReason::Motion));
            }
        }
    }
    let course = Course::of(&scene);
    gates.map(|(every, _, moves)| Account::of(&course, FPS as f64 / every as f64, &moves, config.linger_s))
}

/// Every object is seen, and nothing else.
fn assert_calm(name: &str, recall: f64) {
    for account in judged(name) {
        for kept in [account.before, account.after].into_iter().filter(|kept| kept.wanted > 0) {
            assert!(kept.kept as f64 >= recall * kept.wanted as f64, "{name}: {account:?}");
        }
        assert_eq!(account.false_openings_quiet, 0, "{name}: {account:?}");
        for event in &account.events {
            assert!(event.false_openings <= 1 && event.recovery_s <= 3.0, "{name}: {event:?}");
        }
    }
}

#[test]
fn quiet_by_day() {
    assert_calm("quiet-day", 0.99);
}

#[test]
fn quiet_by_night() {
    assert_calm("quiet-night", 0.96);
}

#[test]
fn light_steps() {
    assert_calm("light-steps", 0.99);
}

#[test]
fn infrared() {
    assert_calm("infrared", 0.99);
}

#[test]
fn a_nudge_of_the_camera() {
    assert_calm("nudge", 0.99);
}

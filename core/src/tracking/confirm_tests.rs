use super::*;
use crate::detection::Label;
use crate::geometry::BoundingBox;

fn found(x: f32, confidence: f32) -> Detection {
    named(x, confidence, "person")
}

fn named(x: f32, confidence: f32, name: &str) -> Detection {
    Detection::new(BoundingBox::from_xyxy(x, 0.0, x + 10.0, 10.0), Label { id: 0, name: name.into() }, confidence)
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_nanos((seconds * 1e9) as i64)
}

fn confirm(k: u32, n: u32) -> Confirm {
    Confirm::new(Confirmation { k, n, ..Confirmation::default() }).unwrap()
}

fn ids(objects: &[Object]) -> Vec<u64> {
    objects.iter().map(|object| object.id.0).collect()
}

#[test]
fn k_of_n_against_every_pattern_of_looks() {
    // All patterns of 10 looks, against a count over the last n of them.
    for (k, n) in [(1, 1), (1, 3), (2, 3), (3, 3), (2, 5)] {
        for pattern in 0..1024_u32 {
            let mut machine = confirm(k, n);
            let mut seen: Vec<bool> = Vec::new();
            for look in 0..10 {
                let here = pattern >> look & 1 == 1;
                let list = if here { vec![found(0.0, 0.5)] } else { vec![] };
                seen.push(here);
                let sightings = seen.iter().rev().take(n as usize).filter(|&&here| here).count() as u32;
                let objects = machine.looked(&list, at(f64::from(look)));
                assert_eq!(objects.len(), usize::from(sightings >= k), "{k} of {n}, {pattern:b}, look {look}");
                assert!(objects.iter().all(|object| object.sightings == sightings));
            }
        }
    }
}

#[test]
fn the_box_is_the_last_one_and_the_confidence_the_mean() {
    let mut machine = confirm(2, 3);
    machine.looked(&[found(0.0, 0.9)], at(10.0));
    let objects = machine.looked(&[found(2.0, 0.5)], at(11.0));
    assert_eq!((objects[0].detection.bbox.x1, objects[0].detection.confidence), (2.0, 0.7));
    assert_eq!((objects[0].since, objects[0].sightings, objects[0].id), (at(10.0), 2, ObjectId(0)));
    // Missed: the same box, and the misses do not count in the mean.
    let objects = machine.looked(&[], at(12.0));
    assert_eq!((objects[0].detection.bbox.x1, objects[0].detection.confidence), (2.0, 0.7));
    // The first look leaves the window.
    let objects = machine.looked(&[found(2.0, 0.7)], at(13.0));
    assert_eq!((objects[0].detection.confidence, objects[0].sightings), (0.6, 2));
}

#[test]
fn objects_are_followed_and_told_apart() {
    let mut machine = confirm(1, 4);
    assert_eq!(ids(machine.looked(&[found(0.0, 0.6), named(0.0, 0.7, "car"), found(50.0, 0.5)], at(0.0))), [1, 0, 2]);
    // Both persons move on, the car does not, and somebody else comes.
    let next = [found(53.0, 0.95), found(3.0, 0.6), named(0.0, 0.7, "car"), found(90.0, 0.1)];
    let objects = machine.looked(&next, at(1.0)).to_vec();
    assert_eq!(ids(&objects), [2, 1, 0, 3]);
    assert_eq!(objects[2].detection.bbox.x1, 3.0);
    // A jump of more than the overlap is another object.
    assert!(ids(machine.looked(&[found(12.0, 0.9)], at(2.0))).contains(&4));
}

#[test]
fn what_is_not_seen_for_long_is_another_object() {
    let mut machine = confirm(1, 64);
    machine.looked(&[found(0.0, 0.5)], at(0.0));
    assert_eq!(ids(machine.looked(&[found(0.0, 0.5)], at(5.0))), [0], "just not too long");
    assert_eq!(ids(machine.looked(&[found(0.0, 0.5)], at(10.1))), [1]);
    // Missed in the last look, and nothing moves: it goes after a while.
    machine.looked(&[], at(11.0));
    assert_eq!(ids(machine.unchanged(at(15.0))), [1]);
    assert_eq!(ids(machine.unchanged(at(15.2))), [0_u64; 0]);
    // Seen in the last look, and nothing moves: it stays for ever, and is the same one afterwards.
    machine.looked(&[found(0.0, 0.5)], at(16.0));
    let since = machine.objects()[0].since;
    for minute in 1..100 {
        let objects = machine.unchanged(at(16.0 + f64::from(minute) * 4.0));
        assert_eq!((ids(objects), objects[0].sightings), (vec![2], 1));
    }
    assert_eq!(ids(machine.looked(&[found(0.0, 0.5)], at(414.0))), [2]);
    assert_eq!(machine.objects()[0].since, since);
}

#[test]
fn time_that_goes_backwards_starts_anew_without_using_an_id_again() {
    let mut machine = confirm(2, 2);
    for seconds in [0.0, 1.0, 1.0] {
        machine.looked(&[found(0.0, 0.5)], at(seconds));
    }
    assert_eq!(ids(machine.objects()), [0]);
    assert_eq!(ids(machine.looked(&[found(0.0, 0.5)], at(-3_600.0))), [0_u64; 0]);
    assert_eq!(ids(machine.looked(&[found(0.0, 0.5)], at(-3_599.0))), [1]);
    for pts in [i64::MAX, i64::MIN, i64::MAX, 0, i64::MIN] {
        machine.looked(&[found(0.0, 0.5)], Timestamp::from_nanos(pts));
        machine.unchanged(Timestamp::from_nanos(pts));
    }
    assert_eq!(ids(machine.objects()), [0_u64; 0]);
}

#[test]
fn hostile_detections_do_no_harm() {
    let mut machine = confirm(1, 2);
    let mut list: Vec<_> = (0..3_000).map(|at| found(at as f32 * 20.0, at as f32 / 3_000.0)).collect();
    let mut nowhere = found(0.0, 0.9);
    nowhere.bbox.x2 = f32::NAN;
    list.insert(0, nowhere);
    list.insert(0, found(0.0, f32::NAN));
    list.insert(0, found(0.0, f32::INFINITY));
    let objects = machine.looked(&list, at(0.0)).to_vec();
    assert_eq!(objects.len(), 1_000);
    assert_eq!(objects[0].detection.confidence, 2_999.0 / 3_000.0, "the surest are kept");
    // Full: others find no room until the first ones are gone.
    let others: Vec<_> = (0..10).map(|at| named(at as f32 * 20.0, 0.5, "car")).collect();
    assert!(machine.looked(&others, at(0.1)).iter().all(|object| &*object.detection.label.name == "person"));
    assert_eq!(machine.looked(&others, at(0.2)).len(), 10);
    // Empty and inverted boxes overlap nothing; each is an object of its own.
    let mut inverted = found(0.0, 0.5);
    inverted.bbox = BoundingBox::from_xyxy(9.0, 9.0, 1.0, 1.0);
    let mut machine = confirm(1, 1);
    machine.looked(&[inverted.clone()], at(0.0));
    assert_eq!(ids(machine.looked(&[inverted], at(0.1))), [1]);
}

#[test]
fn the_state_goes_through_json_at_any_look() {
    let (mut whole, mut broken) = (confirm(2, 4), confirm(2, 4));
    let mut dice = 7_u64;
    let mut roll = |most: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % most
    };
    let mut pts = 0.0;
    for _ in 0..1_000 {
        pts += match roll(50) {
            0 => -3_600.0,
            1 => 7_200.0,
            _ => roll(30) as f64 / 10.0,
        };
        let list: Vec<_> = (0..roll(4)).map(|_| found(roll(30) as f32, roll(100) as f32 / 99.0)).collect();
        let text = serde_json::to_string(broken.state()).unwrap();
        broken = confirm(2, 4).with_state(serde_json::from_str(&text).unwrap()).unwrap();
        if roll(3) == 0 {
            assert_eq!(whole.unchanged(at(pts)), broken.unchanged(at(pts)));
        } else {
            assert_eq!(whole.looked(&list, at(pts)), broken.looked(&list, at(pts)));
        }
        assert_eq!(whole.state(), broken.state());
    }
    let mut state = whole.state().clone();
    state.tracks = vec![Track {
        id: ObjectId(1),
        detection: found(0.0, 0.5),
        looks: VecDeque::new(),
        since: at(0.0),
        seen: at(0.0),
    }];
    assert!(confirm(1, 1).with_state(state).is_err());
}

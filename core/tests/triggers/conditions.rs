//! What each condition means, and what it says.

use super::*;

const AT_ONCE: &str = "cooldown_s = 0";

fn with(when: &str) -> TriggerMachine {
    trigger(&format!("{AT_ONCE}\nwhen = {when}"))
}

#[test]
fn present_asks_for_class_zone_and_confidence() {
    let in_door = r#"{ present = { classes = [" person ", "dog"], zone = "door", min_confidence = 0.6 } }"#;
    for (objects, expected) in [
        (vec![], ""),
        (vec![person(1, 70.0)], "person 0.83 in door"),
        (vec![person(1, 20.0)], ""),
        (vec![object(1, "car", 70.0, 0.9, 0.0)], ""),
        (vec![object(1, "Person", 70.0, 0.9, 0.0)], ""),
        (vec![object(1, "person", 70.0, 0.59, 0.0)], ""),
        (vec![object(1, "dog", 70.0, f32::NAN, 0.0)], ""),
        (vec![person(1, 70.0), object(2, "dog", 60.0, 0.95, 0.0), person(3, 10.0)], "dog 0.95 and 1 more in door"),
    ] {
        let mut trigger = with(in_door);
        let fired = look(&mut trigger, 1.0, &objects);
        if let Some(fired) = &fired {
            assert_eq!(fired.zone.as_deref(), Some("door"));
            assert!(fired.objects.iter().all(|object| object.detection.bbox.x1 > 50.0));
        }
        assert_eq!(why(fired), expected, "{objects:?}");
    }
    // No class is any class, and no zone is the whole picture.
    let fired = look(&mut with("{ present = {} }"), 0.0, &[object(1, "unicorn", 3.0, 0.1, 0.0)]).unwrap();
    assert_eq!((fired.why.as_str(), fired.zone, fired.objects.len()), ("unicorn 0.10", None, 1));
}

#[test]
fn the_anchor_of_the_zone_decides() {
    // The feet are at y = 60, the middle at 50.
    let low = Polygon::new([[0.0, 0.55], [1.0, 0.55], [1.0, 1.0], [0.0, 1.0]]).unwrap();
    for (anchor, there) in [(guarita::zone::Anchor::BottomCenter, true), (guarita::zone::Anchor::Center, false)] {
        let zone = Zone::new("low", low.clone()).with_anchor(anchor);
        let mut trigger = TriggerMachine::new(config("when = { present = { zone = \"low\" } }"), &[zone]).unwrap();
        assert_eq!(look(&mut trigger, 0.0, &[person(1, 50.0)]).is_some(), there, "{anchor:?}");
    }
}

#[test]
fn count_has_bounds() {
    let crowd = |count: u64| (0..count).map(|id| person(id, 10.0)).collect::<Vec<_>>();
    for (when, fires_at, words) in [
        (
            "{ count = { classes = [\"person\"], zone = \"yard\", over = 2 } }",
            vec![3, 4, 5],
            "3 person in yard, more than 2",
        ),
        ("{ count = { under = 2 } }", vec![0, 1], "0 objects, fewer than 2"),
        (
            "{ count = { classes = [\"person\", \"dog\"], over = 1, under = 4 } }",
            vec![2, 3],
            "2 person or dog, more than 1 and fewer than 4",
        ),
    ] {
        let fired: Vec<_> =
            (0..6).filter_map(|count| Some((count, look(&mut with(when), 0.0, &crowd(count))?))).collect();
        assert_eq!(fired.iter().map(|(count, _)| *count).collect::<Vec<_>>(), fires_at, "{when}");
        assert_eq!(fired[0].1.why, words);
        assert!(fired.iter().all(|(count, fired)| fired.objects.len() as u64 == *count));
    }
}

#[test]
fn enter_and_leave() {
    let (mut enter, mut leave) = (with(r#"{ enter = { zone = "door" } }"#), with(r#"{ leave = { zone = "door" } }"#));
    let mut both = |seconds: f64, objects: &[Object]| {
        (why(look(&mut enter, seconds, objects)), why(look(&mut leave, seconds, objects)))
    };
    let none = || (String::new(), String::new());
    // There from the start: the first one is inside and has not entered.
    assert_eq!(both(0.0, &[person(1, 70.0), person(2, 20.0)]), none());
    assert_eq!(both(1.0, &[person(1, 70.0), person(2, 60.0)]), ("person 0.83 entered door".into(), String::new()));
    assert_eq!(both(2.0, &[person(1, 30.0), person(2, 60.0)]), (String::new(), "person 0.83 left door".into()));
    // Appears inside: entered. Appears outside, or vanishes inside: nothing.
    let third = object(3, "person", 90.0, 0.5, 3.0);
    assert_eq!(both(3.0, &[person(2, 60.0), third.clone()]), ("person 0.50 entered door".into(), String::new()));
    assert_eq!(both(4.0, &[object(4, "person", 9.0, 0.5, 4.0)]), none());
    // Two at once, and one is back that was away for a while.
    let two = [person(1, 61.0), object(4, "person", 55.0, 0.9, 4.0), third];
    assert_eq!(both(5.0, &two), ("person 0.90 and 1 more entered door".into(), String::new()));
}

#[test]
fn an_object_that_was_there_before_anything_was_confirmed_has_not_entered() {
    // Two of three looks confirm: the first scenes have no object, though one stands there.
    let mut enter = with(r#"{ enter = { zone = "door" } }"#);
    assert!(look(&mut enter, 10.0, &[]).is_none());
    assert!(look(&mut enter, 11.0, &[object(1, "person", 70.0, 0.8, 10.0)]).is_none());
    assert!(look(&mut enter, 12.0, &[object(2, "person", 70.0, 0.8, 11.0)]).is_some());
}

#[test]
fn standing_on_the_line_counts_once_each_way() {
    let (mut enter, mut leave) = (with(r#"{ enter = { zone = "door" } }"#), with(r#"{ leave = { zone = "door" } }"#));
    let mut fired = (0, 0);
    for step in 0..200 {
        let objects = [person(1, if step % 2 == 0 { 49.0 } else { 51.0 })];
        let seconds = f64::from(step) * 30.0;
        fired.0 += u32::from(look(&mut enter, seconds, &objects).is_some());
        fired.1 += u32::from(look(&mut leave, seconds, &objects).is_some());
        // Frames in between that nobody looks at change nothing.
        for k in 1..4 {
            assert!(still(&mut enter, seconds + f64::from(k), &objects).is_none());
            assert!(still(&mut leave, seconds + f64::from(k), &objects).is_none());
        }
    }
    assert_eq!(fired, (1, 1));
    // Twice on one side, and it counts again.
    for (x, entered) in [(49.0, false), (49.0, false), (51.0, true), (49.0, false), (51.0, false)] {
        assert_eq!(look(&mut enter, 7_000.0, &[person(1, x)]).is_some(), entered, "{x}");
    }
}

#[test]
fn every_entering_of_a_case_of_its_own_fires_without_a_cooldown() {
    let mut enter = with(r#"{ enter = { zone = "door" } }"#);
    look(&mut enter, 0.0, &[]);
    for id in 1..20_u32 {
        let seconds = f64::from(id);
        let objects: Vec<_> = (1..=id).map(|id| object(id.into(), "person", 70.0, 0.5, f64::from(id))).collect();
        let fired = look(&mut enter, seconds, &objects).unwrap();
        assert_eq!(fired.objects.iter().map(|object| object.id.0).collect::<Vec<_>>(), [u64::from(id)]);
    }
}

#[test]
fn absent_counts_from_the_last_sight() {
    let mut absent = with(r#"{ absent = { classes = ["person"], zone = "desk", for_s = 60 } }"#);
    let elsewhere = [person(1, 60.0), object(2, "dog", 90.0, 0.9, 0.0)];
    let fired: Vec<f64> = (0..400)
        .map(f64::from)
        .filter(|&seconds| {
            let there = [person(1, 90.0)];
            let objects = if (100.0..120.0).contains(&seconds) { &there[..] } else { &elsewhere[..] };
            let fired = if seconds % 3.0 == 0.0 {
                look(&mut absent, seconds, objects)
            } else {
                still(&mut absent, seconds, objects)
            };
            assert!(fired.as_ref().is_none_or(|fired| fired.why == "no person in desk for 60 s"));
            assert!(
                fired.as_ref().is_none_or(|fired| fired.objects.is_empty() && fired.zone.as_deref() == Some("desk"))
            );
            fired.is_some()
        })
        .collect();
    assert_eq!(fired, [60.0, 179.0], "from the first scene, and from the last sight; once each");
}

#[test]
fn combinations() {
    let unattended = r#"{ all = [
        { present = { classes = ["suitcase"], zone = "door" } },
        { not = { present = { classes = ["person"], zone = "door" } } } ] }"#;
    let mut trigger = with(unattended);
    let suitcase = object(5, "suitcase", 70.0, 0.7, 0.0);
    assert!(look(&mut trigger, 0.0, &[suitcase.clone(), person(1, 60.0)]).is_none());
    let fired = look(&mut trigger, 1.0, &[suitcase.clone(), person(1, 20.0)]).unwrap();
    assert_eq!(fired.why, "suitcase 0.70 in door and not (person in door)");
    assert_eq!((fired.objects.len(), fired.zone.as_deref()), (1, Some("door")));
    // Only those that hold are told.
    let mut any = with(
        r#"{ any = [{ count = { over = 5 } }, { present = { classes = ["dog"] } }, { enter = { zone = "desk" } }] }"#,
    );
    assert!(look(&mut any, 0.0, &[]).is_none());
    let fired = look(&mut any, 1.0, &[object(2, "dog", 90.0, 0.9, 1.0)]).unwrap();
    assert_eq!(fired.why, "dog 0.90 and dog 0.90 entered desk");
    assert_eq!((fired.objects.len(), fired.zone.as_deref()), (1, Some("desk")));
    // An edge holds in its scene only: the dog comes after the person entered.
    let mut late =
        with(r#"{ all = [{ enter = { classes = ["person"], zone = "door" } }, { present = { classes = ["dog"] } }] }"#);
    look(&mut late, 0.0, &[]);
    assert!(look(&mut late, 1.0, &[object(1, "person", 70.0, 0.5, 1.0)]).is_none());
    let with_dog = [object(1, "person", 70.0, 0.5, 1.0), object(2, "dog", 9.0, 0.5, 2.0)];
    assert!(look(&mut late, 2.0, &with_dog).is_none());
    let another = [object(3, "person", 70.0, 0.5, 3.0), object(2, "dog", 9.0, 0.5, 2.0)];
    assert!(look(&mut late, 3.0, &another).is_some());
}

#[test]
fn a_reason_has_an_end() {
    let long = "x".repeat(250);
    let classes = format!("[{}]", vec![format!("\"{long}\""); 100].join(", "));
    let mut trigger = with(&format!("{{ not = {{ present = {{ classes = {classes} }} }} }}"));
    let words = why(look(&mut trigger, 0.0, &[]));
    assert!(words.chars().count() == 501 && words.ends_with('…'), "{}", words.len());
}

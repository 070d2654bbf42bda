//! Patience, cooldown, hours, gaps, and clocks that jump.

use super::*;

/// When it fires, with a person there in these spans of seconds, a frame every half second.
fn fired_at(text: &str, there: &[(f64, f64)], until: f64) -> (Vec<f64>, u64) {
    let mut trigger = trigger(text);
    let mut fired = Vec::new();
    for k in 0..(until * 2.0) as u32 {
        let seconds = f64::from(k) / 2.0;
        let here = there.iter().any(|&(from, to)| (from..to).contains(&seconds));
        let objects = if here { vec![person(1, 70.0)] } else { vec![] };
        if look(&mut trigger, seconds, &objects).is_some() {
            fired.push(seconds);
        }
    }
    (fired, trigger.suppressed())
}

const WHEN: &str = "when = { present = { classes = [\"person\"] } }";

#[test]
fn it_fires_once_until_it_was_over() {
    let text = format!("{WHEN}\ncooldown_s = 0");
    assert_eq!(fired_at(&text, &[(1.0, 50.0), (50.5, 51.0)], 60.0), (vec![1.0, 50.5], 0));
}

#[test]
fn it_must_hold_without_a_break() {
    let text = format!("{WHEN}\nfor_s = 3\ncooldown_s = 0");
    let there = [(1.0, 3.5), (4.0, 6.0), (10.0, 20.0), (30.0, 33.0)];
    assert_eq!(fired_at(&text, &there, 60.0), (vec![13.0], 0));
}

#[test]
fn a_cooldown_puts_off_what_lasts_and_suppresses_what_does_not() {
    let text = format!("{WHEN}\ncooldown_s = 10");
    let there = [(1.0, 2.0), (3.0, 4.0), (6.0, 7.0), (9.0, 30.0), (30.5, 31.0)];
    assert_eq!(fired_at(&text, &there, 60.0), (vec![1.0, 11.0, 30.5], 2));
    // The same with patience: what does not last long enough is no case at all.
    let text = format!("{WHEN}\nfor_s = 1\ncooldown_s = 10");
    let there = [(1.0, 3.0), (4.0, 4.5), (5.0, 7.0), (8.0, 30.0)];
    assert_eq!(fired_at(&text, &there, 60.0), (vec![2.0, 12.0], 1));
}

#[test]
fn an_edge_in_the_cooldown_is_dropped_and_counted() {
    let mut enter = trigger("when = { enter = { zone = \"door\" } }\ncooldown_s = 10");
    look(&mut enter, 0.0, &[]);
    let mut fired = Vec::new();
    for id in 1..=30_u32 {
        let newcomer = object(id.into(), "person", 70.0, 0.5, f64::from(id));
        fired.extend(look(&mut enter, f64::from(id), &[newcomer]).map(|_| id));
    }
    assert_eq!(fired, [1, 11, 21]);
    assert!(look(&mut enter, 31.0, &[]).is_none());
    assert_eq!(enter.suppressed(), 27);
}

#[test]
fn a_schedule_gates_the_firing_and_not_the_watching() {
    let nights = "[schedule]\ntime_zone = \"UTC\"\nwindows = [{ from = \"22:00\", to = \"06:00\" }]";
    // A frame a minute from noon; the person stays all the time.
    let day = |text: &str, there: &dyn Fn(i64) -> bool| {
        let mut trigger = trigger(&format!("{text}\nmax_gap_s = 61\n{nights}"));
        let mut fired = Vec::new();
        for minute in 0..48 * 60 {
            let time = UnixTime::from_secs(12 * 3_600 + minute * 60);
            let objects = if there(minute) { vec![person(1, 70.0)] } else { vec![] };
            if look_at(&mut trigger, Timestamp::from_millis(minute * 60_000), time, &objects).is_some() {
                fired.push((12 * 60 + minute) as f64 / 60.0);
            }
        }
        fired
    };
    assert_eq!(day(WHEN, &|_| true), [22.0], "when the hours begin, once");
    assert_eq!(day(&format!("{WHEN}\nfor_s = 3600"), &|minute| minute >= 9 * 60), [22.0], "the time before counts");
    assert_eq!(day(WHEN, &|minute| minute < 60), [0.0; 0]);
    assert_eq!(day(WHEN, &|minute| minute % 1440 < 11 * 60), [22.0, 46.0], "each night, where it was over in between");
    let left_at_night = "when = { leave = { zone = \"door\" } }";
    assert_eq!(day(left_at_night, &|_| true), [0.0; 0]);
}

#[test]
fn entering_is_watched_outside_of_hours() {
    let mut enter = trigger(
        "when = { enter = { zone = \"door\" } }\n[schedule]\ntime_zone = \"UTC\"\nwindows = [{ from = \"22:00\" }]",
    );
    let mut go = |seconds: i64, x: f32| {
        look_at(&mut enter, Timestamp::from_millis(seconds * 1_000), UnixTime::from_secs(seconds), &[person(1, x)])
            .is_some()
    };
    let night = 22 * 3_600;
    assert!(!go(night - 3, 20.0) && !go(night - 2, 20.0));
    assert!(!go(night - 1, 70.0), "entered a second too early");
    assert!(!go(night, 70.0) && !go(night + 1, 70.0), "and does not enter again by standing there");
    assert!(!go(night + 2, 20.0) && !go(night + 3, 20.0));
    assert!(go(night + 4, 70.0));
}

#[test]
fn a_gap_that_nobody_watched_does_not_count() {
    // Ten minutes without a frame are no ten minutes without a person.
    let mut absent = trigger("when = { absent = { classes = [\"person\"], for_s = 100 } }");
    for (seconds, fires) in [(0.0, false), (60.0, false), (660.0, false), (699.0, false), (700.0, true)] {
        assert_eq!(look(&mut absent, seconds, &[]).is_some(), fires, "{seconds}");
    }
    let mut patient = trigger(&format!("{WHEN}\nfor_s = 100"));
    for (seconds, fires) in [(0.0, false), (60.0, false), (660.0, false), (699.0, false), (700.0, true)] {
        assert_eq!(look(&mut patient, seconds, &[person(1, 9.0)]).is_some(), fires, "{seconds}");
    }
    // A camera with a frame every two minutes says so.
    let mut slow = trigger("when = { absent = { for_s = 240 } }\nmax_gap_s = 150");
    for (seconds, fires) in [(0.0, false), (120.0, false), (240.0, true)] {
        assert_eq!(look(&mut slow, seconds, &[]).is_some(), fires, "{seconds}");
    }
    // The cooldown goes by the frames' clock alone.
    let mut present = trigger(&format!("{WHEN}\ncooldown_s = 300"));
    assert!(look(&mut present, 0.0, &[person(1, 9.0)]).is_some());
    assert!(look(&mut present, 1.0, &[]).is_none());
    assert!(look(&mut present, 600.0, &[person(1, 9.0)]).is_some());
}

#[test]
fn time_that_goes_backwards_starts_to_watch_anew() {
    let mut absent = trigger("when = { absent = { for_s = 10 } }\ncooldown_s = 0");
    for (seconds, fires) in [(0.0, false), (9.0, false), (-3_600.0, false), (-3_591.0, false), (-3_590.0, true)] {
        assert_eq!(look(&mut absent, seconds, &[]).is_some(), fires, "{seconds}");
    }
    let mut patient = trigger(&format!("{WHEN}\nfor_s = 10"));
    for (seconds, fires) in [(0.0, false), (9.0, false), (5.0, false), (14.0, false), (15.0, true)] {
        assert_eq!(look(&mut patient, seconds, &[person(1, 9.0)]).is_some(), fires, "{seconds}");
    }
    // What is left of the cooldown stays: neither a flood of events nor an hour of silence.
    let mut present = trigger(&format!("{WHEN}\ncooldown_s = 10"));
    let mut fired = Vec::new();
    for k in 0..200 {
        let seconds = f64::from(k) / 4.0 - if k >= 80 { 3_600.0 } else { 0.0 };
        let objects = if k % 2 == 0 { vec![person(1, 9.0)] } else { vec![] };
        fired.extend(look(&mut present, seconds, &objects).map(|_| k));
    }
    assert_eq!(fired, [0, 40, 82, 122, 162], "the step back is no time");
    // Whoever stands in a zone after the step has not entered it.
    let mut enter = trigger("when = { enter = { zone = \"door\" } }\ncooldown_s = 0");
    assert!(look(&mut enter, 0.0, &[]).is_none());
    assert!(look(&mut enter, -50.0, &[object(1, "person", 70.0, 0.5, -50.0)]).is_none());
    assert!(look(&mut enter, -49.0, &[object(2, "person", 70.0, 0.5, -49.0)]).is_some());
    // Nor has one that keeps its number over the step, whatever it did before.
    for since in [-500.0, 8.0] {
        let mut enter = trigger("when = { enter = { zone = \"door\" } }\ncooldown_s = 0");
        assert!(look(&mut enter, 9.0, &[object(1, "person", 20.0, 0.5, since)]).is_none());
        assert!(look(&mut enter, -50.0, &[object(1, "person", 70.0, 0.5, since)]).is_none());
    }
}

#[test]
fn no_time_of_a_frame_fires_twice() {
    let mut present = trigger(&format!("{WHEN}\ncooldown_s = 0"));
    // The same clip twice: what fired at these times has the ids of the events already.
    let clip = |present: &mut TriggerMachine| {
        let mut fired = Vec::new();
        for k in 0..10 {
            let objects = if k % 4 < 2 { vec![person(1, 9.0)] } else { vec![] };
            fired.extend(look(present, f64::from(k), &objects).map(|_| k));
        }
        fired
    };
    assert_eq!(clip(&mut present), [0, 4, 8]);
    assert_eq!(clip(&mut present), [5, 9], "0 goes on from before; 4 and 8 are taken, their next frames are not");
    // Several frames with one time.
    let mut same = trigger("when = { enter = { zone = \"door\" } }\ncooldown_s = 0");
    look(&mut same, 0.0, &[]);
    let count = (1..10_u32)
        .filter(|&id| look(&mut same, 5.0, &[object(id.into(), "person", 70.0, 0.5, 5.0)]).is_some())
        .count();
    assert_eq!(count, 1);
}

#[test]
fn the_ends_of_time_do_no_harm() {
    let texts = [
        format!("{WHEN}\nfor_s = 86400\ncooldown_s = 604800"),
        "when = { absent = { for_s = 604800 } }\nmax_gap_s = 86400".into(),
        "when = { any = [{ enter = { zone = \"door\" } }, { leave = { zone = \"door\" } }] }\ncooldown_s = 0".into(),
    ];
    for text in texts {
        let mut trigger = trigger(&text);
        for round in 0..50 {
            for pts in [i64::MIN, i64::MAX, 0, i64::MAX, i64::MIN, i64::MIN + 1, -1] {
                let mut one = person(round, if round % 2 == 0 { 70.0 } else { f32::NAN });
                one.since = Timestamp::from_nanos(pts);
                look_at(&mut trigger, Timestamp::from_nanos(pts), UnixTime::from_secs(pts), &[one]);
            }
        }
    }
}

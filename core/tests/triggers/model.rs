//! Against a plain model that keeps the whole history and works everything out anew in each scene; and with the state
//! taken through a file between any two scenes.

use super::*;
use guarita::event::{Condition, TriggerState};

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % most
    }
}

struct Moment {
    pts: i64,
    objects: Vec<Object>,
    looked_at: bool,
}

/// A thousand scenes; the clock jumps by hours both ways, stands still, and has gaps.
fn recording(dice: &mut Dice, jumps: bool) -> Vec<Moment> {
    let (mut pts, mut objects, mut next) = (0_i64, Vec::<Object>::new(), 0);
    (0..1_000)
        .map(|_| {
            pts += match dice.below(100) {
                0 if jumps => -3_600_000,
                1 if jumps => 3_600_000,
                2 if jumps => -1,
                3 if jumps => 0,
                4..8 => 61_000 + dice.below(100_000) as i64,
                _ => 100 * (1 + dice.below(60) as i64),
            };
            let looked_at = dice.below(4) > 0;
            if looked_at {
                objects.retain(|_| dice.below(5) > 0);
                for object in &mut objects {
                    let x = dice.below(92) as f32;
                    object.detection.bbox = BoundingBox::from_xyxy(x, 10.0, x + 8.0, 60.0);
                }
                for _ in 0..dice.below(3) {
                    next += 1;
                    let class = ["person", "dog"][dice.below(2) as usize];
                    let (x, sure) = (4.0 + dice.below(92) as f32, dice.below(100) as f32 / 99.0);
                    objects.push(object(next, class, x, sure, pts as f64 / 1e3));
                }
            }
            Moment { pts, objects: objects.clone(), looked_at }
        })
        .collect()
}

fn show(trigger: &mut TriggerMachine, moment: &Moment) -> Option<Firing> {
    let camera = CameraId::new("gate");
    let scene = Scene::new(&camera, Timestamp::from_millis(moment.pts), SIZE, &moment.objects);
    trigger.observe(&if moment.looked_at { scene } else { scene.unchanged() })
}

/// The value of a condition at the end of a history, and nothing but a loop over it.
fn holds(condition: &Condition, history: &[Moment]) -> bool {
    let now = history.last().unwrap();
    let count = |moment: &Moment, classes: &[std::sync::Arc<str>], zone: &Option<std::sync::Arc<str>>, least: f32| {
        let known = zones();
        let zone = zone.as_ref().map(|name| known.iter().find(|zone| zone.name == *name).unwrap());
        let matches = |object: &&Object| {
            (classes.is_empty() || classes.contains(&object.detection.label.name))
                && zone.is_none_or(|zone| zone.holds(&object.detection, SIZE))
                && object.detection.confidence >= least
        };
        moment.objects.iter().filter(matches).count()
    };
    match condition {
        Condition::Present { classes, zone, min_confidence } => {
            count(now, classes, zone, min_confidence.unwrap_or(0.0)) > 0
        }
        Condition::Count { classes, zone, over, under } => {
            let count = count(now, classes, zone, 0.0) as u32;
            over.is_none_or(|over| count > over) && under.is_none_or(|under| count < under)
        }
        Condition::Absent { classes, zone, for_s } => {
            // Back to the last sight, or to where watching began.
            let mut gone = 0;
            for k in (0..history.len()).rev() {
                if count(&history[k], classes, zone, 0.0) > 0 || k == 0 || history[k].pts < history[k - 1].pts {
                    break;
                }
                gone += watched(history, k);
            }
            gone as f64 >= for_s * 1e3
        }
        Condition::All(inner) => inner.iter().all(|inner| holds(inner, history)),
        Condition::Any(inner) => inner.iter().any(|inner| holds(inner, history)),
        Condition::Not(inner) => !holds(inner, history),
        other => panic!("{other:?} is not in the model"),
    }
}

/// Milliseconds that somebody watched before this scene.
fn watched(history: &[Moment], k: usize) -> i64 {
    let passed = history[k].pts - history[k - 1].pts;
    if (0..=60_000).contains(&passed) { passed } else { 0 }
}

/// In which scenes it fires, and how often it was suppressed.
fn model(config: &TriggerConfig, history: &[Moment]) -> (Vec<usize>, u64) {
    let value: Vec<bool> = (0..history.len()).map(|k| holds(&config.when, &history[..=k])).collect();
    let (mut fired, mut suppressed) = (Vec::<usize>::new(), 0);
    for start in 0..history.len() {
        if !value[start] || start > 0 && value[start - 1] {
            continue;
        }
        // One case, from where it begins to hold to where it is over.
        let end = (start..history.len()).find(|&k| !value[k]).unwrap_or(history.len());
        let mut waits = false;
        let fires = (start..end).find(|&k| {
            let anew = (start + 1..=k).rev().find(|&k| history[k].pts < history[k - 1].pts).unwrap_or(start);
            let held: i64 = (anew + 1..=k).map(|k| watched(history, k)).sum();
            let since = fired
                .last()
                .map(|&last| (last + 1..=k).map(|k| (history[k].pts - history[k - 1].pts).max(0)).sum::<i64>());
            let due = held as f64 >= config.for_s * 1e3;
            let free = since.is_none_or(|since| since as f64 >= config.cooldown_s * 1e3)
                && !fired.iter().rev().take(64).any(|&at| history[at].pts == history[k].pts);
            waits |= due && !free;
            due && free
        });
        fired.extend(fires);
        suppressed += u64::from(waits && fires.is_none() && end < history.len());
    }
    (fired, suppressed)
}

const CONDITIONS: [&str; 7] = [
    "{ present = { classes = [\"person\"], zone = \"door\" } }",
    "{ present = { min_confidence = 0.9 } }",
    "{ count = { classes = [\"dog\"], over = 1 } }",
    "{ count = { under = 3, over = 1 } }",
    "{ absent = { classes = [\"person\"], zone = \"desk\", for_s = 20 } }",
    "{ not = { present = { zone = \"yard\" } } }",
    "{ all = [{ absent = { classes = [\"dog\"], for_s = 4 } }, { any = [{ present = { zone = \"desk\" } }, { count = { over = 2 } }] }] }",
];

#[test]
fn the_machine_fires_as_the_model_does() {
    let mut dice = Dice(2_024);
    let (mut firings, mut most_suppressed) = (0, 0);
    for round in 0..12 {
        let history = recording(&mut dice, round % 2 == 0);
        for when in CONDITIONS {
            for (for_s, cooldown_s) in [(0, 0), (0, 10), (4, 0), (7, 30), (0, 600)] {
                let text = format!("when = {when}\nfor_s = {for_s}\ncooldown_s = {cooldown_s}");
                let mut machine = trigger(&text);
                let fired: Vec<usize> =
                    (0..history.len()).filter(|&k| show(&mut machine, &history[k]).is_some()).collect();
                let (expected, suppressed) = model(machine.config(), &history);
                assert_eq!(fired, expected, "{text}, round {round}");
                assert_eq!(machine.suppressed(), suppressed, "{text}, round {round}");
                firings += fired.len();
                most_suppressed = most_suppressed.max(suppressed);
            }
        }
    }
    println!("{firings} firings as the model has them, at most {most_suppressed} suppressed");
    assert!(
        firings > 5_000 && most_suppressed > 20,
        "{firings} firings, {most_suppressed} suppressed: the run says little"
    );
}

#[test]
fn the_state_goes_through_json_between_any_two_scenes() {
    let more = [
        "{ enter = { classes = [\"person\"], zone = \"door\" } }",
        "{ any = [{ enter = { zone = \"desk\" } }, { leave = { zone = \"door\" } }, { absent = { for_s = 9 } }] }",
    ];
    let mut dice = Dice(7);
    for when in CONDITIONS.iter().chain(&more) {
        let history = recording(&mut dice, true);
        let text = format!("when = {when}\ncooldown_s = 5");
        let (mut whole, mut broken) = (trigger(&text), trigger(&text));
        let mut firings = 0;
        for (k, moment) in history.iter().enumerate() {
            let file = serde_json::to_string(broken.state()).unwrap();
            let state: TriggerState = serde_json::from_str(&file).unwrap();
            assert_eq!(&state, broken.state());
            broken = trigger(&text).with_state(state).unwrap();
            let (one, other) = (show(&mut whole, moment), show(&mut broken, moment));
            assert_eq!(one, other, "{when}, scene {k}");
            firings += usize::from(one.is_some());
        }
        assert_eq!((whole.suppressed(), whole.state()), (broken.suppressed(), broken.state()));
        assert!(firings > 10, "{when}: {firings}");
    }
    let other = trigger("when = { present = {} }").state().clone();
    let error = trigger("when = { absent = { for_s = 1 } }").with_state(other).unwrap_err();
    assert_eq!(error.code(), guarita::ErrorCode::InvalidArgument);
}

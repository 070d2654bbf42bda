//! What a gate's decisions are worth: openings without a cause, how soon it is calm again, what it misses.
//!
//! A *move* is a frame on which a gate says that something moves; it stays open for `linger_s` after each. Everybody's
//! decisions are measured alike: only the moves are theirs.

use crate::scenes::{Event, Scene};
use serde::Serialize;

/// Decisions count from here on: before, gates may learn.
pub const LEARNING_S: f64 = 10.0;
/// So much of an object must be seen to be a reason to open.
const REASON: f32 = 0.3;
/// So much of an object must be seen for a frame that has to be kept.
const WANTED: f32 = 0.5;
/// Instants a second at which the truth is known.
const TRUTH_FPS: f64 = 30.0;

/// What happens in a scene, as far as a gate is concerned.
#[derive(Clone, Debug)]
pub struct Course {
    /// The disturbances, in the order of their start.
    pub events: Vec<Event>,
    /// 30 times a second: the largest visible share of an object that moves.
    pub visible: Vec<f32>,
}

/// The frames that should be kept and those that were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Frames with an object that moves.
    pub wanted: usize,
    /// Those of them on which the gate was open.
    pub kept: usize,
}

/// What a gate made of one disturbance, up to the next object or disturbance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disturbed {
    /// The event's name.
    pub name: String,
    /// Openings without an object.
    pub false_openings: usize,
    /// Seconds that the gate was open, without an object.
    pub open_s: f64,
    /// From the end of the disturbance to the last move without an object.
    pub recovery_s: f64,
}

/// What a gate's decisions on a scene are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Account {
    /// Every disturbance.
    pub events: Vec<Disturbed>,
    /// Openings with neither an object nor a disturbance.
    pub false_openings_quiet: usize,
    /// Object frames before the first disturbance.
    pub before: Kept,
    /// Object frames after it.
    pub after: Kept,
}

/// Whether a gate is open at every frame that lingers for `linger_s` after each move.
pub fn lingering(moves: &[bool], fps: f64, linger_s: f64) -> Vec<bool> {
    let mut last = None;
    let open = |(k, &moves): (usize, &bool)| {
        if moves {
            last = Some(k);
        }
        last.is_some_and(|last: usize| (k - last) as f64 / fps <= linger_s + 1e-9)
    };
    moves.iter().enumerate().map(open).collect()
}

impl Course {
    /// The course of a scene.
    pub fn of(scene: &Scene) -> Self {
        let count = (scene.duration_s() * TRUTH_FPS) as usize + 1;
        let visible = |k| {
            let truth = scene.truth(k as f64 / TRUTH_FPS);
            truth.objects.iter().filter(|object| object.moving).fold(0.0, |most: f32, object| most.max(object.visible))
        };
        Self { events: scene.events(), visible: (0..count).map(visible).collect() }
    }

    /// Instants of the truth from one time to another, both included.
    fn between(&self, from_s: f64, to_s: f64) -> &[f32] {
        let index = |t: f64| ((t * TRUTH_FPS).round().max(0.0) as usize).min(self.visible.len());
        let (from, to) = (index(from_s), (index(to_s) + 1).min(self.visible.len()));
        self.visible.get(from..to).unwrap_or(&[])
    }

    /// Whether an object is a reason to be open: one that is seen now, or was within the linger time.
    fn reason(&self, t: f64, linger_s: f64) -> bool {
        self.between(t, t).iter().any(|&share| share > 0.0)
            || self.between(t - linger_s, t).iter().any(|&share| share >= REASON)
    }

    /// The first time from `t` on at which anything of an object can be seen.
    fn next_object(&self, t: f64) -> f64 {
        let first = (t * TRUTH_FPS).ceil().max(0.0) as usize;
        let found = self.visible.iter().skip(first).position(|&share| share > 0.0);
        found.map_or(f64::INFINITY, |found| (first + found) as f64 / TRUTH_FPS)
    }
}

impl Account {
    /// Measures decisions, one for every frame at this rate, from the time 0 on.
    pub fn of(course: &Course, fps: f64, moves: &[bool], linger_s: f64) -> Self {
        let open = lingering(moves, fps, linger_s);
        let time = |k: usize| k as f64 / fps;
        let learnt = (LEARNING_S * fps).ceil() as usize;
        let windows: Vec<(f64, f64)> = course
            .events
            .iter()
            .enumerate()
            .map(|(k, event)| {
                let next = course.events.get(k + 1).map_or(f64::INFINITY, |next| next.start_s);
                (event.start_s, next.min(course.next_object(event.end_s)))
            })
            .collect();
        let mut account = Self {
            events: course.events.iter().map(Disturbed::new).collect(),
            false_openings_quiet: 0,
            before: Kept::default(),
            after: Kept::default(),
        };
        let disturbed = course.events.first().map_or(f64::INFINITY, |event| event.start_s);
        for k in learnt..moves.len() {
            let t = time(k);
            if course.between(t, t).iter().any(|&share| share >= WANTED) {
                let kept = if t < disturbed { &mut account.before } else { &mut account.after };
                kept.wanted += 1;
                kept.kept += usize::from(open[k]);
            }
            if !open[k] || course.reason(t, linger_s) {
                continue;
            }
            // A gate that is still open when learning ends or a disturbance begins opens then.
            let opens = |from: f64| k == learnt || !open[k - 1] || time(k - 1) < from;
            match windows.iter().rposition(|(from, to)| (*from..*to).contains(&t)) {
                Some(at) => {
                    let event = &mut account.events[at];
                    event.false_openings += usize::from(opens(windows[at].0));
                    event.open_s += 1.0 / fps;
                    if moves[k] {
                        event.recovery_s = event.recovery_s.max(t - course.events[at].end_s);
                    }
                }
                None => account.false_openings_quiet += usize::from(opens(0.0)),
            }
        }
        account
    }
}

/// What a gate's decisions are worth on footage: whole seconds, as somebody labels them who looks at a film.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seconds {
    /// Seconds that begin with an object that moves and is half visible.
    pub busy: usize,
    /// Those of them in which the gate was open.
    pub kept: usize,
    /// Seconds in which nothing that moves can be seen, nor within the linger time before.
    pub empty: usize,
    /// Those of them in which the gate was open.
    pub opened: usize,
}

/// The first seconds of footage are not judged.
pub const FOOTAGE_LEARNING_S: usize = 4;

impl Seconds {
    /// Judges whether a gate was open, one answer for every frame at this rate from the time 0 on. A second counts as opened
    /// when any look in it was; openings by the heartbeat are not to be among them.
    pub fn of(course: &Course, fps: f64, open: &[bool], linger_s: f64) -> Self {
        let mut seconds = Self::default();
        let count = (open.len() as f64 / fps) as usize;
        for second in FOOTAGE_LEARNING_S..count {
            let t = second as f64;
            let looks = (t * fps).ceil() as usize..((t + 1.0) * fps).ceil() as usize;
            let opened = usize::from(open[looks.start.min(open.len())..looks.end.min(open.len())].contains(&true));
            if course.between(t, t).iter().any(|&share| share >= WANTED) {
                seconds.busy += 1;
                seconds.kept += opened;
            } else if course.between(t - linger_s, t + 1.0).iter().all(|&share| share <= 0.0) {
                seconds.empty += 1;
                seconds.opened += opened;
            }
        }
        seconds
    }
}

impl Disturbed {
    fn new(event: &Event) -> Self {
        Self { name: event.name.clone(), false_openings: 0, open_s: 0.0, recovery_s: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FPS: f64 = 10.0;
    const LINGER_S: f64 = 2.0;

    /// Sixty seconds: an object from 15 to 20 s, a disturbance from 30 to 32 s, an object from 40 to 45 s.
    fn course() -> Course {
        let visible = (0..=1800).map(|k| {
            let t = f64::from(k) / TRUTH_FPS;
            if (15.0..20.0).contains(&t) || (40.0..45.0).contains(&t) { 1.0 } else { 0.0 }
        });
        let event = Event { name: "flash".to_owned(), start_s: 30.0, end_s: 32.0 };
        Course { events: vec![event], visible: visible.collect() }
    }

    /// Moves in these spans of seconds, ends left out.
    fn moves(spans: &[(f64, f64)]) -> Vec<bool> {
        let within = |t: f64| spans.iter().any(|(from, to)| (*from..*to).contains(&t));
        (0..600).map(|k| within(f64::from(k) / FPS)).collect()
    }

    fn account(spans: &[(f64, f64)]) -> Account {
        Account::of(&course(), FPS, &moves(spans), LINGER_S)
    }

    #[test]
    fn a_gate_lingers_after_its_last_move() {
        let open = lingering(&[false, true, false, false, false, true, false], 1.0, 2.0);
        assert_eq!(open, [false, true, true, true, false, true, true]);
        assert_eq!(lingering(&[true, false], 1.0, 0.0), [true, false]);
    }

    #[test]
    fn a_perfect_gate() {
        let account = account(&[(15.0, 20.0), (40.0, 45.0)]);
        assert_eq!(account.before, Kept { wanted: 50, kept: 50 });
        assert_eq!(account.after, Kept { wanted: 50, kept: 50 });
        assert_eq!((account.events[0].false_openings, account.false_openings_quiet), (0, 0));
        assert_eq!((account.events[0].open_s, account.events[0].recovery_s), (0.0, 0.0));
    }

    #[test]
    fn a_blind_gate_and_one_that_is_late() {
        let blind = account(&[]);
        assert_eq!((blind.before.kept, blind.after.kept, blind.after.wanted), (0, 0, 50));
        let late = account(&[(16.0, 17.0), (40.0, 41.0)]);
        assert_eq!(late.before.kept, 30, "open from 16.0 to 18.9");
        assert_eq!(late.after.kept, 30);
    }

    #[test]
    fn openings_in_a_disturbance() {
        // Twice, the second time until a second and a half after the end.
        let account = account(&[(30.0, 30.3), (33.0, 33.5)]);
        let event = &account.events[0];
        assert_eq!((event.name.as_str(), event.false_openings), ("flash", 2));
        assert!((event.recovery_s - 1.4).abs() < 1e-9, "{event:?}");
        assert!((event.open_s - (2.3 + 2.5)).abs() < 0.21, "{event:?}");
        assert_eq!(account.false_openings_quiet, 0);
    }

    #[test]
    fn what_follows_an_object_is_its_own() {
        // A ghost for three seconds after the object: no new opening, and no event's fault.
        let ghost = account(&[(15.0, 23.0), (40.0, 45.0)]);
        assert_eq!((ghost.false_openings_quiet, ghost.events[0].false_openings), (0, 0));
        // The next object ends the account of the disturbance.
        let joined = account(&[(39.9, 45.0)]);
        assert!((joined.events[0].recovery_s - 7.9).abs() < 1e-9, "{joined:?}");
        let after = account(&[(40.0, 50.0)]);
        assert_eq!((after.events[0].false_openings, after.events[0].recovery_s), (0, 0.0));
    }

    #[test]
    fn a_gate_that_never_shuts() {
        let account = account(&[(0.0, 60.0)]);
        assert_eq!((account.false_openings_quiet, account.events[0].false_openings), (1, 1));
        assert!((account.events[0].recovery_s - 7.9).abs() < 1e-9);
    }

    #[test]
    fn openings_without_any_cause() {
        let account = account(&[(3.0, 3.5), (12.0, 12.1), (25.0, 25.1), (52.0, 52.1)]);
        assert_eq!(account.false_openings_quiet, 3, "the one at 3 s is learning");
    }

    #[test]
    fn seconds_of_footage() {
        let open = |spans: &[(f64, f64)]| {
            let judged = Seconds::of(&course(), FPS, &moves(spans), LINGER_S);
            (judged.busy, judged.kept, judged.empty, judged.opened)
        };
        // Of sixty seconds four are not judged, ten are busy, and three follow each of the two objects.
        assert_eq!(open(&[]), (10, 0, 40, 0));
        assert_eq!(open(&[(0.0, 60.0)]), (10, 10, 40, 40));
        assert_eq!(open(&[(1.0, 2.0), (16.4, 16.5), (21.0, 22.0), (50.9, 51.1)]), (10, 1, 40, 2));
    }

    #[test]
    fn half_an_object_is_wanted_and_a_sliver_is_a_reason() {
        let mut course = course();
        for share in &mut course.visible[750..780] {
            *share = 0.2;
        }
        let account = Account::of(&course, FPS, &moves(&[(25.0, 25.5)]), 0.0);
        assert_eq!((account.false_openings_quiet, account.before.wanted), (0, 50));
        let late = Account::of(&course, FPS, &moves(&[(26.5, 26.6)]), LINGER_S);
        assert_eq!(late.false_openings_quiet, 1, "a sliver excuses nothing later");
    }
}

use crate::clock::Timestamp;
use crate::tracking::{Object, ObjectId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// On which side of a zone's edge each object is, and whether crossing it counts.
///
/// A crossing uses up the object's permission to cross that way; it comes back when the object was on the side that it
/// starts from for two looks running. So the first crossing counts at once, however fast it goes, and one that stands on
/// the line counts once each way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Crossings(BTreeMap<ObjectId, Side>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Side {
    inside: bool,
    /// Looks running on this side.
    looks: u32,
    may_enter: bool,
    may_leave: bool,
    seen: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crossed {
    Entered,
    Left,
}

/// Looks on one side that bring back the permission to cross from there.
const SETTLED: u32 = 2;
/// Objects out of sight that are remembered.
const MOST_GONE: usize = 1_000;

impl Crossings {
    /// Takes where an object is in a frame that was looked at. An object unknown so far that is `new` (seen for the first
    /// time after watching began) and inside has entered.
    pub(super) fn look(&mut self, object: &Object, inside: bool, new: bool, pts: Timestamp) -> Option<Crossed> {
        let Some(side) = self.0.get_mut(&object.id) else {
            let entered = inside && new;
            let side = Side { inside, looks: 1, may_enter: !entered, may_leave: true, seen: pts };
            self.0.insert(object.id, side);
            return entered.then_some(Crossed::Entered);
        };
        side.seen = pts;
        side.looks = if inside == side.inside { side.looks.saturating_add(1) } else { 1 };
        let crossed = match (side.inside, inside) {
            (false, true) => std::mem::take(&mut side.may_enter).then_some(Crossed::Entered),
            (true, false) => std::mem::take(&mut side.may_leave).then_some(Crossed::Left),
            _ => None,
        };
        side.inside = inside;
        if side.looks >= SETTLED {
            let may = if inside { &mut side.may_leave } else { &mut side.may_enter };
            *may = true;
        }
        crossed
    }

    /// Keeps an object's side in a frame that was not analysed.
    pub(super) fn stay(&mut self, object: &Object, pts: Timestamp) {
        if let Some(side) = self.0.get_mut(&object.id) {
            side.seen = pts;
        }
    }

    /// Forgets objects that were not seen for longer than this, and those beyond the limit.
    pub(super) fn forget(&mut self, pts: Timestamp, longest: Duration) {
        self.0.retain(|_, side| pts - side.seen <= longest);
        let mut gone: Vec<_> = self.0.iter().filter(|(_, side)| side.seen < pts).map(|(&id, s)| (s.seen, id)).collect();
        if let Some(many) = gone.len().checked_sub(MOST_GONE).filter(|&many| many > 0) {
            gone.sort_unstable();
            for (_, id) in gone.iter().take(many) {
                self.0.remove(id);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::{Detection, Label};
    use crate::geometry::BoundingBox;

    fn object(id: u64) -> Object {
        let label = Label { id: 0, name: "person".into() };
        Object::new(ObjectId(id), Detection::new(BoundingBox::default(), label, 0.5), Timestamp::default())
    }

    /// What happens on a way that is written as looks: `i` inside, `o` outside.
    fn walk(way: &str, new: bool) -> String {
        let mut crossings = Crossings::default();
        let mut pts = 0;
        way.chars()
            .map(|at| {
                pts += 1;
                match crossings.look(&object(1), at == 'i', new, Timestamp::from_nanos(pts)) {
                    None => '.',
                    Some(Crossed::Entered) => 'E',
                    Some(Crossed::Left) => 'L',
                }
            })
            .collect()
    }

    #[test]
    fn crossings_of_one_object() {
        for (way, new, expected) in [
            // Seen once outside is enough, and so is once inside.
            ("oioo", true, ".EL."),
            ("ooiiioo", true, "..E..L."),
            ("iio", true, "E.L"),
            ("iio", false, "..L"),
            ("ioi", false, ".LE"),
            ("ioi", true, "EL."),
            // On the line: once each way.
            ("oioioioioi", true, ".EL......."),
            ("iioioioioi", false, "..LE......"),
            // Two looks on a side, and the next crossing from there counts.
            ("oioioioo", true, ".EL....."),
            ("oioiooi", true, ".EL...E"),
            ("oioiiio", true, ".EL...L"),
        ] {
            assert_eq!(walk(way, new), expected, "{way}");
        }
    }

    #[test]
    fn what_is_gone_is_forgotten_in_time_and_number() {
        let mut crossings = Crossings::default();
        for id in 0..5_000 {
            crossings.look(&object(id), true, true, Timestamp::from_millis(id as i64));
        }
        crossings.look(&object(0), true, true, Timestamp::from_millis(5_000));
        crossings.forget(Timestamp::from_millis(5_000), Duration::from_secs(60));
        assert_eq!(crossings.0.len(), 1_001);
        assert!(crossings.0.contains_key(&ObjectId(0)) && crossings.0.contains_key(&ObjectId(4_000)));
        crossings.stay(&object(4_000), Timestamp::from_millis(64_000));
        crossings.stay(&object(9_999), Timestamp::from_millis(64_000));
        crossings.forget(Timestamp::from_millis(65_000), Duration::from_secs(60));
        assert_eq!(crossings.0.keys().map(|id| id.0).collect::<Vec<_>>(), [0, 4_000]);
    }
}

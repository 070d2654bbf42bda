//! What a camera writes over its picture: a clock, a mark, letters that blink.

use super::explain::CELL;
use super::regions::Region;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;

/// The largest overlay, as a share of the picture.
const MOST_AREA: f32 = 0.015;
/// A place grows to at most the picture's area divided by this, from a part of a digit to the whole overlay, by changes
/// that are over at the next frame; a person who moves slowly leaves it.
const GROWN: usize = 200;
/// Pixels by which a change may exceed the box of a place.
const MARGIN: usize = 2;
/// Pixels by which the box of something that blinks as a whole may differ.
const SAME: usize = 1;
/// Distance in pixels up to which a change may belong to the same place.
const NEXT: usize = 6;
/// An overlay changes more often than this in one place, and nothing leaves it.
const CHANGES: u32 = 3;
/// Changes closer than this are one, in seconds.
const APART_S: f64 = 0.3;
/// A region seen this near, in pixels, and this recently, in seconds, may have left the place.
const BESIDE: usize = 12;
const LEFT_S: f64 = 5.0;
/// A place without changes is forgotten after this time, in seconds.
const FORGET_S: f64 = 120.0;
/// The most places that are tracked.
const MOST_PLACES: usize = 32;
/// The least share of a change's pixels that had their level before.
const KNOWN: f32 = 0.8;

/// A place where something changes and does not leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    x: Range<usize>,
    y: Range<usize>,
    changes: u32,
    /// When something changed there first and last.
    began_s: f64,
    changed_s: f64,
    /// When something last changed from one frame to the next.
    active_s: f64,
    /// When something was last seen beside it.
    left_s: f64,
}

/// The places of a picture that may be overlays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Overlays {
    places: Vec<Place>,
}

/// Context of the observation of a region.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// Of the picture.
    pub(super) pixels: usize,
    pub(super) now_s: f64,
    /// The time of the look before.
    pub(super) last_s: f64,
    /// Whether something changed in the region since.
    pub(super) active: bool,
    /// Whether it is of strokes, as letters are, and not a body.
    pub(super) thin: bool,
}

impl Place {
    pub(super) fn contains(&self, x: usize, y: usize) -> bool {
        self.x.contains(&x) && self.y.contains(&y)
    }

    fn holds(&self, region: &Region) -> bool {
        within(&region.x, &self.x) && within(&region.y, &self.y)
    }

    fn is_near(&self, region: &Region, by: usize) -> bool {
        reaches(&region.x, &self.x, by) && reaches(&region.y, &self.y, by)
    }

    fn grow(&mut self, region: &Region, most: usize) {
        let over = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        let (x, y) = (over(&self.x, &region.x), over(&self.y, &region.y));
        let is_digit = x.len() <= y.len() + MARGIN && y.len() <= 2 * x.len() + MARGIN;
        if is_digit && x.len() * y.len() <= most {
            (self.x, self.y) = (x, y);
        }
    }

    fn is_overlay(&self, now_s: f64) -> bool {
        self.changes > CHANGES && now_s - self.left_s > LEFT_S
    }
}

impl Overlays {
    /// Cells of the picture that an overlay lies in.
    pub(super) fn cells(&self, now_s: f64) -> u32 {
        let cells = |side: &Range<usize>| side.start / CELL..side.end.div_ceil(CELL);
        let overlays = self.places.iter().filter(|place| place.is_overlay(now_s));
        let masked: BTreeSet<(usize, usize)> = overlays
            .flat_map(|place| cells(&place.y).flat_map(|row| cells(&place.x).map(move |column| (row, column))))
            .collect();
        masked.len() as u32
    }

    /// Whether all values are plausible, after deserialization.
    pub(super) fn is_sound(&self) -> bool {
        self.places.len() <= MOST_PLACES
            && self.places.iter().all(|place| {
                [place.began_s, place.changed_s, place.active_s].iter().all(|at_s| at_s.abs() < 1e12)
                    && place.left_s < 1e12
            })
    }

    /// Whether a region is a change of an overlay: it stays in a place where things changed before, and shows what was there
    /// before. `known` gives the share of its pixels that had their level before.
    pub(super) fn covers(&mut self, region: &Region, look: Look, known: impl FnOnce() -> f32) -> bool {
        let Look { pixels, now_s, last_s, active, thin } = look;
        if region.area as f32 > MOST_AREA * pixels as f32 {
            return false;
        }
        self.places.retain(|place| now_s - place.changed_s <= FORGET_S);
        for place in self.places.iter_mut().filter(|place| active && thin && place.is_near(region, NEXT)) {
            if place.active_s < last_s {
                place.grow(region, pixels / GROWN);
            }
            place.active_s = now_s;
        }
        // Letters change in parts; what is no letter blinks as a whole, or it is something else that is there.
        let in_place = |place: &Place| match thin {
            true => place.holds(region),
            false => same(&region.x, &place.x) && same(&region.y, &place.y),
        };
        // What appears at once, such as the letters of a line, did not leave each other.
        let known_since_s = self.places.iter().find(|place| in_place(place)).map(|place| place.began_s);
        let began_s = known_since_s.unwrap_or(now_s);
        let mut covers = false;
        for place in &mut self.places {
            if in_place(place) {
                if now_s - place.changed_s >= APART_S {
                    place.changes = place.changes.saturating_add(1);
                    place.changed_s = now_s;
                }
                covers |= place.is_overlay(now_s);
            } else if place.began_s != began_s && place.is_near(region, BESIDE) {
                place.left_s = now_s;
            }
        }
        if known_since_s.is_none() {
            if self.places.len() == MOST_PLACES {
                // The one whose last change is the oldest.
                let last = |k: &usize| self.places[*k].changed_s;
                let oldest = (0..MOST_PLACES).min_by(|a, b| last(a).total_cmp(&last(b)));
                oldest.map(|oldest| self.places.swap_remove(oldest));
            }
            let (x, y) = (region.x.clone(), region.y.clone());
            self.places.push(Place {
                x,
                y,
                changes: 1,
                began_s: now_s,
                changed_s: now_s,
                active_s: now_s,
                left_s: f64::NEG_INFINITY,
            });
        }
        covers && known() >= KNOWN
    }

    /// The overlay of which a region may be a rarer change, such as that of the minutes beside the seconds: it touches the
    /// overlay and is no higher, or no wider, than that.
    pub(super) fn extended_by(&self, region: &Region, now_s: f64) -> Option<&Place> {
        let beside = |place: &&Place| !place.holds(region);
        let touches = |place: &&Place| {
            (within(&region.y, &place.y) && reaches(&region.x, &place.x, BESIDE))
                || (within(&region.x, &place.x) && reaches(&region.y, &place.y, BESIDE))
        };
        self.places.iter().filter(|place| place.is_overlay(now_s)).filter(beside).find(touches)
    }
}

fn reaches(side: &Range<usize>, place: &Range<usize>, by: usize) -> bool {
    side.start < place.end + by && place.start < side.end + by
}

fn same(side: &Range<usize>, place: &Range<usize>) -> bool {
    side.start.abs_diff(place.start) <= SAME && side.end.abs_diff(place.end) <= SAME
}

fn within(side: &Range<usize>, place: &Range<usize>) -> bool {
    side.start + MARGIN >= place.start && side.end <= place.end + MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(x: usize, y: usize, width: usize) -> Region {
        Region { x: x..x + width, y: y..y + 8, area: 4 * width }
    }

    /// A look at which something changed, as at the one before.
    fn look(now_s: f64) -> Look {
        Look { pixels: 320 * 180, now_s, last_s: now_s - 0.2, active: true, thin: true }
    }

    #[test]
    fn parts_of_a_digit_become_its_box_and_what_moves_on_does_not() {
        let mut overlays = Overlays::default();
        let parts = [(20, 10), (24, 14), (20, 14), (22, 10), (24, 10), (20, 10)];
        let covered: Vec<bool> = (0..18)
            .map(|k| {
                let (x, y) = parts[k % parts.len()];
                let now_s = k as f64;
                let covers = overlays.covers(&region(x, y, 4), look(now_s), || 1.0);
                // In between it stands still.
                let stands = Look { active: false, ..look(now_s + 0.2) };
                overlays.covers(&region(x, y, 4), stands, || 1.0) && covers
            })
            .collect();
        assert!(covered[8..].iter().all(|&covers| covers), "{covered:?}");
        let mut walked = Overlays::default();
        let look_at = |k: i32| Look { last_s: f64::from(k - 1) * 0.2, ..look(f64::from(k) * 0.2) };
        assert!((0..80).all(|k| !walked.covers(&region(20 + k as usize, 10, 6), look_at(k), || 1.0)));
    }

    #[test]
    fn a_body_in_a_place_that_blinked_is_no_overlay() {
        let mut overlays = Overlays::default();
        let mut covers =
            |region: &Region, now_s: f64| overlays.covers(region, Look { thin: false, ..look(now_s) }, || 1.0);
        let lamp = region(150, 80, 30);
        let blinks: Vec<bool> = (0..8).map(|k| covers(&lamp, f64::from(k))).collect();
        assert_eq!(blinks[..3], [false; 3]);
        assert!(blinks[3..].iter().all(|&covers| covers), "{blinks:?}");
        // Somebody in it, who shifts from one foot to the other.
        assert!((0..60).all(|k| !covers(&region(158 + k % 4, 80, 9), 10.0 + 0.5 * k as f64)));
        // And nowhere else.
        assert!((0..60).all(|k| !covers(&region(40 + 2 * (k % 3), 20, 9), 50.0 + 0.5 * k as f64)));
    }

    #[test]
    fn cells_of_an_overlay_are_counted_once() {
        let mut overlays = Overlays::default();
        for k in 0..5 {
            let now_s = f64::from(k);
            assert_eq!(overlays.cells(now_s), if k < 4 { 0 } else { 10 }, "{k}");
            // 20..60 by 10..18 is columns 2 to 7 of rows 1 and 2; what is beside it shares a column.
            overlays.covers(&region(20, 10, 36), look(now_s), || 1.0);
        }
        assert_eq!(overlays.cells(4.0), 10);
        assert_eq!(overlays.cells(300.0), 10, "until something else changes");
    }

    #[test]
    fn what_changes_in_its_place_is_an_overlay_and_what_leaves_it_is_not() {
        let mut overlays = Overlays::default();
        let mut covers = |region: &Region, now_s: f64, known: f32| overlays.covers(region, look(now_s), || known);
        // The digits of a clock: known from the fourth change on, also where only one of them changes.
        let clock: Vec<bool> = (0..6).map(|k| covers(&region(20, 10, 40), f64::from(k), 1.0)).collect();
        assert_eq!(clock, [false, false, false, true, true, true]);
        assert!(covers(&region(52, 10, 6), 7.0, 1.0));
        // Something new in the same place, and something that is larger.
        assert!(!covers(&region(20, 10, 40), 8.0, 0.3));
        assert!(!covers(&region(10, 10, 60), 9.0, 1.0));
        // Which may have left it, for a while.
        assert!(!covers(&region(20, 10, 40), 10.0, 1.0) && covers(&region(20, 10, 40), 15.0, 1.0));
        // A person goes on.
        assert!((0..20).all(|k| !covers(&region(100 + 8 * k, 60, 6), 10.0 + k as f64, 1.0)));
        // Slowly, many times a second.
        assert!((0..60).all(|k| !covers(&region(100 + k, 90, 6), 30.0 + 0.1 * k as f64, 1.0)));
        // Changes that follow closely are one; a place is forgotten.
        assert!((0..6).all(|k| !covers(&region(20, 120, 20), 40.0 + 0.04 * f64::from(k), 1.0)));
        assert!(!covers(&region(20, 10, 40), 200.0, 1.0));
        assert!(!covers(&Region { x: 0..200, y: 0..100, area: 9_000 }, 201.0, 1.0), "too large");
    }
}

//! What a camera writes over its picture: a clock, a mark, letters that blink.

use super::regions::Region;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The largest overlay, as a share of the picture.
const MOST_AREA: f32 = 0.015;
/// By so many pixels a change may reach over the box of the first one. The box does not grow: somebody who goes slowly leaves it.
const MARGIN: usize = 2;
/// So many changes in one place, and nothing that leaves it.
const CHANGES: u32 = 3;
/// Changes closer than this are one, in seconds.
const APART_S: f64 = 0.3;
/// Something that was seen so near, in pixels, and so lately, in seconds, may have left it.
const BESIDE: usize = 12;
const LEFT_S: f64 = 5.0;
/// A place where nothing changes for so long is forgotten, in seconds.
const FORGET_S: f64 = 120.0;
/// Places that are looked at.
const MOST_PLACES: usize = 32;
/// The share of the pixels of a change that have been so before.
const KNOWN: f32 = 0.8;

/// A place where something changes and does not leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    x: Range<usize>,
    y: Range<usize>,
    changes: u32,
    changed_s: f64,
    /// When something was last seen beside it.
    left_s: f64,
}

/// The places of a picture that may be overlays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Overlays {
    places: Vec<Place>,
}

impl Overlays {
    /// Whether all of it can be, for what was read from somewhere.
    pub(super) fn is_sound(&self) -> bool {
        self.places.len() <= MOST_PLACES
            && self.places.iter().all(|place| place.changed_s.abs() < 1e12 && place.left_s < 1e12)
    }

    /// Whether a region is a change of an overlay: it stays in a place where things changed before, and shows what was there
    /// before. `known` gives the share of its pixels that had their level before.
    pub(super) fn covers(&mut self, region: &Region, pixels: usize, now_s: f64, known: impl FnOnce() -> f32) -> bool {
        if region.area as f32 > MOST_AREA * pixels as f32 {
            return false;
        }
        self.places.retain(|place| now_s - place.changed_s <= FORGET_S);
        let reaches = |side: &Range<usize>, place: &Range<usize>, by: usize| {
            side.start < place.end + by && place.start < side.end + by
        };
        let within = |side: &Range<usize>, place: &Range<usize>| {
            side.start + MARGIN >= place.start && side.end <= place.end + MARGIN
        };
        let (mut is_known, mut covers) = (false, false);
        for place in &mut self.places {
            if within(&region.x, &place.x) && within(&region.y, &place.y) {
                is_known = true;
                if now_s - place.changed_s >= APART_S {
                    place.changes = place.changes.saturating_add(1);
                    place.changed_s = now_s;
                }
                covers |= place.changes > CHANGES && now_s - place.left_s > LEFT_S;
            } else if reaches(&region.x, &place.x, BESIDE) && reaches(&region.y, &place.y, BESIDE) {
                place.left_s = now_s;
            }
        }
        if !is_known {
            if self.places.len() == MOST_PLACES {
                // The one that changed least lately.
                let last = |k: &usize| self.places[*k].changed_s;
                let oldest = (0..MOST_PLACES).min_by(|a, b| last(a).total_cmp(&last(b)));
                oldest.map(|oldest| self.places.swap_remove(oldest));
            }
            let (x, y) = (region.x.clone(), region.y.clone());
            self.places.push(Place { x, y, changes: 1, changed_s: now_s, left_s: f64::NEG_INFINITY });
        }
        covers && known() >= KNOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(x: usize, y: usize, width: usize) -> Region {
        Region { x: x..x + width, y: y..y + 8, area: 4 * width }
    }

    #[test]
    fn what_changes_in_its_place_is_an_overlay_and_what_leaves_it_is_not() {
        const PIXELS: usize = 320 * 180;
        let mut overlays = Overlays::default();
        let mut covers = |region: &Region, now_s: f64, known: f32| overlays.covers(region, PIXELS, now_s, || known);
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

use super::config::{Confirmation, MAX_LOOKS};
use super::link::link;
use super::{Object, ObjectId};
use crate::check::nanos;
use crate::clock::Timestamp;
use crate::detection::Detection;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Maximum number of tracked objects; beyond it, the surest are kept.
const MAX_OBJECTS: usize = 1_000;

/// Tracks detections from frame to frame, and confirms objects that were seen often enough; one for each camera.
///
/// Detections of the same class whose boxes overlap are one object. A machine without clock: the same looks at the same
/// times give the same objects. Where time goes backwards, it starts anew.
///
/// ```
/// use guarita::{BoundingBox, Detection, Timestamp};
/// use guarita::detection::Label;
/// use guarita::tracking::{Confirm, Confirmation};
/// let mut confirm = Confirm::new(Confirmation { k: 2, n: 3, ..Confirmation::default() })?;
/// let person = Label { id: 0, name: "person".into() };
/// let found = [Detection::new(BoundingBox::from_xyxy(10.0, 10.0, 60.0, 160.0), person, 0.8)];
/// assert!(confirm.looked(&found, Timestamp::from_millis(0)).is_empty());
/// assert_eq!(confirm.looked(&found, Timestamp::from_millis(200)).len(), 1);
/// assert_eq!(confirm.looked(&[], Timestamp::from_millis(400))[0].sightings, 2);
/// assert!(confirm.looked(&[], Timestamp::from_millis(600)).is_empty());
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Debug)]
pub struct Confirm {
    config: Confirmation,
    state: ConfirmState,
    /// What follows from the state, for the caller to borrow.
    confirmed: Vec<Object>,
}

/// The state of a [`Confirm`], to be saved, and restored with [`Confirm::with_state`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfirmState {
    next: u64,
    last: Option<Timestamp>,
    tracks: Vec<Track>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Track {
    id: ObjectId,
    /// As found last.
    detection: Detection,
    /// The confidence in each of the last looks, none where it was missed; the latest at the end.
    looks: VecDeque<Option<f32>>,
    since: Timestamp,
    /// When it was last seen, or stood where it was seen while nothing moved.
    seen: Timestamp,
}

impl Confirm {
    /// Starts without objects.
    ///
    /// # Errors
    /// As [`Confirmation::validate`].
    pub fn new(config: Confirmation) -> Result<Self> {
        config.validate()?;
        Ok(Self { config, state: ConfirmState::default(), confirmed: Vec::new() })
    }

    /// Restores the state of another one.
    ///
    /// # Errors
    /// `InvalidArgument` for a state that none of these can be in.
    pub fn with_state(mut self, state: ConfirmState) -> Result<Self> {
        let looks = 1..=MAX_LOOKS as usize;
        if state.tracks.len() > MAX_OBJECTS || state.tracks.iter().any(|track| !looks.contains(&track.looks.len())) {
            return Err(Error::invalid_argument("the state is not one that a confirmation can be in"));
        }
        self.state = state;
        self.confirm();
        Ok(self)
    }

    /// The current state.
    pub fn state(&self) -> &ConfirmState {
        &self.state
    }

    /// Updates with the detections of an analysed frame; returns the confirmed objects, surest first. An object that
    /// was missed stays while it has `k` sightings in the last `n` looks.
    ///
    /// Detections without a box or with a confidence that is no number are left out.
    pub fn looked(&mut self, found: &[Detection], pts: Timestamp) -> &[Object] {
        self.go_to(pts);
        let mut found: Vec<&Detection> =
            found.iter().filter(|found| found.bbox.is_finite() && found.confidence.is_finite()).collect();
        if found.len() > MAX_OBJECTS {
            found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
            found.truncate(MAX_OBJECTS);
        }
        let tracks = &mut self.state.tracks;
        let links = link(tracks.iter().map(|track| &track.detection), &found, self.config.min_overlap);
        let n = self.config.n as usize;
        for track in tracks.iter_mut() {
            track.looks.push_back(None);
            while track.looks.len() > n {
                track.looks.pop_front();
            }
        }
        for (found, link) in found.iter().zip(&links) {
            let Some(track) = link.and_then(|at| tracks.get_mut(at)) else { continue };
            track.detection = (*found).clone();
            track.seen = pts;
            if let Some(look) = track.looks.back_mut() {
                *look = Some(found.confidence);
            }
        }
        tracks.retain(|track| track.looks.iter().any(Option::is_some));
        for (found, _) in found.iter().zip(&links).filter(|(_, link)| link.is_none()) {
            if tracks.len() >= MAX_OBJECTS {
                break;
            }
            let id = ObjectId(self.state.next);
            self.state.next = self.state.next.wrapping_add(1);
            let looks = VecDeque::from([Some(found.confidence)]);
            tracks.push(Track { id, detection: (*found).clone(), looks, since: pts, seen: pts });
        }
        self.confirm();
        &self.confirmed
    }

    /// Updates with a frame that was not analysed, since nothing moved: the same objects are there. One that was missed
    /// in the last look stays missed, and expires after `max_gap_s`.
    pub fn unchanged(&mut self, pts: Timestamp) -> &[Object] {
        self.go_to(pts);
        for track in &mut self.state.tracks {
            if matches!(track.looks.back(), Some(Some(_))) {
                track.seen = pts;
            }
        }
        self.confirm();
        &self.confirmed
    }

    /// The confirmed objects as of the last frame, surest first.
    pub fn objects(&self) -> &[Object] {
        &self.confirmed
    }

    /// Forgets what was not seen for too long, and everything where time goes backwards.
    fn go_to(&mut self, pts: Timestamp) {
        if self.state.last.is_some_and(|last| pts < last) {
            self.state.tracks.clear();
        }
        self.state.last = Some(pts);
        let longest = Duration::from_nanos(nanos(self.config.max_gap_s));
        self.state.tracks.retain(|track| pts - track.seen <= longest);
    }

    fn confirm(&mut self) {
        let Confirmation { k, n, .. } = self.config;
        self.confirmed.clear();
        for track in &self.state.tracks {
            let seen = || track.looks.iter().rev().take(n as usize).flatten();
            let sightings = seen().count() as u32;
            if sightings >= k {
                let mut detection = track.detection.clone();
                let sum: f64 = seen().copied().map(f64::from).sum();
                detection.confidence = (sum / f64::from(sightings)) as f32;
                self.confirmed.push(Object { id: track.id, detection, sightings, since: track.since });
            }
        }
        let sureness = |object: &Object| object.detection.confidence;
        self.confirmed.sort_by(|a, b| sureness(b).total_cmp(&sureness(a)).then(a.id.cmp(&b.id)));
    }
}

#[cfg(test)]
#[path = "confirm_tests.rs"]
mod tests;

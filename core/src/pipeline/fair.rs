use crate::provider::Priority;
use std::collections::{BTreeMap, VecDeque};

/// The number of a camera in its pipeline; not used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub(super) u64);

/// Fair queue of the frames of many cameras.
///
/// Critical cameras go before all others. Among those of one kind it is deficit round-robin (Shreedhar and Varghese, 1995):
/// a camera that has its turn gains one credit; a frame costs one credit of a normal camera, and [`LOW_COST`] of a low one.
/// A camera gets no more than its share while others wait, however many frames it has; unused shares go to the others.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    lanes: BTreeMap<Key, Lane<T>>,
    critical: VecDeque<Key>,
    others: VecDeque<Key>,
    len: usize,
}

#[derive(Debug)]
struct Lane<T> {
    items: VecDeque<T>,
    priority: Priority,
    credit: u32,
    /// A frame of this camera is being processed, and no other frame of it may be taken meanwhile.
    held: bool,
    /// Whether it stands in the order of turns.
    queued: bool,
}

/// What a frame of a low camera costs: a normal camera gets so many times as much.
pub(super) const LOW_COST: u32 = 4;

impl<T> FairQueue<T> {
    pub(super) fn new() -> Self {
        Self { lanes: BTreeMap::new(), critical: VecDeque::new(), others: VecDeque::new(), len: 0 }
    }

    /// All frames that wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The frames of this camera that wait.
    pub(super) fn waiting(&self, key: Key) -> usize {
        self.lanes.get(&key).map_or(0, |lane| lane.items.len())
    }

    /// The cameras that have frames, with their priority and number of frames.
    pub(super) fn cameras(&self) -> impl Iterator<Item = (Key, Priority, usize)> {
        self.lanes
            .iter()
            .filter(|(_, lane)| !lane.items.is_empty())
            .map(|(key, lane)| (*key, lane.priority, lane.items.len()))
    }

    pub(super) fn push(&mut self, key: Key, priority: Priority, item: T) {
        let lane = self.lanes.entry(key).or_insert_with(|| Lane {
            items: VecDeque::new(),
            priority,
            credit: 0,
            held: false,
            queued: false,
        });
        lane.items.push_back(item);
        self.len += 1;
        self.set_priority(key, priority);
        self.queue(key);
    }

    /// Changes a camera's priority; where it stands in the other order of turns, it goes to the end of the new one.
    pub(super) fn set_priority(&mut self, key: Key, priority: Priority) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let (was, is) = (lane.priority == Priority::Critical, priority == Priority::Critical);
        lane.priority = priority;
        if was != is && lane.queued {
            lane.queued = false;
            let order = if was { &mut self.critical } else { &mut self.others };
            order.retain(|other| *other != key);
            if lane.items.is_empty() {
                self.lanes.remove(&key);
            } else {
                self.queue(key);
            }
        }
    }

    fn queue(&mut self, key: Key) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if lane.queued || lane.held || lane.items.is_empty() {
            return;
        }
        lane.queued = true;
        match lane.priority {
            Priority::Critical => self.critical.push_back(key),
            Priority::Normal | Priority::Low => self.others.push_back(key),
        }
    }

    /// Takes the oldest frame of the camera whose turn it is. With `hold`, the camera is passed over until it is
    /// [`release`](Self::release)d.
    pub(super) fn pop(&mut self, hold: bool) -> Option<(Key, T)> {
        loop {
            let key = match self.critical.pop_front() {
                Some(key) => key,
                None => self.others.pop_front()?,
            };
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.queued = false;
            if lane.held {
                continue;
            }
            if lane.items.is_empty() {
                // Taken out of turn; the camera may never come again.
                self.lanes.remove(&key);
                continue;
            }
            let cost = if lane.priority == Priority::Low { LOW_COST } else { 1 };
            lane.credit += 1;
            if lane.credit < cost {
                self.queue(key);
                continue;
            }
            lane.credit = 0;
            let Some(item) = lane.items.pop_front() else { continue };
            self.len -= 1;
            lane.held = hold;
            if lane.items.is_empty() && !hold {
                self.lanes.remove(&key);
            } else {
                self.queue(key);
            }
            return Some((key, item));
        }
    }

    /// Whether any camera may have a turn.
    pub(super) fn has_turn(&self) -> bool {
        !self.critical.is_empty() || !self.others.is_empty()
    }

    /// Ends a hold.
    pub(super) fn release(&mut self, key: Key) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        lane.held = false;
        if lane.items.is_empty() {
            self.lanes.remove(&key);
        } else {
            self.queue(key);
        }
    }

    /// Takes the oldest frame of this camera out of turn.
    pub(super) fn take_oldest(&mut self, key: Key) -> Option<T> {
        let lane = self.lanes.get_mut(&key)?;
        let item = lane.items.pop_front()?;
        self.len -= 1;
        Some(item)
    }

    /// Removes and returns the frames that match, of one camera or of all, oldest first of each.
    pub(super) fn take_if(&mut self, of: Option<Key>, mut meant: impl FnMut(&T) -> bool) -> Vec<(Key, T)> {
        let mut taken = Vec::new();
        for (key, lane) in self.lanes.iter_mut().filter(|(key, _)| of.is_none_or(|of| of == **key)) {
            // Most have none: nothing is moved then.
            if !lane.items.iter().any(&mut meant) {
                continue;
            }
            let (out, stay): (VecDeque<_>, VecDeque<_>) = lane.items.drain(..).partition(&mut meant);
            lane.items = stay;
            taken.extend(out.into_iter().map(|item| (*key, item)));
        }
        self.len -= taken.len();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is served, with cameras that always have frames.
    fn served(priorities: &[Priority], turns: usize) -> Vec<usize> {
        let mut queue = FairQueue::new();
        let mut served = vec![0; priorities.len()];
        let fill = |queue: &mut FairQueue<()>, k: usize| queue.push(Key(k as u64), priorities[k], ());
        for k in 0..priorities.len() {
            // One of them has fifty times as many.
            for _ in 0..if k == 0 { 100 } else { 2 } {
                fill(&mut queue, k);
            }
        }
        for _ in 0..turns {
            let (Key(k), ()) = queue.pop(false).unwrap();
            served[k as usize] += 1;
            fill(&mut queue, k as usize);
        }
        served
    }

    #[test]
    fn equal_cameras_get_equal_shares_however_much_they_push() {
        assert_eq!(served(&[Priority::Normal; 7], 700), [100; 7]);
        assert_eq!(served(&[Priority::Low; 3], 30), [10; 3]);
    }

    #[test]
    fn a_low_camera_gets_a_quarter_and_critical_ones_all() {
        assert_eq!(served(&[Priority::Normal, Priority::Low, Priority::Normal], 900), [400, 100, 400]);
        assert_eq!(served(&[Priority::Normal, Priority::Critical, Priority::Critical], 100), [0, 50, 50]);
    }

    #[test]
    fn a_held_camera_waits_and_the_others_go_on() {
        let mut queue = FairQueue::new();
        for k in 0..6 {
            queue.push(Key(k % 2), Priority::Normal, k);
        }
        assert_eq!(queue.pop(true), Some((Key(0), 0)));
        assert_eq!(queue.pop(false), Some((Key(1), 1)));
        assert_eq!(queue.pop(false), Some((Key(1), 3)));
        queue.push(Key(0), Priority::Normal, 6);
        assert_eq!(queue.pop(false), Some((Key(1), 5)));
        assert_eq!(queue.pop(false), None);
        queue.release(Key(0));
        assert_eq!((queue.pop(false), queue.len()), (Some((Key(0), 2)), 2));
    }

    #[test]
    fn a_change_of_priority_moves_what_waits() {
        let mut queue = FairQueue::new();
        for k in 0..3 {
            queue.push(Key(k), Priority::Normal, k);
            queue.push(Key(k), Priority::Normal, k);
        }
        queue.set_priority(Key(2), Priority::Critical);
        assert_eq!(queue.pop(false).unwrap().0, Key(2));
        queue.set_priority(Key(2), Priority::Normal);
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop(false)).map(|(Key(key), _)| key).collect();
        assert_eq!(rest, [0, 1, 2, 0, 1]);
    }

    #[test]
    fn frames_can_be_taken_out_of_turn() {
        let mut queue = FairQueue::new();
        for k in 0..10 {
            queue.push(Key(k % 3), Priority::Normal, k);
        }
        assert_eq!(queue.take_oldest(Key(1)), Some(1));
        assert_eq!(queue.take_if(Some(Key(0)), |item| item % 2 == 0), [(Key(0), 0), (Key(0), 6)]);
        assert_eq!(queue.take_if(None, |item| *item > 7), [(Key(0), 9), (Key(2), 8)]);
        assert_eq!(queue.len(), 5);
        let mut rest: Vec<_> = std::iter::from_fn(|| queue.pop(false)).map(|(_, item)| item).collect();
        rest.sort_unstable();
        assert_eq!(rest, [2, 3, 4, 5, 7]);
        assert_eq!((queue.len(), queue.cameras().count()), (0, 0));
    }
}

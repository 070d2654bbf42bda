use crate::geometry::BoundingBox;

/// A box that passed its threshold, before doubles are suppressed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// In pixels of the model's input.
    pub(crate) bbox: BoundingBox,
    pub(crate) score: f32,
    pub(crate) class_id: u32,
    /// The anchor's index: breaks ties among equal scores, so that the order is deterministic.
    pub(crate) anchor: u32,
}

/// More candidates than this are cut to the surest ones first, so that a flood costs bounded time: Ultralytics' limit.
const MOST_CANDIDATES: usize = 30_000;

/// Greedy non-maximum suppression: surest first, drops each box that overlaps a kept one of its class (of any class
/// where `class_agnostic`) by more than `iou`, and stops at `most`. Sorts `candidates`; leaves the kept ones.
pub(crate) fn non_maximum_suppression(candidates: &mut Vec<Candidate>, iou: f32, class_agnostic: bool, most: usize) {
    sort_surest_first(candidates);
    candidates.truncate(MOST_CANDIDATES);
    let mut kept = 0;
    for k in 0..candidates.len() {
        if kept == most {
            break;
        }
        let candidate = candidates[k];
        let rival = |other: &Candidate| class_agnostic || other.class_id == candidate.class_id;
        if !candidates[..kept].iter().any(|other| rival(other) && other.bbox.iou(&candidate.bbox) > iou) {
            candidates[kept] = candidate;
            kept += 1;
        }
    }
    candidates.truncate(kept);
}

pub(crate) fn sort_surest_first(candidates: &mut [Candidate]) {
    candidates.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.anchor.cmp(&b.anchor)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(x: f32, score: f32, class_id: u32, anchor: u32) -> Candidate {
        Candidate { bbox: BoundingBox::from_xyxy(x, 0.0, x + 10.0, 10.0), score, class_id, anchor }
    }

    fn kept(mut all: Vec<Candidate>, iou: f32, agnostic: bool, most: usize) -> Vec<u32> {
        non_maximum_suppression(&mut all, iou, agnostic, most);
        all.iter().map(|c| c.anchor).collect()
    }

    #[test]
    fn overlap_suppresses_within_a_class_only_unless_agnostic() {
        let all = vec![
            candidate(0.0, 0.9, 0, 0),
            candidate(1.0, 0.8, 0, 1),
            candidate(1.0, 0.7, 1, 2),
            candidate(30.0, 0.6, 0, 3),
        ];
        assert_eq!(kept(all.clone(), 0.5, false, 300), [0, 2, 3]);
        assert_eq!(kept(all.clone(), 0.5, true, 300), [0, 3]);
        assert_eq!(
            kept(all.clone(), 0.9, true, 300),
            [0, 1, 3],
            "equal boxes of two classes are doubles when agnostic"
        );
        assert_eq!(kept(all, 0.5, false, 2), [0, 2]);
    }

    #[test]
    fn an_overlap_equal_to_the_limit_stays() {
        // Half of the second box is shared: IoU = 5 / 15.
        let all = vec![candidate(0.0, 0.9, 0, 0), candidate(5.0, 0.8, 0, 1)];
        assert_eq!(kept(all.clone(), 50.0 / 150.0, false, 9), [0, 1]);
        assert_eq!(kept(all, 0.33, false, 9), [0]);
    }

    #[test]
    fn equal_scores_keep_the_order_of_the_anchors() {
        let all = vec![candidate(60.0, 0.5, 0, 7), candidate(0.0, 0.5, 0, 2), candidate(30.0, 0.5, 0, 4)];
        assert_eq!(kept(all, 0.5, false, 9), [2, 4, 7]);
    }

    #[test]
    fn a_suppressed_box_suppresses_nothing() {
        let all = vec![candidate(0.0, 0.9, 0, 0), candidate(4.0, 0.8, 0, 1), candidate(8.0, 0.7, 0, 2)];
        assert_eq!(kept(all, 0.3, false, 9), [0, 2]);
    }
}

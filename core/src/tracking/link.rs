use crate::detection::Detection;

/// Which detection of the last look each new one continues: those of the same class whose boxes overlap enough, the best
/// pairs first. Of equal pairs the ones that stand first go first, so that the answer is the same everywhere.
///
/// Greedy, since objects that overlap so much that the order matters cannot be told apart by their boxes anyway.
pub(super) fn link<'a>(
    before: impl Iterator<Item = &'a Detection> + Clone,
    found: &[&Detection],
    min_overlap: f32,
) -> Vec<Option<usize>> {
    let mut pairs = Vec::new();
    for (at, new) in found.iter().enumerate() {
        for (old_at, old) in before.clone().enumerate() {
            // By name: two providers may number the same class differently.
            let overlap = if old.label.name == new.label.name { old.bbox.iou(&new.bbox) } else { 0.0 };
            if overlap >= min_overlap {
                pairs.push((overlap, old_at, at));
            }
        }
    }
    pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut taken = vec![false; before.count()];
    let mut links = vec![None; found.len()];
    for (_, old_at, at) in pairs {
        if let (Some(taken @ false), Some(link @ None)) = (taken.get_mut(old_at), links.get_mut(at)) {
            (*taken, *link) = (true, Some(old_at));
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::Label;
    use crate::geometry::BoundingBox;

    fn at(x: f32, name: &str) -> Detection {
        Detection::new(BoundingBox::from_xyxy(x, 0.0, x + 10.0, 10.0), Label { id: 0, name: name.into() }, 0.5)
    }

    fn links(before: &[Detection], found: &[Detection]) -> Vec<Option<usize>> {
        link(before.iter(), &found.iter().collect::<Vec<_>>(), 0.3)
    }

    #[test]
    fn the_best_pairs_go_first() {
        // The second new one overlaps the first old one more than the first new one does.
        let before = [at(0.0, "person"), at(6.0, "person")];
        assert_eq!(links(&before, &[at(3.0, "person"), at(1.0, "person")]), [Some(1), Some(0)]);
        assert_eq!(links(&before, &[at(2.0, "person")]), [Some(0)]);
    }

    #[test]
    fn other_classes_and_small_overlaps_are_no_link() {
        assert_eq!(links(&[at(0.0, "person")], &[at(0.0, "car"), at(6.0, "person")]), [None, None]);
        assert_eq!(links(&[], &[at(0.0, "car")]), [None]);
        assert_eq!(links(&[at(0.0, "car")], &[]), [None; 0]);
    }

    #[test]
    fn ties_go_by_order() {
        let same = [at(0.0, "person"), at(0.0, "person")];
        assert_eq!(links(&same, &same), [Some(0), Some(1)]);
        assert_eq!(links(&same[..1], &same), [Some(0), None]);
    }
}

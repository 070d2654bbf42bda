//! Why a trigger fired, in words for people.

use super::condition::Condition;
use super::node::{Finding, Leaf, Node};
use crate::event::{Firing, Scene};
use crate::tracking::Object;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Maximum number of characters of a reason; a condition can have 256 parts.
const MOST_LETTERS: usize = 500;

/// The firing of a condition that holds.
pub(super) fn firing(root: &Node, leaves: &[Leaf], findings: &[Finding], scene: &Scene<'_>) -> Firing {
    let mut told = Told { leaves, findings, scene, zone: None, objects: BTreeSet::new() };
    let mut why = told.why(root);
    if let Some((end, _)) = why.char_indices().nth(MOST_LETTERS) {
        why.truncate(end);
        why.push('…');
    }
    let objects = told.objects.iter().filter_map(|&at| scene.objects.get(at).cloned()).collect();
    Firing { zone: told.zone, why, objects }
}

struct Told<'a> {
    leaves: &'a [Leaf],
    findings: &'a [Finding],
    scene: &'a Scene<'a>,
    /// Of the first leaf that has one.
    zone: Option<Arc<str>>,
    objects: BTreeSet<usize>,
}

impl Told<'_> {
    fn why(&mut self, node: &Node) -> String {
        match node {
            Node::Leaf(at) => match (self.leaves.get(*at), self.findings.get(*at)) {
                (Some(leaf), Some(finding)) => {
                    self.objects.extend(&finding.objects);
                    if self.zone.is_none() {
                        self.zone = leaf.condition.zone().cloned();
                    }
                    let objects: Vec<_> = finding.objects.iter().filter_map(|&at| self.scene.objects.get(at)).collect();
                    holding(&leaf.condition, &objects)
                }
                _ => String::new(),
            },
            Node::All(inner) | Node::Any(inner) => {
                let findings = self.findings;
                let reasons: Vec<_> =
                    inner.iter().filter(|node| node.holds(findings)).map(|node| self.why(node)).collect();
                reasons.join(" and ")
            }
            Node::Not(inner) => format!("not ({})", self.waiting(inner)),
        }
    }

    /// A condition that need not hold.
    fn waiting(&self, node: &Node) -> String {
        match node {
            Node::Leaf(at) => self.leaves.get(*at).map(|leaf| general(&leaf.condition)).unwrap_or_default(),
            Node::All(inner) => inner.iter().map(|node| self.waiting(node)).collect::<Vec<_>>().join(" and "),
            Node::Any(inner) => inner.iter().map(|node| self.waiting(node)).collect::<Vec<_>>().join(" or "),
            Node::Not(inner) => format!("not ({})", self.waiting(inner)),
        }
    }
}

/// A condition that holds because of these objects.
fn holding(condition: &Condition, objects: &[&Object]) -> String {
    let place = place(condition);
    match condition {
        Condition::Present { .. } => format!("{}{place}", surest(objects)),
        Condition::Enter { zone, .. } => format!("{} entered {zone}", surest(objects)),
        Condition::Leave { zone, .. } => format!("{} left {zone}", surest(objects)),
        Condition::Count { over, under, .. } => {
            let what = if condition.classes().is_empty() { "objects".into() } else { names(condition) };
            format!("{} {what}{place}, {}", objects.len(), bounds(*over, *under))
        }
        other => general(other),
    }
}

/// A condition as such.
fn general(condition: &Condition) -> String {
    let (names, place) = (names(condition), place(condition));
    match condition {
        Condition::Present { min_confidence: Some(least), .. } => format!("{names} of {least} or more{place}"),
        Condition::Count { over, under, .. } => format!("{names}{place}: {}", bounds(*over, *under)),
        Condition::Enter { zone, .. } => format!("{names} enters {zone}"),
        Condition::Leave { zone, .. } => format!("{names} leaves {zone}"),
        Condition::Absent { for_s, .. } => format!("no {names}{place} for {for_s} s"),
        _ => format!("{names}{place}"),
    }
}

/// The surest one, and how many more.
fn surest(objects: &[&Object]) -> String {
    let sureness = |object: &&&Object| object.detection.confidence;
    // The first of equals, as in the scene.
    let first = objects.iter().rev().max_by(|a, b| sureness(a).total_cmp(&sureness(b)));
    let Some(first) = first else { return "nothing".into() };
    let words = format!("{} {:.2}", first.detection.label, first.detection.confidence);
    if objects.len() > 1 { format!("{words} and {} more", objects.len() - 1) } else { words }
}

fn names(condition: &Condition) -> String {
    let classes: Vec<&str> = condition.classes().iter().map(|class| class.trim()).collect();
    if classes.is_empty() { "object".into() } else { classes.join(" or ") }
}

fn place(condition: &Condition) -> String {
    condition.zone().map(|zone| format!(" in {zone}")).unwrap_or_default()
}

fn bounds(over: Option<u32>, under: Option<u32>) -> String {
    let over = over.map(|over| format!("more than {over}"));
    let under = under.map(|under| format!("fewer than {under}"));
    [over, under].into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

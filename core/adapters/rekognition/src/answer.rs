//! From Rekognition's answers to detections.

use crate::config::{RekognitionConfig, TextUnit};
use aws_sdk_rekognition::types as aws;
use guarita::detection::{ImageLabel, Label, Timing};
use guarita::imaging::Window;
use guarita::{BoundingBox, Detection, Detections, Error, ErrorCode, Result, Size};
use std::cell::Cell;
use std::sync::Arc;

/// The content of one answer, as parsed by the SDK.
#[derive(Debug)]
pub(crate) enum Raw {
    Labels(Vec<aws::Label>),
    Text(Vec<aws::TextDetection>),
    Faces(Vec<aws::FaceDetail>),
}

/// The parameters for reading an answer.
pub(crate) struct Reading<'a> {
    pub(crate) config: &'a RekognitionConfig,
    pub(crate) window: Window,
    pub(crate) frame: Size,
    /// 0..1.
    pub(crate) least: f32,
    /// Boxes that came, and those of them that can be of something in the picture.
    pub(crate) boxes: Cell<(usize, usize)>,
}

/// The same object under two names has the very same box. Two objects never overlap as much.
const SAME_IOU: f32 = 0.95;
/// Findings that an answer is taken at its word for, the surest ones: each is compared with each, on a thread that has
/// other requests to answer.
const MOST: usize = 4_000;

impl Reading<'_> {
    /// # Errors
    /// `Internal` for boxes of which none fits the picture. What is no confidence stays, for [`Reply`](guarita::provider::Reply) to refuse.
    pub(crate) fn read(&self, raw: Raw) -> Result<Detections> {
        let (mut items, mut image_labels) = (Vec::new(), Vec::new());
        match raw {
            Raw::Labels(labels) => labels.iter().for_each(|label| self.label(label, &mut items, &mut image_labels)),
            Raw::Text(texts) => items.extend(texts.iter().filter_map(|text| self.text(text))),
            Raw::Faces(faces) => items.extend(faces.iter().filter_map(|face| self.face(face))),
        }
        if let (given @ 1.., 0) = self.boxes.get() {
            return Err(Error::new(
                ErrorCode::Internal,
                format!(
                    "the service answered {given} box(es) of which none fits the picture; its boxes are shares of the picture's sides"
                ),
            ));
        }
        // Stable, so that equals stay in the order of the answer.
        items.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        image_labels.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        items.truncate(MOST);
        image_labels.truncate(MOST);
        let mut found = Detections::new(once(items), self.frame, Timing::default());
        found.image_labels = once_each(image_labels);
        Ok(found)
    }

    fn label(&self, raw: &aws::Label, items: &mut Vec<Detection>, image_labels: &mut Vec<ImageLabel>) {
        let (Some(name), Some(confidence)) = (raw.name(), share(raw.confidence())) else { return };
        let label = self.config.label_map.label(name);
        let parents: Vec<Arc<str>> = raw.parents().iter().filter_map(|parent| parent.name()).map(Arc::from).collect();
        let before = items.len();
        for instance in raw.instances() {
            let sure = share(instance.confidence()).unwrap_or(confidence);
            if let Some(bbox) = self.place(instance.bounding_box()).filter(|_| self.is_sure(sure)) {
                let mut item = Detection::new(bbox, label.clone(), sure);
                item.parents.clone_from(&parents);
                items.push(item);
            }
        }
        // It is in the picture, but without a location, or without one that is sure enough.
        if items.len() == before && self.is_sure(confidence) {
            let mut whole = ImageLabel::new(label, confidence);
            whole.parents = parents;
            image_labels.push(whole);
        }
    }

    fn text(&self, raw: &aws::TextDetection) -> Option<Detection> {
        let unit = match raw.r#type()? {
            aws::TextTypes::Line => TextUnit::Line,
            aws::TextTypes::Word => TextUnit::Word,
            _ => return None,
        };
        let sure = share(raw.confidence()).filter(|&sure| self.is_sure(sure))?;
        let bbox = self.place(raw.geometry()?.bounding_box())?;
        let mut item = Detection::new(bbox, unnumbered("text"), sure);
        item.text = Some(raw.detected_text()?.into());
        (unit == self.config.text).then_some(item)
    }

    fn face(&self, raw: &aws::FaceDetail) -> Option<Detection> {
        let sure = share(raw.confidence()).filter(|&sure| self.is_sure(sure))?;
        Some(Detection::new(self.place(raw.bounding_box())?, unnumbered("face"), sure))
    }

    /// Whether its confidence suffices; NaN passes, and is refused later.
    fn is_sure(&self, confidence: f32) -> bool {
        confidence.is_nan() || confidence >= self.least
    }

    fn place(&self, raw: Option<&aws::BoundingBox>) -> Option<BoundingBox> {
        let raw = raw?;
        let shares = [raw.left()?, raw.top()?, raw.width()?, raw.height()?];
        let (given, fit) = self.boxes.get();
        let fits = Window::can_hold(shares);
        self.boxes.set((given + 1, fit + usize::from(fits)));
        if fits { self.window.to_frame(shares) } else { None }
    }
}

fn unnumbered(name: &str) -> Label {
    Label { id: Label::UNNUMBERED, name: name.into() }
}

/// From per cent to 0..1.
fn share(percent: Option<f32>) -> Option<f32> {
    percent.map(|percent| percent / 100.0)
}

/// Merges labels with the same box: `Person` and `Man` are one person. Sorted, so the surest stays.
fn once(sorted: Vec<Detection>) -> Vec<Detection> {
    let mut kept: Vec<Detection> = Vec::with_capacity(sorted.len());
    for item in sorted {
        let same = |other: &Detection| {
            other.label == item.label && other.text == item.text && other.bbox.iou(&item.bbox) >= SAME_IOU
        };
        if !kept.iter().any(same) {
            kept.push(item);
        }
    }
    kept
}

fn once_each(sorted: Vec<ImageLabel>) -> Vec<ImageLabel> {
    let mut kept: Vec<ImageLabel> = Vec::with_capacity(sorted.len());
    for label in sorted {
        if !kept.iter().any(|other| other.label == label.label) {
            kept.push(label);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use guarita::frame::Layout;
    use guarita::{Frame, PixelFormat};

    fn reading(config: &RekognitionConfig) -> Reading<'_> {
        let size = Size::new(200, 100);
        let frame = Frame::from_owner(vec![0; 20_000], Layout::packed(PixelFormat::Gray8, size).unwrap()).unwrap();
        let window = Window::new(frame.size(), None).unwrap();
        Reading { config, window, frame: size, least: 0.5, boxes: Cell::default() }
    }

    fn at(left: f32, top: f32, width: f32, height: f32) -> aws::BoundingBox {
        aws::BoundingBox::builder().left(left).top(top).width(width).height(height).build()
    }

    fn label(name: &str, confidence: f32, instances: &[(f32, aws::BoundingBox)], parents: &[&str]) -> aws::Label {
        let mut label = aws::Label::builder().name(name).confidence(confidence);
        for (sure, bbox) in instances {
            label = label.instances(aws::Instance::builder().confidence(*sure).bounding_box(bbox.clone()).build());
        }
        for parent in parents {
            label = label.parents(aws::Parent::builder().name(*parent).build());
        }
        label.build()
    }

    #[test]
    fn one_object_under_two_names_is_one_and_labels_without_a_box_are_kept() {
        let config = RekognitionConfig::default();
        let found = reading(&config)
            .read(Raw::Labels(vec![
                label("Man", 97.0, &[(96.0, at(0.1, 0.1, 0.2, 0.5))], &["Person"]),
                label("Person", 99.0, &[(98.0, at(0.1, 0.1, 0.2, 0.5)), (91.0, at(0.5, 0.1, 0.2, 0.5))], &[]),
                label("Street", 88.0, &[], &["City", "Road"]),
                label("Human", 80.0, &[], &[]),
                label("Car", 90.0, &[(30.0, at(0.0, 0.0, 0.5, 0.5))], &["Vehicle"]),
                label("Bus", 40.0, &[], &[]),
                label("Tow Truck", 70.0, &[(70.0, at(-0.5, 0.9, 0.6, 0.6))], &["Vehicle"]),
                label("Dog", 70.0, &[(70.0, at(2.0, 2.0, 0.6, 0.6))], &[]),
            ]))
            .unwrap();
        let items: Vec<_> = found
            .iter()
            .map(|d| (&*d.label.name, d.label.id, d.confidence, d.bbox.to_array().map(f32::round)))
            .collect();
        assert_eq!(
            items,
            [
                ("person", 0, 0.98, [20.0, 10.0, 60.0, 60.0]),
                ("person", 0, 0.91, [100.0, 10.0, 140.0, 60.0]),
                ("tow truck", Label::UNNUMBERED, 0.7, [0.0, 90.0, 20.0, 100.0]),
            ]
        );
        let whole: Vec<_> = found.image_labels.iter().map(|l| (&*l.label.name, l.label.id)).collect();
        assert_eq!(whole, [("car", 2), ("street", Label::UNNUMBERED), ("person", 0), ("dog", 16)]);
        assert_eq!(found.image_labels[1].parents, ["City".into(), "Road".into()]);
    }

    #[test]
    fn lines_or_words_of_text() {
        let text = |kind, words: &str| {
            let geometry = aws::Geometry::builder().bounding_box(at(0.0, 0.0, 0.5, 0.5)).build();
            aws::TextDetection::builder().r#type(kind).detected_text(words).confidence(90.0).geometry(geometry).build()
        };
        let raw = || {
            Raw::Text(vec![
                text(aws::TextTypes::Line, "NO ENTRY"),
                text(aws::TextTypes::Word, "NO"),
                text(aws::TextTypes::Word, "ENTRY"),
            ])
        };
        for (unit, expected) in [(TextUnit::Line, &["NO ENTRY"][..]), (TextUnit::Word, &["NO", "ENTRY"])] {
            let config = RekognitionConfig { text: unit, ..RekognitionConfig::default() };
            let found = reading(&config).read(raw()).unwrap();
            let words: Vec<_> = found.iter().map(|d| d.text.as_deref().unwrap()).collect();
            assert_eq!(words, expected);
            assert!(found.iter().all(|d| &*d.label.name == "text"));
        }
    }

    #[test]
    fn an_answer_without_end_is_cut_off() {
        let config = RekognitionConfig::default();
        let at = |k: usize| at((k % 200) as f32 / 200.0, (k / 200) as f32 / 200.0, 0.002, 0.002);
        let instances: Vec<_> = (0..30_000).map(|k| (if k == 29_999 { 99.0 } else { 90.0 }, at(k))).collect();
        let found = reading(&config).read(Raw::Labels(vec![label("Car", 99.0, &instances, &[])])).unwrap();
        assert_eq!((found.len(), found.items[0].confidence), (MOST, 0.99));
    }

    #[test]
    fn an_answer_with_holes_in_it() {
        let config = RekognitionConfig::default();
        let reading = reading(&config);
        let half = aws::BoundingBox::builder().left(0.1).build();
        let labels = vec![aws::Label::builder().build(), label("Bus", 90.0, &[(99.0, half)], &[])];
        let found = reading.read(Raw::Labels(labels)).unwrap();
        assert!(found.is_empty());
        assert_eq!((found.image_labels.len(), found.image_labels[0].confidence), (1, 0.9));
        assert!(reading.read(Raw::Text(vec![aws::TextDetection::builder().build()])).unwrap().is_empty());
        assert!(
            reading.read(Raw::Faces(vec![aws::FaceDetail::builder().confidence(99.0).build()])).unwrap().is_empty()
        );
    }

    #[test]
    fn what_is_no_confidence_and_boxes_of_other_units_are_not_put_right() {
        let config = RekognitionConfig::default();
        let sound = || at(0.1, 0.1, 0.2, 0.5);
        for wrong in [3700.0, 101.5, f32::NAN, f32::INFINITY] {
            let found = reading(&config).read(Raw::Labels(vec![label("Car", 90.0, &[(wrong, sound())], &[])])).unwrap();
            assert!(
                !(0.0..=1.01).contains(&found.items[0].confidence),
                "{wrong}: for the gate of all answers to refuse"
            );
        }
        for wrong in [
            at(10.0, 10.0, 30.0, 30.0),
            at(-1e30, 0.1, 1e38, 0.5),
            at(0.5, 0.5, -0.2, 0.2),
            at(1.5, 0.1, 0.2, 0.2),
            at(f32::NAN, 0.0, 1.0, 1.0),
        ] {
            let answer = |boxes: &[(f32, aws::BoundingBox)]| {
                reading(&config).read(Raw::Labels(vec![label("Car", 90.0, boxes, &[])]))
            };
            let error = answer(&[(90.0, wrong.clone())]).unwrap_err();
            assert!(error.to_string().contains("none fits"), "{error}");
            assert_eq!(answer(&[(90.0, wrong), (90.0, sound())]).unwrap().len(), 1);
        }
    }
}

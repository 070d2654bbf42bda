use guarita::provider::LabelMap;

/// Rekognition's names of COCO's classes, where they differ by more than case.
const NAMES: &[(&str, &str)] = &[
    ("Adult", "person"),
    ("Aeroplane", "airplane"),
    ("Automobile", "car"),
    ("Baseball Mitt", "baseball glove"),
    ("Bike", "bicycle"),
    ("Blow Dryer", "hair drier"),
    ("Boy", "person"),
    ("Cellphone", "cell phone"),
    ("Child", "person"),
    ("Computer Keyboard", "keyboard"),
    ("Computer Mouse", "mouse"),
    ("Cattle", "cow"),
    ("Dinner Table", "dining table"),
    ("Doughnut", "donut"),
    ("Female", "person"),
    ("Flying Disc", "frisbee"),
    ("Girl", "person"),
    ("Hair Dryer", "hair drier"),
    ("Hardware Mouse", "mouse"),
    ("Human", "person"),
    ("Hydrant", "fire hydrant"),
    ("Kitten", "cat"),
    ("Laptop Computer", "laptop"),
    ("Male", "person"),
    ("Man", "person"),
    ("Microwave Oven", "microwave"),
    ("Mobile Phone", "cell phone"),
    ("Monitor", "tv"),
    ("Motorbike", "motorcycle"),
    ("Plane", "airplane"),
    ("Puppy", "dog"),
    ("Purse", "handbag"),
    ("Racket", "tennis racket"),
    ("Remote Control", "remote"),
    ("Ski", "skis"),
    ("Sofa", "couch"),
    ("Soccer Ball", "sports ball"),
    ("Basketball (Ball)", "sports ball"),
    ("Tennis Ball", "sports ball"),
    ("Stoplight", "traffic light"),
    ("Luggage", "suitcase"),
    ("Television", "tv"),
    ("Woman", "person"),
];

/// What Rekognition's labels are called here: COCO's names where there is one, so that its answers read as those of a local
/// detector.
///
/// ```
/// let map = guarita_rekognition::label_map();
/// assert_eq!(map.label("Mobile Phone").name.as_ref(), "cell phone");
/// assert_eq!(map.label("Forklift").name.as_ref(), "forklift");
/// ```
pub fn label_map() -> LabelMap {
    LabelMap::coco().with(NAMES.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use guarita::detection::Label;

    #[test]
    fn the_map_reaches_all_of_coco_and_nothing_else() {
        let map = label_map();
        let reached: std::collections::BTreeSet<u32> = map.iter().map(|(cloud, _)| map.label(cloud).id).collect();
        assert_eq!(reached, (0..80).collect());
        for (cloud, ours, id) in [
            ("Person", "person", 0),
            ("WOMAN", "person", 0),
            ("Human", "person", 0),
            ("Automobile", "car", 2),
            ("Mobile Phone", "cell phone", 67),
            ("Couch", "couch", 57),
            ("Monitor", "tv", 62),
            ("Hair Dryer", "hair drier", 78),
        ] {
            assert_eq!(map.label(cloud), Label { id, name: ours.into() });
        }
        assert_eq!(map.label("Tow Truck"), Label { id: Label::UNNUMBERED, name: "tow truck".into() });
    }
}

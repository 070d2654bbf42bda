//! Checks that the provider can find the classes that a camera's config names.

use super::CameraConfig;
use crate::error::{Error, Result};
use crate::model::{coco_id, coco_names, is_meant};
use crate::provider::{Capability, Want};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rejects a class that the provider is known not to find.
pub(super) fn check(config: &CameraConfig, provider: &str, capability: &Capability) -> Result<()> {
    let Some(labels) = &capability.labels else { return Ok(()) };
    match named(config).into_iter().find(|(_, class)| !labels.contains_key(class.as_str())) {
        None => Ok(()),
        Some((field, class)) => Err(Error::invalid_config(format!(
            "{field}: {:?} is nothing that {provider} can find; {}",
            short(&class),
            suggestion(&class, labels.keys().map(|name| &**name))
        ))
        .with_field(field)),
    }
}

/// Warnings about class names that may be typos. `found` is what the provider has found so far.
pub(super) fn notes(
    config: &CameraConfig,
    provider: &str,
    capability: &Capability,
    found: &BTreeSet<Arc<str>>,
) -> Vec<String> {
    let id = &config.id;
    let note = |(field, class): (String, String)| match &capability.labels {
        Some(labels) => {
            let (theirs, ours) = (*labels.get(class.as_str())?, config.least_confidence_by_day(&class));
            (ours < theirs).then(|| {
                format!(
                    "camera {id}: {field}: {:?} counts from {ours} on, and {provider} reports it from {theirs} on: what lies \
                     between never comes",
                    short(&class)
                )
            })
        }
        // The names of the label space, and what was seen, are no slips.
        None if coco_id(&class).is_some() || found.contains(class.as_str()) => None,
        None => Some(format!(
            "camera {id}: {field}: {provider} does not say whether it can find {:?}, and has not found one so far; {}",
            short(&class),
            suggestion(&class, coco_names())
        )),
    };
    let mut notes: Vec<_> = named(config).into_iter().filter_map(note).collect();
    notes.dedup();
    notes
}

/// The names of labels that a config counts by, each with the field that it stands in. Texts are no names, and faces have one.
fn named(config: &CameraConfig) -> Vec<(String, String)> {
    if config.look.want != Want::Labels {
        return Vec::new();
    }
    let mut named: Vec<_> = config.look.classes.iter().map(|class| ("look.classes".into(), class.clone())).collect();
    named.extend(config.look.class_confidence.keys().map(|class| ("look.class_confidence".into(), class.clone())));
    for trigger in &config.triggers {
        trigger.when.each_class(&mut |class| {
            named.push((format!("trigger {:?}: classes", trigger.name), class.trim().into()));
        });
    }
    named
}

/// As much of a name as is fit to be shown.
fn short(class: &str) -> &str {
    &class[..class.floor_char_boundary(64)]
}

fn suggestion<'a>(class: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    is_meant(class, known.clone()).unwrap_or_else(|| format!("it finds {}", shown(known)))
}

/// The first dozen of them.
fn shown<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let some: Vec<&str> = names.clone().take(12).collect();
    let more = if names.count() > some.len() { " and others" } else { "" };
    format!("{}{more}", some.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Condition, TriggerConfig};
    use crate::pipeline::LookConfig;

    fn camera(classes: &[&str]) -> CameraConfig {
        let look = LookConfig { classes: classes.iter().map(ToString::to_string).collect(), ..LookConfig::default() };
        CameraConfig { look, ..CameraConfig::new("gate-7") }
    }

    fn knows(labels: &[(&str, f32)]) -> Capability {
        let labels = labels.iter().map(|&(name, least)| (name.into(), least)).collect();
        Capability::local(&[Want::Labels, Want::Text], 1, 1).with_labels(labels)
    }

    #[test]
    fn a_name_that_nothing_has_is_refused_with_the_nearest_one() {
        let can = knows(&[("person", 0.25), ("car", 0.25), ("dog", 0.25)]);
        assert!(check(&camera(&["person", "dog"]), "local", &can).is_ok());
        let said = |config: &CameraConfig| check(config, "local", &can).unwrap_err().to_string();
        assert_eq!(
            said(&camera(&["car", "persn"])),
            "look.classes: \"persn\" is nothing that local can find; is \"person\" meant?"
        );
        assert_eq!(
            said(&camera(&["Person"])),
            "look.classes: \"Person\" is nothing that local can find; is \"person\" meant?"
        );
        assert!(said(&camera(&["forklift"])).ends_with("it finds car, dog, person"));
        let within = Condition::Not(Box::new(Condition::Present {
            classes: vec![" dgo ".into()],
            zone: None,
            min_confidence: None,
        }));
        let triggers = vec![TriggerConfig::new("loose", Condition::All(vec![within]))];
        let told = said(&CameraConfig { triggers, ..camera(&[]) });
        assert!(
            told.starts_with("trigger \"loose\": classes: \"dgo\"") && told.ends_with("is \"dog\" meant?"),
            "{told}"
        );
        let look = LookConfig { class_confidence: [("cra".to_string(), 0.5)].into(), ..LookConfig::default() };
        assert!(said(&CameraConfig { look, ..camera(&[]) }).starts_with("look.class_confidence: \"cra\""));
        let mut texts = camera(&["persn"]);
        texts.look.want = Want::Text;
        // Where names are not what is asked for, or the provider does not say, nothing is refused.
        assert!(check(&texts, "local", &can).is_ok());
        assert!(check(&camera(&["persn"]), "cloud", &Capability::local(&[Want::Labels], 1, 1)).is_ok());
    }

    #[test]
    fn what_may_be_a_slip_is_said() {
        let can = knows(&[("person", 0.6), ("car", 0.25)]);
        let told = notes(&camera(&["person", "car"]), "local", &can, &BTreeSet::new());
        assert!(
            told.len() == 1 && told[0].contains("\"person\" counts from 0.5 on, and local reports it from 0.6"),
            "{told:?}"
        );
        let silent = Capability::local(&[Want::Labels], 1, 1);
        let told = notes(&camera(&["persn", "person", "forklift"]), "cloud", &silent, &["forklift".into()].into());
        assert!(told.len() == 1 && told[0].ends_with("is \"person\" meant?"), "{told:?}");
    }
}

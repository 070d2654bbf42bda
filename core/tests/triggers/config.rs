//! Triggers as a file names them, and what is refused.

use super::*;
use guarita::ErrorCode;
use guarita::event::{Condition, PictureWanted};

#[test]
fn a_config_reads_well_and_comes_back_the_same() {
    let text = r#"
        name = "intruder"
        when = { all = [
            { any = [{ enter = { classes = ["person"], zone = "door" } }, { leave = { zone = "yard" } }] },
            { not = { count = { classes = ["person"], over = 3 } } },
            { absent = { classes = ["dog"], for_s = 5 } },
        ] }
        cooldown_s = 60
        picture = "frame"
        [schedule]
        time_zone = "Europe/Lisbon"
        windows = [{ days = ["sat", "sun"], from = "20:00", to = "07:30" }]
    "#;
    let config: TriggerConfig = toml::from_str(text).unwrap();
    config.validate().unwrap();
    assert_eq!((config.for_s, config.cooldown_s, config.max_gap_s), (0.0, 60.0, 60.0));
    assert_eq!(config.picture, PictureWanted::Frame);
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<TriggerConfig>(&json).unwrap(), config);
    let plain = TriggerConfig::new("x", Condition::All(vec![]));
    assert_eq!((plain.cooldown_s, plain.picture, plain.schedule), (10.0, PictureWanted::None, None));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (text, part) in [
        ("when = { present = {} }\nfor_s = nan", "for_s is NaN"),
        ("when = { present = {} }\nfor_s = -1", "for_s is -1"),
        ("when = { present = {} }\ncooldown_s = inf", "cooldown_s is inf"),
        ("when = { present = {} }\nmax_gap_s = 0", "max_gap_s is 0"),
        ("when = { present = { min_confidence = 1.5 } }", "when.present.min_confidence is 1.5"),
        ("when = { present = { min_confidence = nan } }", "when.present.min_confidence"),
        ("when = { not = { present = { classes = [\" \"] } } }", "when.not.present.classes"),
        ("when = { present = { zone = \"\" } }", "when.present.zone"),
        ("when = { count = {} }", "when.count has neither over nor under"),
        ("when = { count = { under = 0 } }", "when.count.under is 0"),
        ("when = { count = { over = 3, under = 4 } }", "when.count.over is 3 and under is 4"),
        ("when = { absent = { for_s = 0 } }", "when.absent.for_s is 0"),
        ("when = { absent = { for_s = nan } }", "when.absent.for_s"),
        ("when = { all = [] }", "when.all has no condition"),
        ("when = { any = [{ present = {} }, { all = [{ any = [] }] }] }", "when.any[1].all[0].any has no condition"),
        ("when = { enter = { zone = \"door\" } }\nfor_s = 1", "for_s is 1"),
        ("when = { all = [{ present = {} }, { enter = { zone = \"door\" } }] }\nfor_s = 1", "for_s is 1"),
        ("when = { present = {} }\nschedule = { windows = [] }", "schedule.windows has 0"),
        (
            "when = { present = {} }\nschedule = { windows = [{}], time_zone = \"Moon\" }",
            "schedule.time_zone is \"Moon\"",
        ),
        ("when = { present = { zone = \"dor\" } }", "when.present.zone is \"dor\""),
        ("when = { any = [{ present = {} }, { leave = { zone = \"dor\" } }] }", "when.any[1].leave.zone is \"dor\""),
    ] {
        let error = try_trigger(text).err().unwrap_or_else(|| panic!("{text} is taken"));
        assert_eq!(error.code(), ErrorCode::InvalidConfig, "{error}");
        assert!(error.to_string().starts_with("trigger \"test\": ") && error.to_string().contains(part), "{error}");
    }
    let error = try_trigger("when = { present = { zone = \"dor\" } }").unwrap_err().to_string();
    assert!(error.ends_with("it has \"yard\", \"door\", \"desk\""), "{error}");
    // With an edge among others, the others may last.
    try_trigger("when = { any = [{ present = {} }, { enter = { zone = \"door\" } }] }\nfor_s = 1").unwrap();
    try_trigger("when = { not = { enter = { zone = \"door\" } } }\nfor_s = 1").unwrap();
    for name in ["", "  ", &"x".repeat(257)] {
        let present = Condition::Present { classes: vec![], zone: None, min_confidence: None };
        let error = TriggerMachine::new(TriggerConfig::new(name, present), &[]).unwrap_err();
        assert!(error.to_string().starts_with("name "), "{error}");
    }
}

#[test]
fn unknown_fields_and_conditions_are_refused() {
    for text in [
        "when = { present = { class = [\"person\"] } }",
        "when = { sees = {} }",
        "when = { enter = {} }",
        "when = { absent = {} }",
        "when = { present = {}, count = { over = 1 } }",
        "when = { present = {} }\ncooldown = 1",
        "when = { present = {} }\npicture = \"zoom\"",
        "cooldown_s = 1",
    ] {
        assert!(toml::from_str::<TriggerConfig>(&format!("name = \"x\"\n{text}")).is_err(), "{text}");
    }
}

#[test]
fn a_condition_has_bounds() {
    let present = || Condition::Present { classes: vec![], zone: None, min_confidence: None };
    let nested = |depth: usize| (1..depth).fold(present(), |inner, _| Condition::Not(Box::new(inner)));
    let made = |when: Condition| TriggerMachine::new(TriggerConfig::new("x", when), &[]);
    assert!(made(nested(16)).is_ok());
    assert!(made(nested(17)).unwrap_err().to_string().contains("more than 16 deep"));
    assert!(made(nested(10_000)).is_err());
    assert!(made(Condition::Any(vec![present(); 255])).is_ok());
    assert!(made(Condition::Any(vec![present(); 256])).unwrap_err().to_string().contains("more than 256"));
    let classes =
        |count: usize| Condition::Present { classes: vec!["x".into(); count], zone: None, min_confidence: None };
    assert!(made(classes(256)).is_ok() && made(classes(257)).is_err());
    // A file that goes deeper than any stack.
    let deep = format!("{{\"name\": \"x\", \"when\": {}", "{\"not\": ".repeat(100_000));
    assert!(serde_json::from_str::<TriggerConfig>(&deep).is_err());
}

//! `vectors/schema.json`: what every config looks like, as JSON Schema, made from the structs themselves. The types of
//! other languages and the tables of the guides are made from that file.
//!
//! Names, types, defaults and descriptions come from the structs. Ranges stand in their descriptions, as `1..64`, `1 or
//! more`, `more than 0, up to 60` or `up to 256`, and become `minimum` and `maximum`: here every one is compared with what
//! `check_config` takes and refuses, and a field whose description states none must take whatever its type holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "tests may read the environment")]

use guarita::registry::Registry;
use regex_lite::Regex;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde::de::{Deserializer, Visitor, value::Error as NoValue};
use serde::forward_to_deserialize_any;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The fields of structs in the order in which they are declared, by the name of the type.
type Order = BTreeMap<&'static str, &'static [&'static str]>;

macro_rules! types {
    ($($name:ident)*) => {
        const TYPES: &[&str] = &[$(stringify!($name)),*];

        fn types(generator: &mut SchemaGenerator) -> Order {
            let mut order = Order::new();
            $(
                generator.subschema_for::<all::$name>();
                order.extend(fields_of::<all::$name>().map(|fields| (stringify!($name), fields)));
            )*
            order
        }
    };
}

/// The configs of the core and of the packages in `core/adapters`.
mod all {
    pub(crate) use guarita::{
        budget::*, detector::*, event::*, frame::*, journal::*, model::*, motion::*, onnx::*, pipeline::*, provider::*,
        resilience::*, source::*, tracking::*, zone::*, *,
    };
    pub(crate) use guarita_rekognition::RekognitionConfig;
    pub(crate) use guarita_webhook::WebhookConfig;
}

/// What a `SinkConfig` may be beside a kind of the core: the kinds of those packages.
#[derive(schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
#[expect(dead_code, reason = "read by schemars")]
enum SinksOfPackages {
    /// `WebhookSink`; its fields stand beside `kind`.
    Webhook(all::WebhookConfig),
}

/// With the kinds of those packages.
fn check_config(kind: &str, json: &str) -> guarita::Result<String> {
    let registry = Registry::new().with(guarita_rekognition::register)?.with(guarita_webhook::register)?;
    registry.check_config(kind, json)
}

// The `configs` of api.json, and the words that other languages have types for.
types! {
    BackgroundModelConfig BreakerWindow BudgetConfig CallbackProviderConfig CameraConfig Caps CircuitBreakerConfig Condition
    Confirmation DecodeLimits DecodeOptions Deliveries DetectorConfig Escalation ExecutionProviderChoice FailurePolicy Fsync HybridConfig HybridMode InputHints
    JournalOptions JsonLinesConfig KeyCaps LabelMap LocalProviderConfig LookConfig LowLight ModelHints MotionGateConfig OutletConfig
    PipelineConfig PriceTable PriceTier QueueConfig RateLimitConfig RekognitionConfig ResultCacheConfig RetryConfig RowHints
    RunFileConfig Schedule ScheduleWindow SinkConfig SourceConfig SsdHints TriggerConfig WebhookConfig Zone
    BreakerState IgnoreReason MotionState OpenReason
}

/// The names that a struct asks serde for; none for what is no struct.
fn fields_of<T: serde::de::DeserializeOwned>() -> Option<&'static [&'static str]> {
    struct Asked<'a>(&'a mut Option<&'static [&'static str]>);
    impl<'de> Deserializer<'de> for Asked<'_> {
        type Error = NoValue;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoValue> {
            Err(serde::de::Error::custom("no struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, NoValue> {
            *self.0 = Some(fields);
            Err(serde::de::Error::custom("its fields are enough"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields = None;
    let _ = T::deserialize(Asked(&mut fields));
    fields
}

fn schema() -> (Value, Order) {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let order = types(&mut generator);
    let of_packages = generator.subschema_for::<SinksOfPackages>().to_value();
    let mut types = generator.take_definitions(true);
    let sinks = types["SinkConfig"]["oneOf"].as_array_mut().unwrap();
    sinks.extend(of_packages["oneOf"].as_array().unwrap().iter().cloned());
    types.values_mut().for_each(tidy);
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "guarita",
        "description": "Every config of guarita, as `check_config` reads it. Fields that are left out have their defaults; \
            unknown ones are refused. Times (`_s`) are seconds, shares are 0..1, areas are polygons of points 0..1 of the \
            picture's width and height, money is in millionths of a dollar.",
        "$defs": types,
    });
    (whole, order)
}

/// Makes descriptions plain text, writes 32-bit defaults as they are meant, and states ranges.
fn tidy(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get("description") {
                let text = plain(text);
                add_range(fields, &text);
                fields.insert("description".into(), text.into());
            }
            if let Some(default) = fields.get_mut("default") {
                shorten(default);
            }
            fields.iter_mut().filter(|(key, _)| *key != "default").for_each(|(_, value)| tidy(value));
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Without examples, links and line breaks inside of paragraphs.
fn plain(docs: &str) -> String {
    let code = Regex::new(r"(?s)```.*?```").unwrap().replace_all(docs, "");
    let links = Regex::new(r"\[([^\]]*)\]\((?:[^()]|\(\))*\)|\[(`[^`\]]*`)\]").unwrap().replace_all(&code, "$1$2");
    let paths = Regex::new(r"`(?:crate::)?(\w+)::(\w+)`").unwrap().replace_all(&links, "`$1.$2`");
    let paragraphs = paths.split("\n\n").map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.filter(|one| !one.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// A 32-bit number became a 64-bit one, with digits that nobody wrote.
fn shorten(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let long = number.as_f64().unwrap();
            if f64::from(long as f32) == long {
                *value = json!((long as f32).to_string().parse::<f64>().unwrap());
            }
        }
        Value::Array(list) => list.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

/// The ends of a range as its description states them.
#[derive(Debug, Default, PartialEq)]
struct Range {
    minimum: Option<f64>,
    exclusive: bool,
    maximum: Option<f64>,
}

fn range(text: &str) -> Range {
    const NUMBER: &str = r"(-?\$?\d+(?:,\d{3})*(?:\.\d+)?)";
    let find = |pattern: &str| Regex::new(&pattern.replace('N', NUMBER)).unwrap().captures(text);
    let number = |text: &str| -> f64 {
        let micros = if text.starts_with('$') { 1e6 } else { 1.0 };
        text.trim_start_matches('$').replace(',', "").parse::<f64>().unwrap() * micros
    };
    let mut range = Range::default();
    if let Some(ends) = find(r"\b0, N\.\.N") {
        // Nothing, or one of these.
        (range.minimum, range.maximum) = (Some(0.0), Some(number(&ends[2])));
    } else if let Some(ends) = find(r"\bN\.\.N|^N\.\.N|(?:^|[ (])N\.\.N") {
        let ends: Vec<&str> = ends.iter().skip(1).flatten().map(|end| end.as_str()).collect();
        (range.minimum, range.maximum) = (Some(number(ends[0])), Some(number(ends[1])));
    } else if let Some(end) = find(r"`\.\.N") {
        range.maximum = Some(number(&end[1]));
    } else if let Some(end) = find(r"N\.\.`") {
        range.minimum = Some(number(&end[1]));
    } else if let Some(ends) = find(r"(?:more than|over) N,? up to N") {
        range = Range { minimum: Some(number(&ends[1])), exclusive: true, maximum: Some(number(&ends[2])) };
    } else if let Some(ends) = find(r"\bN up to N") {
        (range.minimum, range.maximum) = (Some(number(&ends[1])), Some(number(&ends[2])));
    } else if let Some(end) = find(r"\bN or more") {
        range.minimum = Some(number(&end[1]));
    } else if let Some(end) = find(r"at least N\b") {
        range.minimum = Some(number(&end[1]));
    } else if let Some(end) = find(r"[,;] up to N") {
        range.maximum = Some(number(&end[1]));
    }
    range
}

/// Of a number, or of the numbers in a list or a table.
fn add_range(fields: &mut Map<String, Value>, text: &str) {
    let range = range(text);
    let whole = |end: f64| if end.fract() == 0.0 && end.abs() < 9e15 { json!(end as i64) } else { json!(end) };
    let state = |fields: &mut Map<String, Value>| {
        if let Some(end) = range.minimum {
            fields.remove("minimum");
            fields.insert(if range.exclusive { "exclusiveMinimum" } else { "minimum" }.into(), whole(end));
        }
        if let Some(end) = range.maximum {
            fields.insert("maximum".into(), whole(end));
        }
    };
    if is_number(fields) || is_money(fields) {
        return state(fields);
    }
    // Of a variant that holds one number.
    if let Some(Value::Object(inner)) =
        fields.get_mut("properties").filter(|inner| inner.as_object().unwrap().len() == 1)
    {
        for number in inner.values_mut().filter_map(Value::as_object_mut).filter(|inner| is_number(inner)) {
            if !number.contains_key("description") {
                state(number);
            }
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(Value::Object(inner)) =
            fields.get_mut(inner).filter(|inner| inner.as_object().is_some_and(is_number))
        {
            state(inner);
        }
    }
}

fn is_number(fields: &Map<String, Value>) -> bool {
    let is = |word: &Value| word == "number" || word == "integer";
    fields.get("type").is_some_and(|kind| is(kind) || kind.as_array().is_some_and(|kinds| kinds.iter().any(is)))
}

fn is_money(fields: &Map<String, Value>) -> bool {
    fields.get("$ref").is_some_and(|name| name == "#/$defs/MicroDollars")
}

/// Writes what makes a field first, and the fields of each struct in their order.
struct Ordered<'a> {
    value: &'a Value,
    /// Of the object's keys, those that come first.
    first: &'a [&'a str],
    order: &'a Order,
    /// The struct that this describes.
    of: Option<&'a str>,
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = |value, first, of| Ordered { value, first, order: self.order, of };
        let fields = match self.value {
            Value::Object(fields) => fields,
            Value::Array(list) => return serializer.collect_seq(list.iter().map(|value| inner(value, &KEYS, None))),
            plain => return plain.serialize(serializer),
        };
        let place = |key: &str| self.first.iter().position(|first| *first == key).unwrap_or(usize::MAX);
        let mut keys: Vec<&String> = fields.keys().collect();
        keys.sort_by_key(|key| (place(key), *key));
        let mut map = serializer.serialize_map(Some(keys.len()))?;
        for key in keys {
            let value = &fields[key];
            let of_struct = self.of.and_then(|name| self.order.get(name)).copied().unwrap_or_default();
            match &**key {
                "properties" => map.serialize_entry(key, &inner(value, of_struct, None))?,
                "$defs" => map.serialize_entry(key, &Definitions { types: value, order: self.order })?,
                "default" => map.serialize_entry(key, value)?,
                _ => map.serialize_entry(key, &inner(value, &KEYS, None))?,
            }
        }
        map.end()
    }
}

const KEYS: [&str; 5] = ["$schema", "title", "description", "type", "$ref"];

struct Definitions<'a> {
    types: &'a Value,
    order: &'a Order,
}

impl Serialize for Definitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let types = self.types.as_object().unwrap().iter();
        serializer.collect_map(
            types.map(|(name, value)| (name, Ordered { value, first: &KEYS, order: self.order, of: Some(name) })),
        )
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/schema.json")
}

#[test]
fn schema_json_is_what_the_configs_say() {
    let (value, order) = schema();
    let ordered = Ordered { value: &value, first: &KEYS, order: &order, of: None };
    let text = serde_json::to_string_pretty(&ordered).unwrap() + "\n";
    if std::env::var_os("GUARITA_WRITE").is_some() {
        std::fs::write(file(), &text).unwrap();
    }
    let there = std::fs::read_to_string(file()).unwrap_or_default();
    let (mut new, mut old) = (text.lines(), there.lines());
    for line in 1.. {
        match (new.next(), old.next()) {
            (None, None) => break,
            (new, old) => assert_eq!(
                old, new,
                "line {line} of schema.json (left) is not what the configs say (right): \
                 GUARITA_WRITE=1 cargo test --workspace --all-features --test schema, then python3 bindings-python/make_types.py",
            ),
        }
    }
}

/// A config that is not here would be missing in every language.
#[test]
fn every_config_is_there() {
    let api: Value =
        serde_json::from_str(&std::fs::read_to_string(file().with_file_name("api.json")).unwrap()).unwrap();
    let (schema, _) = schema();
    let defined: BTreeSet<&str> = schema["$defs"].as_object().unwrap().keys().map(String::as_str).collect();
    let listed: BTreeSet<&str> = TYPES.iter().copied().collect();
    let configs = api["configs"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let missing: Vec<&str> = configs.filter(|name| !listed.contains(name) || !defined.contains(name)).collect();
    assert!(missing.is_empty(), "types! lacks {missing:?}");
    for (name, node) in schema["$defs"].as_object().unwrap() {
        assert!(node["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no description");
        let Some(fields) = node["properties"].as_object() else { continue };
        assert_eq!(node["additionalProperties"], false, "{name} takes unknown fields");
        for (field, node) in fields {
            assert!(node["description"].is_string(), "{name}.{field} has no description");
        }
    }
}

// --- ranges --------------------------------------------------------------------------------------------------------

fn is_kind(name: &str) -> bool {
    check_config(name, "{}").err().is_none_or(|error| error.code() != guarita::ErrorCode::InvalidArgument)
}

/// Kinds of `check_config` whose defaults are no config, with the least that is one.
fn least(kind: &str) -> Value {
    let trigger = json!({ "name": "rule", "when": { "present": {} } });
    match kind {
        "CameraConfig" => json!({ "id": "gate" }),
        "RunFileConfig" => json!({ "camera": { "id": "gate" } }),
        "Schedule" => json!({ "windows": [{}] }),
        "SinkConfig" => json!({ "kind": "json-lines", "path": "events.jsonl" }),
        "TriggerConfig" => trigger,
        "WebhookConfig" => json!({ "url": "https://example.com/" }),
        "Zone" => json!({ "name": "door", "area": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]] }),
        _ => json!({}),
    }
}

/// What else must be set so that a field can have the ends of its range: a pointer, and a value there.
const TOGETHER: &[(&str, &str, &str)] = &[
    // Only the last tier has no end.
    ("BudgetConfig/prices/door/0/up_to", "prices", r#"{"door": [{"up_to": 1, "price": 1}, {"price": 1}]}"#),
    ("PriceTable/door/0/up_to", "door", r#"[{"up_to": 1, "price": 1}, {"price": 1}]"#),
    // A cap is that of an API with a price.
    ("BudgetConfig/api/named/door/per_day", "prices", r#"{"door": [{"price": 1}]}"#),
    ("BudgetConfig/api/named/door/per_minute", "prices", r#"{"door": [{"price": 1}]}"#),
    ("BudgetConfig/api/named/door/per_month", "prices", r#"{"door": [{"price": 1}]}"#),
    // What stays on the machine costs nothing.
    ("CallbackProviderConfig/price", "leaves_machine", "true"),
    // What is seen once in 1000 s is another object each time, unless a gap may be so long.
    ("CameraConfig/fps", "confirmation", r#"{"max_gap_s": 86400}"#),
    ("CircuitBreakerConfig/minimum_calls", "window", r#"{"calls": 100000}"#),
    ("CircuitBreakerConfig/window/calls", "minimum_calls", "1"),
    ("SinkConfig/timeout_s", "url", r#""https://example.com/""#),
];

/// Goes to every number that a config can have; `whole` is a config that has a value at `at`.
struct Walk<'a> {
    types: &'a Map<String, Value>,
    kind: &'a str,
    faults: Vec<String>,
    numbers: usize,
}

impl Walk<'_> {
    fn resolve<'n>(&'n self, node: &'n Value) -> &'n Value {
        match node["$ref"].as_str() {
            Some(name) => &self.types[name.strip_prefix("#/$defs/").unwrap()],
            None => node,
        }
    }

    /// The least value that a schema allows.
    fn sample(&self, node: &Value) -> Value {
        if node["$ref"] == "#/$defs/Polygon" {
            return least("Zone")["area"].clone();
        }
        let name = node["$ref"].as_str().map(|name| name.trim_start_matches("#/$defs/"));
        if let Some(value) = name.map(least).filter(|value| *value != json!({})) {
            return value;
        }
        let node = self.resolve(node);
        if let Some(one) = ["oneOf", "anyOf"].into_iter().find_map(|key| node[key].get(0)) {
            return self.sample(one);
        }
        if !node["const"].is_null() || node["enum"].is_array() {
            return [&node["const"], &node["enum"][0]].into_iter().find(|value| !value.is_null()).unwrap().clone();
        }
        match node["type"].as_str().or(node["type"][0].as_str()).unwrap_or_default() {
            "object" => {
                let required = node["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
                required.map(|name| (name.to_owned(), self.sample(&node["properties"][name]))).collect()
            }
            "array" => vec![self.sample(&node["items"]); node["minItems"].as_u64().unwrap_or(0) as usize].into(),
            "string" => json!("door"),
            "boolean" => json!(false),
            "integer" => json!(1),
            _ => json!(0.5),
        }
    }

    fn walk(&mut self, node: &Value, whole: &Value, at: &str, within: &[&str]) {
        // Its corners may lie a millionth outside, and make no sense one by one.
        if node["$ref"] == "#/$defs/Polygon" {
            return;
        }
        // A condition holds conditions; once is enough. Another kind of config is looked at by itself.
        let name = node["$ref"].as_str().unwrap_or_default().to_owned();
        let kind = name.trim_start_matches("#/$defs/");
        if !name.is_empty() && (within.contains(&&*name) || !within.is_empty() && is_kind(kind)) {
            return;
        }
        let within = [within, &[&*name]].concat();
        let site = node.clone();
        let node = self.resolve(node).clone();
        if node.as_object().is_some_and(is_number) {
            // A range may stand where the type is named, or in the type.
            let mut both = node.as_object().unwrap().clone();
            both.extend(site.as_object().unwrap().clone());
            return self.number(&both, whole, at);
        }
        for alternative in
            ["oneOf", "anyOf"].into_iter().flat_map(|key| node[key].as_array().cloned().unwrap_or_default())
        {
            let mut whole = whole.clone();
            *whole.pointer_mut(at).unwrap() = self.sample(&alternative);
            self.walk(&alternative, &whole, at, &within);
        }
        for (field, inner) in node["properties"].as_object().into_iter().flatten() {
            let mut whole = whole.clone();
            let object = whole.pointer_mut(at).and_then(Value::as_object_mut);
            let Some(object) = object else { continue };
            if object.get(field).is_none_or(Value::is_null) {
                object.insert(field.clone(), self.sample(inner));
            }
            self.walk(inner, &whole, &format!("{at}/{field}"), &within);
        }
        for (key, inner) in [("items", "0"), ("additionalProperties", "door")] {
            if !node[key].is_object() {
                continue;
            }
            let mut whole = whole.clone();
            match whole.pointer_mut(at) {
                Some(Value::Array(list)) if list.is_empty() => list.push(self.sample(&node[key])),
                Some(Value::Object(table)) => drop(table.insert(inner.into(), self.sample(&node[key]))),
                _ => {}
            }
            if whole.pointer(&format!("{at}/{inner}")).is_some() {
                self.walk(&node[key], &whole, &format!("{at}/{inner}"), &within);
            }
        }
    }

    fn takes(&self, whole: &Value, at: &str, value: &Value) -> Result<(), String> {
        let mut whole = whole.clone();
        for (_, pointer, text) in TOGETHER.iter().filter(|(field, _, _)| *field == format!("{}{at}", self.kind)) {
            whole[*pointer] = serde_json::from_str(text).unwrap();
        }
        *whole.pointer_mut(at).unwrap() = value.clone();
        check_config(self.kind, &whole.to_string()).map(drop).map_err(|error| error.to_string())
    }

    fn number(&mut self, node: &Map<String, Value>, whole: &Value, at: &str) {
        self.numbers += 1;
        let integer = !node["type"].to_string().contains("number");
        let text = node.get("description").and_then(Value::as_str).unwrap_or_default();
        let end = |key: &str| node.get(key).and_then(Value::as_f64);
        let value = |number: f64| if integer { json!(number as i128) } else { json!(number) };
        let near = |end: f64| if integer { 1.0 } else { (end.abs() * 1e-5).max(1e-6) };
        let largest = match node.get("format").and_then(Value::as_str).unwrap_or_default() {
            "uint64" | "uint" => json!(u64::MAX),
            "int64" => json!(i64::MAX),
            "uint32" => json!(u32::MAX),
            "int32" => json!(i32::MAX),
            "uint8" => json!(u8::MAX),
            "uint16" => json!(u16::MAX),
            _ => json!(1e30),
        };
        let mut yes = Vec::new();
        let mut no = Vec::new();
        match (end("exclusiveMinimum"), end("minimum")) {
            (Some(end), _) => {
                no.push(value(end));
                yes.push(value(end + near(end)));
            }
            (None, Some(end)) => {
                yes.push(value(end));
                no.push(value(end - near(end)));
            }
            // As far as another field goes.
            (None, None) if text.contains("`..") => {}
            (None, None) => yes.push(if integer { json!(-1) } else { json!(-1e30) }),
        }
        match end("maximum") {
            Some(end) => {
                yes.push(value(end));
                no.push(value(end + near(end)));
            }
            None if text.contains("..`") => {}
            None => yes.push(largest),
        }
        let field = format!("{}{at}", self.kind);
        for value in yes {
            if let Err(error) = self.takes(whole, at, &value) {
                self.faults.push(format!("{field}: {value} is in the range of schema.json, and refused: {error}"));
            }
        }
        for value in no {
            if self.takes(whole, at, &value).is_ok() {
                self.faults.push(format!("{field}: {value} is out of the range of schema.json, and taken"));
            }
        }
    }
}

#[test]
fn ranges_are_those_that_are_checked() {
    let (schema, _) = schema();
    let types = schema["$defs"].as_object().unwrap();
    let mut faults = Vec::new();
    let mut numbers = 0;
    for kind in TYPES.iter().filter(|kind| is_kind(kind)) {
        let whole = least(kind);
        if let Err(error) = check_config(kind, &whole.to_string()) {
            faults.push(format!("{kind}: {whole} is no config: {error}"));
            continue;
        }
        let mut walk = Walk { types, kind, faults: Vec::new(), numbers: 0 };
        walk.walk(&json!({ "$ref": format!("#/$defs/{kind}") }), &whole, "", &[]);
        faults.extend(walk.faults);
        numbers += walk.numbers;
    }
    println!("{numbers} numbers of configs have the range that their description states");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(numbers > 150, "only {numbers} numbers are found");
}

#[test]
fn a_range_is_read_as_it_is_written() {
    let ends = |minimum: f64, maximum: f64| Range { minimum: Some(minimum), exclusive: false, maximum: Some(maximum) };
    for (text, expected) in [
        ("The share, 0..1; default 0.25.", ends(0.0, 1.0)),
        ("Pixels; 1..4,294,836,225, default 33,554,432 (a little).", ends(1.0, 4_294_836_225.0)),
        ("Minutes, -1440..1440; default 0.", ends(-1440.0, 1440.0)),
        ("The width; 0, 32..16384, default 320.", ends(0.0, 16384.0)),
        ("0.001..86400.", ends(0.001, 86400.0)),
        ("More than `from`; `from`..1, default 0.6.", Range { maximum: Some(1.0), ..Range::default() }),
        ("1..`n`; default 1.", Range { minimum: Some(1.0), ..Range::default() }),
        ("Longer; more than 0, up to 3600, default 5.", Range { exclusive: true, ..ends(0.0, 3600.0) }),
        ("So many; over 0 up to 1000, default every frame.", Range { exclusive: true, ..ends(0.0, 1000.0) }),
        ("1 up to 100000, or to the calls of the window.", ends(1.0, 100_000.0)),
        ("Frames; 1 or more, default 500.", Range { minimum: Some(1.0), ..Range::default() }),
        ("Threads; up to 256. Default 0.", Range { maximum: Some(256.0), ..Range::default() }),
        ("The price, up to $1000; default none.", Range { maximum: Some(1e9), ..Range::default() }),
        ("The level; default 40.", Range::default()),
    ] {
        assert_eq!(range(text), expected, "{text}");
    }
}

//! Where in a TOML file something stands: errors name the file, the line, and the field.

use guarita::{Error, ErrorCode};
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

pub(crate) type Span = Range<usize>;

/// A TOML file that was read.
pub(crate) struct Document {
    name: String,
    text: String,
}

impl Document {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorCode::InvalidConfig, format!("cannot read {name}: {error}")).with_source(error)
        })?;
        Ok(Self { name, text })
    }

    pub(crate) fn parse(&self) -> Result<DeTable<'_>, Error> {
        let parsed = DeTable::parse(&self.text).map(Spanned::into_inner);
        parsed.map_err(|error| self.wrong(&error.span().unwrap_or(0..0), error.message()))
    }

    /// `cameras.toml:12`.
    pub(crate) fn place(&self, at: &Span) -> String {
        let before = self.text.as_bytes().iter().take(at.start);
        format!("{}:{}", self.name, 1 + before.filter(|&&byte| byte == b'\n').count())
    }

    /// An error about what stands there.
    pub(crate) fn wrong(&self, at: &Span, what: impl std::fmt::Display) -> Error {
        Error::new(ErrorCode::InvalidConfig, format!("{}: {what}", self.place(at)))
    }
}

/// One table of a document: a camera, a sink.
pub(crate) struct Section<'d> {
    document: &'d Document,
    /// What it is, for people: `camera "gate-7"`.
    pub(crate) about: String,
    span: Span,
    table: DeTable<'d>,
    /// Fields that were taken out before the rest is read: they are no unknown ones.
    taken: Vec<&'static str>,
}

impl<'d> Section<'d> {
    pub(crate) fn new(document: &'d Document, about: &str, value: Spanned<DeValue<'d>>) -> Result<Self, Error> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Ok(Self { document, about: about.to_owned(), span, table, taken: Vec::new() }),
            other => Err(document.wrong(&span, format!("{about} is a {}; it must be a table", other.type_str()))),
        }
    }

    /// The sections of an array of tables.
    pub(crate) fn list(document: &'d Document, about: &str, value: Spanned<DeValue<'d>>) -> Result<Vec<Self>, Error> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(list) => list.into_iter().map(|value| Self::new(document, about, value)).collect(),
            other => Err(document.wrong(
                &span,
                format!("{about} is a {}; it must be a list of tables: write [[{about}]]", other.type_str()),
            )),
        }
    }

    /// The words of a field, for messages.
    pub(crate) fn peek(&self, field: &str) -> Option<&str> {
        self.table.get(field)?.get_ref().as_str()
    }

    /// Where a field stands, or the section where it has no such field.
    pub(crate) fn at(&self, field: &str) -> Span {
        find(&self.table, field).unwrap_or(self.span.clone())
    }

    pub(crate) fn place(&self) -> String {
        self.document.place(&self.span)
    }

    /// An error about this field.
    pub(crate) fn wrong(&self, field: &str, what: impl std::fmt::Display) -> Error {
        self.document.wrong(&self.at(field), format!("{}: {what}", self.about))
    }

    /// An error about what stands there.
    pub(crate) fn wrong_at(&self, at: &Span, what: impl std::fmt::Display) -> Error {
        self.document.wrong(at, format!("{}: {what}", self.about))
    }

    /// Takes out a field; none where it is not there.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, field: &'static str) -> Result<Option<T>, Error> {
        self.taken.push(field);
        let Some(value) = self.table.remove(field) else { return Ok(None) };
        let span = value.span();
        T::deserialize(toml::de::ValueDeserializer::from(value))
            .map(Some)
            .map_err(|error| self.unread(&error, Some((field, &span))))
    }

    /// Reads all fields that are left.
    pub(crate) fn rest<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let table = Spanned::new(self.span.clone(), self.table.clone());
        T::deserialize(toml::de::Deserializer::from(table)).map_err(|error| self.unread(&error, None))
    }

    /// What a check of the values found, with the line of the field that it begins with: the library names fields, and
    /// knows nothing of files.
    pub(crate) fn invalid(&self, error: &Error) -> Error {
        let text = error.to_string();
        let unknown = text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        let at = unknown.and_then(|field| find(&self.table, field)).or_else(|| find_named(&self.table, &text));
        self.document.wrong(&at.unwrap_or(self.span.clone()), format!("{}: {text}", self.about))
    }

    fn unread(&self, error: &toml::de::Error, inside: Option<(&str, &Span)>) -> Error {
        let (text, message) = (error.to_string(), error.message());
        // Of a table without its text, the message ends with the way to the field.
        let way = text.lines().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`')).unwrap_or_default();
        let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        let mut field: Vec<&str> = inside.iter().map(|(field, _)| *field).collect();
        field.extend([way, unknown.unwrap_or_default()].into_iter().filter(|part| !part.is_empty()));
        let whole = inside.map_or(&self.span, |(_, span)| span);
        // Some ways of reading lose the place: an enum by its tag is read twice.
        let at = error.span().filter(|span| *span != *whole).or_else(|| find(&self.table, unknown?));
        let mut message = message.to_owned();
        if field.len() == 1 && unknown.is_some() && !self.taken.is_empty() {
            let taken: Vec<_> = self.taken.iter().map(|field| format!("`{field}`")).collect();
            message = message.replace("expected one of ", &format!("expected one of {}, ", taken.join(", ")));
        }
        let field = if field.is_empty() { String::new() } else { format!(", field {}", field.join(".")) };
        self.document.wrong(&at.unwrap_or(whole.clone()), format!("{}{field}: {message}", self.about))
    }
}

/// Where the key of this name stands, however deep.
fn find(table: &DeTable<'_>, name: &str) -> Option<Span> {
    let here = table.iter().find(|(key, _)| key.get_ref() == name);
    here.map(|(key, _)| key.span()).or_else(|| table.iter().find_map(|(_, value)| find_in(value.get_ref(), name)))
}

fn find_in(value: &DeValue<'_>, name: &str) -> Option<Span> {
    match value {
        DeValue::Table(table) => find(table, name),
        DeValue::Array(list) => list.iter().find_map(|value| find_in(value.get_ref(), name)),
        _ => None,
    }
}

/// Where the field stands that a message of the library begins with: `fps is …`, `look.low_light.luma is …`,
/// `trigger "door": when.present.zone is …`, `triggers: there are two of the name "door"`.
fn find_named(table: &DeTable<'_>, message: &str) -> Option<Span> {
    if let Some((name, rest)) = message.strip_prefix("trigger ").and_then(quoted) {
        let (trigger, span) = named(table.get("triggers")?.get_ref().as_array()?, name)?;
        return find_named(trigger, rest.trim_start_matches([':', ' '])).or(Some(span));
    }
    let (way, rest) = message.split_at(message.find([' ', ':']).unwrap_or(message.len()));
    if let (Some(list), Some((name, _))) =
        (table.get(way), rest.split_once("of the name ").and_then(|(_, name)| quoted(name)))
    {
        return named(list.get_ref().as_array()?, name).map(|(_, span)| span);
    }
    let steps: Vec<&str> = way.split(['.', '[', ']']).filter(|step| !step.is_empty()).collect();
    follow(table, &steps).or_else(|| find(table, steps.last()?))
}

/// Words in quotation marks at the beginning, and what follows them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('"')?.split_once('"')
}

/// The last table of this name in a list: where there are two, the second one is too many.
fn named<'t, 'd>(list: &'t DeArray<'d>, name: &str) -> Option<(&'t DeTable<'d>, Span)> {
    let tables = list.iter().rev().filter_map(|value| value.get_ref().as_table());
    tables.into_iter().find_map(|table| {
        let (key, value) = table.get_key_value("name")?;
        (value.get_ref().as_str() == Some(name)).then(|| (table, key.span()))
    })
}

/// Where a way of keys and numbers leads.
fn follow(table: &DeTable<'_>, way: &[&str]) -> Option<Span> {
    let (first, mut rest) = way.split_first()?;
    let (key, value) = table.get_key_value(*first)?;
    let mut value = value.get_ref();
    while let (DeValue::Array(list), Some((step, more))) = (value, rest.split_first()) {
        value = list.get(step.parse::<usize>().ok()?)?.get_ref();
        rest = more;
    }
    match value {
        DeValue::Table(inner) if !rest.is_empty() => follow(inner, rest).or(Some(key.span())),
        _ => Some(key.span()),
    }
}

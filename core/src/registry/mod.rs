//! Kinds of sinks and of providers by name: the registry checks their configs and opens them.
//!
//! The core knows its own kinds. One that another package brings is registered by the host, at one place and once:
//!
//! ```
//! use guarita::registry::{Registry, SinkConfig};
//! // with the package of a service: Registry::new().with(guarita_SERVICE::register)?
//! let registry = Registry::new();
//! let config: SinkConfig = serde_json::from_str(r#"{"kind": "json-lines", "path": "events.jsonl"}"#).unwrap();
//! let checked = registry.check_sink(&config)?;
//! assert_eq!(checked.fields["options"]["keep"], 8);
//! # Ok::<(), guarita::Error>(())
//! ```

mod built_in;
mod config;
mod configs;
mod kind;

pub use built_in::JsonLinesFile;
pub use config::{ProviderConfig, SinkConfig};
pub use configs::{check_config, read_config};
pub use kind::{ProviderKind, ProviderParts, SinkKind};

use crate::check::wrong;
use crate::error::{Error, Result};
use crate::event::Sink;
use crate::provider::Provider;
use config::Fields;
use configs::checked;
use kind::{check_fields, read};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kinds of sinks and of providers that this program can open from a config.
#[derive(Clone, Debug)]
pub struct Registry {
    sinks: BTreeMap<&'static str, SinkEntry>,
    providers: BTreeMap<&'static str, ProviderEntry>,
    certificates: Option<fn() -> Result<usize>>,
}

/// Operations on the fields of a kind of sink.
#[derive(Clone, Copy, Debug)]
struct SinkEntry {
    /// The name of the config's type, where it is known by that.
    config: Option<&'static str>,
    check: fn(&Fields) -> Result<Fields>,
    check_text: fn(&str) -> Result<String>,
    open: fn(&Fields) -> Result<Box<dyn Sink>>,
}

/// The same for a provider.
#[derive(Clone, Copy, Debug)]
struct ProviderEntry {
    /// The name of the config's type.
    config: &'static str,
    check: fn(&Fields) -> Result<Fields>,
    check_text: fn(&str) -> Result<String>,
    open: fn(&Fields, ProviderParts) -> Result<Arc<dyn Provider>>,
}

impl Default for Registry {
    /// [`Registry::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// The kind of the core: the sink `json-lines`.
    pub fn new() -> Self {
        let mut registry = Self { sinks: BTreeMap::new(), providers: BTreeMap::new(), certificates: None };
        let added = built_in::register(&mut registry);
        debug_assert!(added.is_ok(), "two kinds of the core have one name: {added:?}");
        registry
    }

    /// Registers what a package brings, by the function that it exports for this.
    ///
    /// # Errors
    /// As [`add_sink`](Self::add_sink) and [`add_provider`](Self::add_provider).
    pub fn with(mut self, register: impl FnOnce(&mut Self) -> Result<()>) -> Result<Self> {
        register(&mut self)?;
        Ok(self)
    }

    /// Says how the certificates are counted that TLS trusts, for the [`doctor`](Self::doctor). Packages that call somebody
    /// do so through `guarita_http::register`.
    pub fn set_certificates(&mut self, count: fn() -> Result<usize>) {
        self.certificates = Some(count);
    }

    /// How many certificates are trusted; none where nobody asks for them.
    pub(crate) fn certificates(&self) -> Option<Result<usize>> {
        self.certificates.map(|count| count())
    }

    /// Adds a kind of sink. [`check_config`](Self::check_config) then knows its config too, where the kind names its type.
    ///
    /// # Errors
    /// `InvalidArgument` where there is one of that name.
    pub fn add_sink<K: SinkKind>(&mut self) -> Result<()> {
        let open = |fields: &Fields| {
            let config: K = read(fields)?;
            config.validate()?;
            config.open()
        };
        let entry = SinkEntry {
            config: K::CONFIG,
            check: |fields| check_fields(fields, K::validate),
            check_text: |json| checked(json, K::validate),
            open,
        };
        add(&mut self.sinks, "sink", K::KIND, entry)
    }

    /// Adds a kind of provider. [`check_config`](Self::check_config) then knows its config too, by the name of its type.
    ///
    /// # Errors
    /// `InvalidArgument` where there is one of that name.
    pub fn add_provider<K: ProviderKind>(&mut self) -> Result<()> {
        let open = |fields: &Fields, parts: ProviderParts| {
            let config: K = read(fields)?;
            config.validate()?;
            config.open(parts)
        };
        let entry = ProviderEntry {
            config: K::CONFIG,
            check: |fields| check_fields(fields, K::validate),
            check_text: |json| checked(json, K::validate),
            open,
        };
        add(&mut self.providers, "provider", K::KIND, entry)
    }

    /// Checks every field of a sink's config, and gives it back with all defaults filled in.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, also where `kind` is none that is registered.
    pub fn check_sink(&self, config: &SinkConfig) -> Result<SinkConfig> {
        let entry = find(&self.sinks, "sink", &config.kind)?;
        Ok(SinkConfig { kind: config.kind.clone(), fields: (entry.check)(&config.fields)? })
    }

    /// Opens a sink.
    ///
    /// # Errors
    /// As [`check_sink`](Self::check_sink), and as the sink's own `open`.
    pub fn open_sink(&self, config: &SinkConfig) -> Result<Box<dyn Sink>> {
        (find(&self.sinks, "sink", &config.kind)?.open)(&config.fields)
    }

    /// Checks every field of a provider's config, and gives it back with all defaults filled in.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, also where `kind` is none that is registered.
    pub fn check_provider(&self, config: &ProviderConfig) -> Result<ProviderConfig> {
        let entry = find(&self.providers, "provider", &config.kind)?;
        Ok(ProviderConfig { kind: config.kind.clone(), fields: (entry.check)(&config.fields)? })
    }

    /// Opens a provider with the parts that a config cannot hold.
    ///
    /// # Errors
    /// As [`check_provider`](Self::check_provider), and as the provider's own `open`.
    pub fn open_provider(&self, config: &ProviderConfig, parts: ProviderParts) -> Result<Arc<dyn Provider>> {
        (find(&self.providers, "provider", &config.kind)?.open)(&config.fields, parts)
    }

    /// The kinds that other packages brought, in the order of their names.
    pub(crate) fn added(&self) -> Vec<&'static str> {
        let own = Self::new().sinks;
        let sinks = self.sinks.keys().filter(|kind| !own.contains_key(*kind));
        let kinds: std::collections::BTreeSet<_> = sinks.chain(self.providers.keys()).copied().collect();
        kinds.into_iter().collect()
    }

    /// Checks the config of a sink or a provider by the name of its type; none where no kind has such a one.
    fn check_by_type(&self, config: &str, json: &str) -> Option<Result<String>> {
        let sinks = self.sinks.values().filter_map(|entry| Some((entry.config?, entry.check_text)));
        let providers = self.providers.values().map(|entry| (entry.config, entry.check_text));
        let (_, check) = sinks.chain(providers).find(|(name, _)| *name == config)?;
        Some(check(json))
    }
}

fn add<E>(entries: &mut BTreeMap<&'static str, E>, what: &str, kind: &'static str, entry: E) -> Result<()> {
    if entries.contains_key(kind) {
        return Err(Error::invalid_argument(format!("there is a kind of {what} called {kind:?} already")));
    }
    entries.insert(kind, entry);
    Ok(())
}

fn find<'a, E>(entries: &'a BTreeMap<&'static str, E>, what: &str, kind: &str) -> Result<&'a E> {
    entries.get(kind).ok_or_else(|| unknown(what, kind, entries.keys().copied()))
}

/// The error for an unknown kind: which kinds there are, and how to register another one.
fn unknown<'a>(what: &str, kind: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let known: Vec<_> = known.collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let shown: String = kind.chars().take(64).collect();
    let could_be_one =
        (1..=64).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_lowercase() || b"-0123456789".contains(&b));
    let add = if could_be_one {
        format!("; add the package that brings it (guarita-{kind}, if there is one), and register it")
    } else {
        String::new()
    };
    wrong("kind", format!("is {shown:?}; the kinds of {what} that are registered: {known}{add}"))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

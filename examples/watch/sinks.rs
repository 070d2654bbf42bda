//! Sinks as the TOML file wants them.

use crate::config::SinkSetup;
use guarita::event::{Delivery, DeliveryError};
use guarita::registry::{JsonLinesFile, Registry, SinkKind};
use guarita::{Error, ErrorCode, Event, Sink};
use std::path::Path;
use std::sync::Arc;

/// The kinds of sinks that the TOML file may ask for: those of the core, and webhooks where they are built in.
pub(crate) fn registry() -> Result<Registry, Error> {
    #[cfg(feature = "cloud")]
    return Registry::new().with(guarita_webhook::register);
    #[cfg(not(feature = "cloud"))]
    Ok(Registry::new())
}

/// Opens a sink; relative paths begin in the folder.
pub(crate) fn open(setup: &SinkSetup, folder: &Path) -> Result<Box<dyn Sink>, Error> {
    let config = &setup.sink;
    let sink = if config.kind == JsonLinesFile::KIND {
        let mut file: JsonLinesFile = serde_json::from_value(config.fields.clone().into())
            .map_err(|error| Error::new(ErrorCode::InvalidConfig, error.to_string()).with_source(error))?;
        file.path = folder.join(file.path);
        file.open()?
    } else {
        registry()?.open_sink(config)?
    };
    Ok(if setup.pictures { sink } else { Box::new(WithoutPictures(sink)) })
}

/// Leaves out the pictures: a line of text of 400 bytes would be one of 100,000.
struct WithoutPictures(Box<dyn Sink>);

impl Sink for WithoutPictures {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        let without = |delivery: &Delivery| match delivery {
            Delivery::Event(event) if event.picture.is_some() => {
                let mut event = Event::clone(event);
                event.picture = None;
                Delivery::Event(Arc::new(event))
            }
            other => other.clone(),
        };
        self.0.deliver(&batch.iter().map(without).collect::<Vec<_>>())
    }

    fn max_batch(&self) -> usize {
        self.0.max_batch()
    }
}

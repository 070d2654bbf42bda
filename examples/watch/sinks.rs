//! Sinks as the TOML file wants them.

use crate::config::SinkSetup;
use guarita::registry::{JsonLinesFile, Registry, SinkKind};
use guarita::{Error, ErrorCode, Event, Result, Sink};
use std::path::Path;

/// Opens a sink; relative paths begin in the folder.
pub(crate) fn open(setup: &SinkSetup, folder: &Path) -> Result<Box<dyn Sink>, Error> {
    let config = &setup.sink;
    let sink = if config.kind == JsonLinesFile::KIND {
        let mut file: JsonLinesFile = serde_json::from_value(config.fields.clone().into())
            .map_err(|error| Error::new(ErrorCode::InvalidConfig, error.to_string()).with_source(error))?;
        file.path = folder.join(file.path);
        file.open()?
    } else {
        Registry::new().open_sink(config)?
    };
    Ok(if setup.pictures { sink } else { Box::new(WithoutPictures(sink)) })
}

/// Leaves out the pictures: a line of text of 400 bytes would be one of 100,000.
struct WithoutPictures(Box<dyn Sink>);

impl Sink for WithoutPictures {
    fn deliver(&mut self, event: &Event) -> Result<()> {
        if event.picture.is_none() {
            return self.0.deliver(event);
        }
        let mut event = event.clone();
        event.picture = None;
        self.0.deliver(&event)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

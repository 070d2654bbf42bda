//! A TOML file of cameras: `[pipeline]`, `[[sink]]` and `[[camera]]`.

use crate::place::{Document, Section};
use crate::sinks::registry;
use guarita::event::OutletConfig;
use guarita::{CameraConfig, Error, PipelineConfig, SinkConfig};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the files say.
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) pipeline: Option<PipelineConfig>,
    pub(crate) sinks: Vec<SinkSetup>,
    pub(crate) cameras: Vec<CameraSetup>,
}

pub(crate) struct SinkSetup {
    pub(crate) name: String,
    pub(crate) sink: SinkConfig,
    /// Whether it gets the events' pictures.
    pub(crate) pictures: bool,
    pub(crate) queue: OutletConfig,
    /// File and line.
    pub(crate) place: String,
}

pub(crate) struct CameraSetup {
    /// The clip.
    pub(crate) file: PathBuf,
    pub(crate) camera: CameraConfig,
    /// File and line.
    pub(crate) place: String,
}

impl Config {
    /// Reads all of the files. Clips are looked for beside the TOML file, then in the folders.
    pub(crate) fn read(files: &[PathBuf], folders: &[PathBuf]) -> Result<Self, Error> {
        let mut config = Self::default();
        let mut places = BTreeMap::new();
        for file in files {
            config.add(file, folders, &mut places)?;
        }
        Ok(config)
    }

    fn add(&mut self, file: &Path, folders: &[PathBuf], places: &mut BTreeMap<String, String>) -> Result<(), Error> {
        let document = Document::read(file)?;
        for (key, value) in document.parse()? {
            match key.get_ref().as_ref() {
                "pipeline" => {
                    let section = Section::new(&document, "pipeline", value)?;
                    let pipeline: PipelineConfig = section.rest()?;
                    pipeline.validate().map_err(|error| section.invalid(&error))?;
                    if self.pipeline.replace(pipeline).is_some() {
                        return Err(document.wrong(&key.span(), "there is a [pipeline] in another file already"));
                    }
                }
                "sink" => {
                    for section in Section::list(&document, "sink", value)? {
                        let sink = sink(section, places)?;
                        self.sinks.push(sink);
                    }
                }
                "camera" => {
                    for section in Section::list(&document, "camera", value)? {
                        let camera = camera(section, file, folders, places)?;
                        self.cameras.push(camera);
                    }
                }
                other => {
                    return Err(document.wrong(
                        &key.span(),
                        format!("unknown field `{other}`, expected one of `pipeline`, `sink`, `camera`"),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn sink(mut section: Section<'_>, places: &mut BTreeMap<String, String>) -> Result<SinkSetup, Error> {
    if let Some(name) = section.peek("name") {
        section.about = format!("sink {name:?}");
    }
    let at = section.at("name");
    let Some(name) = section.take::<String>("name")? else {
        return Err(section.wrong("name", "it has no `name`, which statistics and logs call it by"));
    };
    unique(&section, "name", &at, format!("the sink {name:?}"), places)?;
    let pictures = section.take("pictures")?.unwrap_or(true);
    let at = section.at("queue");
    let queue: OutletConfig = section.take("queue")?.unwrap_or_default();
    queue.validate().map_err(|error| section.wrong_at(&at, format!("queue.{error}")))?;
    let sink: SinkConfig = section.rest()?;
    let sink = registry().and_then(|registry| registry.check_sink(&sink)).map_err(|error| section.invalid(&error))?;
    Ok(SinkSetup { name, sink, pictures, queue, place: section.place() })
}

fn camera(
    mut section: Section<'_>,
    toml: &Path,
    folders: &[PathBuf],
    places: &mut BTreeMap<String, String>,
) -> Result<CameraSetup, Error> {
    if let Some(id) = section.peek("id") {
        section.about = format!("camera {id:?}");
    }
    let at = section.at("file");
    let Some(file) = section.take::<PathBuf>("file")? else {
        return Err(section.wrong("file", "it has no `file`, the clip that it shows"));
    };
    let camera: CameraConfig = section.rest()?;
    camera.validate().map_err(|error| section.invalid(&error))?;
    unique(&section, "id", &section.at("id"), format!("the camera {:?}", camera.id.as_str()), places)?;
    let beside = toml.parent().map(Path::to_path_buf);
    let found = beside.iter().chain(folders).map(|folder| folder.join(&file)).find(|path| path.is_file());
    let Some(found) = found else {
        let looked: Vec<_> =
            beside.iter().chain(folders).map(|folder| folder.join(".").display().to_string()).collect();
        let what = format!("field file: there is no clip {:?} in {}", file.display().to_string(), looked.join(", "));
        return Err(section.wrong_at(&at, what));
    };
    Ok(CameraSetup { file: found, camera, place: section.place() })
}

/// Refuses a second one of this name.
fn unique(
    section: &Section<'_>,
    field: &str,
    at: &crate::place::Span,
    what: String,
    places: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    match places.get(&what) {
        Some(first) => Err(section.wrong_at(at, format!("field {field}: {what} is there already, at {first}"))),
        None => {
            places.insert(what, section.place());
            Ok(())
        }
    }
}

//! What the example programs share: which pictures are meant, how a failure ends a program, and words on pictures.

pub mod paint;

use guarita::{Error, ErrorCode};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The pictures that are named, and those in the folders that are named, a folder's in order of name.
///
/// # Errors
/// `InvalidArgument` where a folder cannot be read, or where there is no picture at all.
pub fn pictures(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            found.push(input.clone());
            continue;
        }
        let wrong = |error| {
            Error::new(ErrorCode::InvalidArgument, format!("cannot read the folder {}: {error}", input.display()))
        };
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(input).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            let extension =
                path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
            if matches!(extension.as_str(), "jpg" | "jpeg" | "png") {
                inside.push(path);
            }
        }
        inside.sort();
        found.extend(inside);
    }
    if found.is_empty() {
        return Err(Error::new(
            ErrorCode::InvalidArgument,
            "no pictures: the folders hold no .jpg, .jpeg or .png file",
        ));
    }
    Ok(found)
}

/// The name of a file without its folders, for tables.
pub fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The exit status for an error: 2 wrong arguments, 3 a library or a program is missing, 4 the rest.
pub fn exit_status(error: &Error) -> ExitCode {
    ExitCode::from(match error.code() {
        ErrorCode::RuntimeUnavailable => 3,
        ErrorCode::InvalidArgument | ErrorCode::InvalidConfig => 2,
        _ => 4,
    })
}

/// The Rust in the texts compiles, and what can run does. Here, since it uses the library, its adapters and its testkit.
#[cfg(doctest)]
mod texts {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[doc = include_str!("../../docs/guide/cost.md")]
    mod cost {}
    #[doc = include_str!("../../docs/guide/delivery.md")]
    mod delivery {}
    #[doc = include_str!("../../docs/guide/detector.md")]
    mod detector {}
    #[doc = include_str!("../../docs/guide/metrics.md")]
    mod metrics {}
    #[doc = include_str!("../../docs/guide/models.md")]
    mod models {}
    #[doc = include_str!("../../docs/guide/motion.md")]
    mod motion {}
    #[doc = include_str!("../../docs/guide/pipeline.md")]
    mod pipeline {}
    #[doc = include_str!("../../docs/guide/providers.md")]
    mod providers {}
    #[doc = include_str!("../../docs/guide/rekognition.md")]
    mod rekognition {}
    #[doc = include_str!("../../docs/guide/resilience.md")]
    mod resilience {}
    #[doc = include_str!("../../docs/guide/rust.md")]
    mod rust {}
    #[doc = include_str!("../../docs/guide/video.md")]
    mod video {}
}

//! Where the `ffmpeg` program may be.
//!
//! A path that is configured (config, then `GUARITA_FFMPEG`) is binding: if it does not work, that is an error, not a
//! reason to run another program. Only without one are `PATH` and the PyPI package `imageio-ffmpeg` searched.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable that names the program.
pub(super) const VARIABLE: &str = "GUARITA_FFMPEG";

/// A program to run, and where its path comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) origin: &'static str,
}

/// The program to run.
pub(super) fn find(configured: Option<&Path>) -> Result<Program> {
    #[expect(clippy::disallowed_methods, reason = "the one home of the variables that find ffmpeg")]
    let variable = |name: &'static str| std::env::var_os(name);
    let here = std::env::current_dir().ok();
    let places = plan(configured, variable, here.as_deref());
    places.iter().find(|place| is_program(&place.path)).cloned().ok_or_else(|| {
        let looked = match &places[..] {
            [only] if only.origin == CONFIG || only.origin == VARIABLE => {
                format!("{} (from {}) is no program", only.path.display(), only.origin)
            }
            _ => format!("no ffmpeg on PATH, in {VENV} or in {DOT_VENV}"),
        };
        Error::runtime_unavailable(format!("{looked}. {REMEDY}"))
    })
}

/// What a person can do where there is no usable program.
pub(super) const REMEDY: &str = "Install ffmpeg 4.2 or newer (`apt install ffmpeg`, or `pip install imageio-ffmpeg` in a \
                                 virtual environment), or name the program in SourceConfig.ffmpeg or in the variable \
                                 GUARITA_FFMPEG";

const CONFIG: &str = "the config";
const VENV: &str = "imageio-ffmpeg of $VIRTUAL_ENV";
const DOT_VENV: &str = "imageio-ffmpeg of .venv";

/// Everything to try, in order. Reads the folders of Python packages, and nothing else of the machine.
fn plan(
    configured: Option<&Path>,
    variable: impl Fn(&'static str) -> Option<OsString>,
    working_folder: Option<&Path>,
) -> Vec<Program> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let named = configured
        .map(|path| (path.to_path_buf(), CONFIG))
        .or_else(|| variable(VARIABLE).map(|value| (PathBuf::from(value), VARIABLE)));
    if let Some((path, origin)) = named {
        // Without a folder in it, `Command` would search PATH for it.
        let path = std::path::absolute(&path).unwrap_or(path);
        return vec![Program { path, origin }];
    }
    let on_path: Vec<PathBuf> =
        variable("PATH").map(|value| std::env::split_paths(&value).collect()).unwrap_or_default();
    // Not the relative ones: they would run a file planted in the working folder.
    let on_path = on_path.into_iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(NAME));
    let mut places: Vec<Program> = on_path.map(|path| Program { path, origin: "PATH" }).collect();
    let environments = [
        (variable("VIRTUAL_ENV").map(PathBuf::from), VENV),
        (working_folder.map(|folder| folder.join(".venv")), DOT_VENV),
    ];
    for (environment, origin) in environments {
        let found = environment.map(|folder| packaged(&folder)).unwrap_or_default();
        places.extend(found.into_iter().map(|path| Program { path, origin }));
    }
    places
}

#[cfg(windows)]
const NAME: &str = "ffmpeg.exe";
#[cfg(not(windows))]
const NAME: &str = "ffmpeg";

/// The programs of `imageio-ffmpeg` in a virtual environment.
fn packaged(environment: &Path) -> Vec<PathBuf> {
    let mut libraries = vec![environment.join("Lib")];
    libraries.extend(entries(&environment.join("lib"), "python3"));
    libraries
        .iter()
        .flat_map(|library| entries(&library.join("site-packages/imageio_ffmpeg/binaries"), "ffmpeg-"))
        .collect()
}

/// What a folder holds under names that begin so, the last name first.
fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .collect();
    found.sort();
    found.reverse();
    found
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<'a>(values: &'a [(&'a str, &'a str)]) -> impl Fn(&'static str) -> Option<OsString> + 'a {
        move |name| values.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    fn a_named_program_is_the_only_place_and_the_config_wins() {
        let both = [(VARIABLE, "/b/ffmpeg"), ("PATH", "/usr/bin")];
        let config = Path::new("/a/ffmpeg");
        assert_eq!(plan(Some(config), set(&both), None), [Program { path: config.into(), origin: CONFIG }]);
        assert_eq!(plan(None, set(&both), None), [Program { path: "/b/ffmpeg".into(), origin: VARIABLE }]);
        let empty = [(VARIABLE, ""), ("PATH", "/usr/bin")];
        assert_eq!(plan(None, set(&empty), None)[0].origin, "PATH");
    }

    #[cfg(unix)]
    #[test]
    fn path_comes_before_packages_and_its_relative_folders_are_left_out() {
        let folder = std::env::temp_dir().join(format!("guarita-program-{}", std::process::id()));
        let binaries = folder.join(".venv/lib/python3.11/site-packages/imageio_ffmpeg/binaries");
        std::fs::create_dir_all(&binaries).unwrap();
        for name in ["README.md", "ffmpeg-linux-v7.0.2", "ffmpeg-linux-v9.0.2"] {
            std::fs::write(binaries.join(name), "").unwrap();
        }
        let venv = folder.join(".venv");
        let values = [("PATH", ".:bin::/usr/bin"), ("VIRTUAL_ENV", venv.to_str().unwrap())];
        let places = plan(None, set(&values), Some(&folder));
        let origins: Vec<_> = places.iter().map(|place| place.origin).collect();
        assert_eq!(origins, ["PATH", VENV, VENV, DOT_VENV, DOT_VENV]);
        assert_eq!(places[0].path, Path::new("/usr/bin/ffmpeg"));
        assert_eq!(places[1].path, binaries.join("ffmpeg-linux-v9.0.2"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn no_program_is_an_error_that_says_what_to_do() {
        for path in ["/nowhere/ffmpeg", "/"] {
            let error = find(Some(Path::new(path))).unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::RuntimeUnavailable);
            assert_eq!(error.advice(), crate::Advice::FixHost);
            let text = error.to_string();
            assert!(text.contains(path) && text.contains("apt install") && text.contains("the config"), "{text}");
        }
    }
}

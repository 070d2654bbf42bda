//! What may be opened, and the arguments that make `ffmpeg` open exactly that.

use super::config::SourceConfig;
use crate::error::address::address_without_secrets;
use crate::error::{Error, Result};
use crate::frame::PixelFormat;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Containers that a file may have. Not among them: what names other files or addresses (hls, concat, dash, image2,
/// sdp) and what is no file at all (lavfi and the devices), so that a file cannot make `ffmpeg` read another one. Pictures in a
/// row without a container are `jpeg_pipe` for it, which reads the one file that it is given; `mjpeg` it never takes such a
/// file for.
const CONTAINERS: &str = "avi,mov,matroska,webm,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,ivf,mjpeg,jpeg_pipe,flv,asf,ogg,\
                          nut,gif,mxf,dv,dhav,yuv4mpegpipe,wtv";
/// The same for streams, which have two protocols that are containers as well.
const STREAM_CONTAINERS: &str = "rtsp,rtp,mpjpeg";
const STREAM_PROTOCOLS: &str = "http,https,tcp,tls,rtsp,rtp,udp";
const SCHEMES: [&str; 6] = ["http", "https", "rtsp", "rtp", "udp", "tcp"];

/// Added to every time on the way through the pipe, since the container there has no negative ones.
pub(super) const OFFSET_S: i64 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    File(PathBuf),
    Url(String),
}

impl Input {
    /// Tells a path from a URL and checks that a file is there and may be read.
    pub(super) fn new(path_or_url: &OsStr) -> Result<Self> {
        if let Some((scheme, rest)) = path_or_url.to_str().and_then(scheme) {
            // Schemes may be written in capitals; `ffmpeg` knows them in small letters only.
            let scheme = scheme.to_ascii_lowercase();
            if !SCHEMES.contains(&&*scheme) {
                return Err(Error::invalid_argument(format!(
                    "{scheme}:// is no scheme of a video source; a file is named by its path, a stream by one of {}",
                    SCHEMES.join(", ")
                )));
            }
            // `ffmpeg` would repeat the rest in lines of its own.
            if rest.contains(char::is_control) {
                return Err(Error::invalid_argument(
                    "the address has a line break or another control character in it; write those of a password in per cent",
                ));
            }
            return Ok(Self::Url(format!("{scheme}://{rest}")));
        }
        let path = Path::new(path_or_url);
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound if is_like_url(path_or_url) => Error::invalid_argument(format!(
                "{} is no file; a URL has :// behind its scheme, and is given as text, not as a path",
                path.display()
            )),
            _ => Error::io("open the video", path, error),
        };
        let found = std::fs::metadata(path).map_err(failed)?;
        if found.is_dir() {
            let message = format!("{} is a folder, not a video", path.display());
            return Err(Error::invalid_argument(message).with_path(path));
        }
        if found.is_file() {
            // Opening is the one sure test of the right to read. A named pipe would block here.
            drop(std::fs::File::open(path).map_err(failed)?);
        } else if !is_pipe(&found) {
            return Err(Error::unsupported(format!(
                "{} is neither a file nor a named pipe; devices are not read",
                path.display()
            )));
        }
        Ok(Self::File(std::path::absolute(path).map_err(failed)?))
    }

    /// For messages: a URL is shown without its secrets.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url(url) => address_without_secrets(url),
        }
    }

    /// The parts of a URL that are secret, whole or in pieces, as a program may repeat them that takes the URL apart in
    /// another way.
    pub(super) fn secrets(&self) -> Vec<String> {
        let Self::Url(url) = self else { return Vec::new() };
        let rest = scheme(url).map_or(url.as_str(), |(_, rest)| rest);
        let (who, behind) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (_, password) = who.split_once(':').unwrap_or(("", who));
        let values = behind.split(['/', '?', '&', ';', '#']).filter_map(|part| part.split_once('='));
        let mut secrets: Vec<String> = [who, password].map(str::to_owned).into();
        secrets.extend(password.split(['/', '?', '#', '@', ':']).map(str::to_owned));
        secrets.extend(values.map(|(_, value)| value.to_owned()));
        // Shorter ones would blank half of a sentence; as parts of the URL they are not shown.
        secrets.retain(|secret| secret.len() >= 3);
        // The longest first: it may have another one in it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }

    /// The arguments of the program. A pure function: tests read them.
    pub(super) fn arguments(&self, config: &SourceConfig) -> Vec<OsString> {
        let (protocols, containers, source) = match self {
            Self::File(path) => {
                // With the prefix the rest is a name whatever is in it: no option, no pattern, no protocol.
                let mut source = OsString::from("file:");
                source.push(path);
                ("file", CONTAINERS.to_owned(), source)
            }
            Self::Url(url) => (STREAM_PROTOCOLS, format!("{CONTAINERS},{STREAM_CONTAINERS}"), url.into()),
        };
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        // Levels tell faults from the description of the video, and both from what the video itself says.
        add(&["-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info"]);
        add(&["-threads", &config.decode_threads.to_string(), "-max_pixels", &decoder_pixels(config).to_string()]);
        add(&["-protocol_whitelist", protocols, "-format_whitelist", &containers, "-i"]);
        arguments.push(source);
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        // V: the first video stream, but no cover picture of an audio file.
        add(&["-map", "0:V:0", "-map_metadata", "-1", "-map_chapters", "-1"]);
        add(&["-vf", &filters(config), "-c:v", "rawvideo", "-threads", "1"]);
        // NUT is the one container of `ffmpeg` that takes raw pictures with times of any precision; Matroska cuts them
        // to milliseconds, and bare pixels have none. Its way of keeping frames is by their time ("vfr"), so no option
        // is needed that has had two names in different releases.
        add(&["-enc_time_base", "1:1000000000", "-output_ts_offset", &OFFSET_S.to_string()]);
        add(&["-write_index", "0", "-flush_packets", "1", "-f", "nut", "pipe:1"]);
        arguments
    }
}

/// What the decoder may allocate. Some count the border that they add: 448×280 for a video of 320×240. The frames that
/// come out are held to `max_pixels` itself.
fn decoder_pixels(config: &SourceConfig) -> u64 {
    config.max_pixels + config.max_pixels / 4 + (64 << 10)
}

/// A frame belongs to the slot (of 1/fps) that its time lies in, with slots that begin this part of a slot early: times
/// that were rounded to milliseconds stay in their slot, and at the usual ratios of rates (1/2, 1/3, 2/3, 3/4, 4/5) no
/// frame lies on an edge.
const EARLY_SLOTS: f64 = 0.3;

fn filters(config: &SourceConfig) -> String {
    let mut chain = String::from("settb=1/1000000000");
    let mut add = |text: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = chain.write_fmt(text);
    };
    if let Some(fps) = config.fps {
        let slot = |time: &str| format!("floor({time}*{fps}+{EARLY_SLOTS})");
        add(format_args!(",select='isnan(prev_selected_t)+gt({},{})'", slot("t"), slot("prev_selected_t")));
    }
    // A frame is read as BT.601 in studio range, and a gray one as levels 0..255 (docs/guide/detector.md), so that is
    // what has to be in it, whatever the video holds.
    let colour = match config.format {
        PixelFormat::Nv12 | PixelFormat::I420 => "out_range=tv:out_color_matrix=bt601",
        PixelFormat::Gray8 => "out_range=pc",
        _ => "",
    };
    let size = match (config.width, config.height) {
        (None, None) => String::new(),
        (Some(width), Some(height)) => format!("{width}:{height}"),
        (Some(width), None) => format!("{width}:-2"),
        (None, Some(height)) => format!("-2:{height}"),
    };
    let scale: Vec<&str> = [size.as_str(), colour].into_iter().filter(|part| !part.is_empty()).collect();
    if !scale.is_empty() {
        add(format_args!(",scale={}", scale.join(":")));
    }
    add(format_args!(",format={}", pixel_format(config.format)));
    chain
}

fn pixel_format(format: PixelFormat) -> &'static str {
    match format {
        PixelFormat::Gray8 => "gray",
        PixelFormat::Rgb8 => "rgb24",
        PixelFormat::Bgr8 => "bgr24",
        PixelFormat::Rgba8 => "rgba",
        PixelFormat::Bgra8 => "bgra",
        PixelFormat::Nv12 => "nv12",
        PixelFormat::I420 => "yuv420p",
    }
}

/// `rtsp` and `camera/1` of `rtsp://camera/1`.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(plain)).then_some((scheme, rest))
}

/// Whether a path begins as a URL does: what is left of one that was made a path on its way.
fn is_like_url(path: &OsStr) -> bool {
    let scheme = path.to_str().and_then(|text| text.split_once(':')).map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| SCHEMES.contains(&&*scheme))
}

#[cfg(unix)]
fn is_pipe(found: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&found.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn words(input: &Input, config: &SourceConfig) -> Vec<String> {
        input.arguments(config).into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    fn after<'a>(words: &'a [String], option: &str) -> &'a str {
        &words[words.iter().position(|word| word == option).unwrap() + 1]
    }

    #[test]
    fn a_file_gets_the_file_protocol_and_no_container_that_names_others() {
        let words = words(&Input::File("/a/-i %d.mp4".into()), &SourceConfig::default());
        assert_eq!(after(&words, "-i"), "file:/a/-i %d.mp4");
        assert_eq!(after(&words, "-protocol_whitelist"), "file");
        let containers: Vec<&str> = after(&words, "-format_whitelist").split(',').collect();
        for refused in ["hls", "concat", "dash", "image2", "sdp", "rtsp", "lavfi"] {
            assert!(!containers.contains(&refused), "{refused}");
        }
        assert!(containers.iter().all(|name| !name.is_empty() && !name.contains(' ')), "{containers:?}");
    }

    #[test]
    fn a_url_has_no_file_protocol() {
        let words = words(&Input::Url("rtsp://camera/1".into()), &SourceConfig::default());
        assert_eq!(after(&words, "-i"), "rtsp://camera/1");
        assert!(!after(&words, "-protocol_whitelist").split(',').any(|name| name == "file"));
    }

    #[test]
    fn only_named_schemes_are_urls() {
        let url = |text: &str| Input::new(OsStr::new(text));
        assert_eq!(url("rtsp://a/b").unwrap(), Input::Url("rtsp://a/b".into()));
        for text in ["file:///etc/passwd", "concat://a", "data://x", "pipe://0", "subfile://x"] {
            assert_eq!(url(text).unwrap_err().code(), ErrorCode::InvalidArgument, "{text}");
        }
        for text in ["concat:a|b", "pipe:0", "data:x", "-i", "", "no/such.mp4", "1://x"] {
            assert_eq!(url(text).unwrap_err().code(), ErrorCode::NotFound, "{text}");
        }
    }

    #[test]
    fn a_scheme_in_capitals_is_one() {
        assert_eq!(Input::new(OsStr::new("RTSP://Cam/A")).unwrap(), Input::Url("rtsp://Cam/A".into()));
        assert_eq!(Input::new(OsStr::new("FILE://x")).unwrap_err().code(), ErrorCode::InvalidArgument);
        // A URL that was a `Path` on its way, and one without slashes.
        for text in ["rtsp:/admin:s3cret@camera/1", "HTTP:camera"] {
            let error = Input::new(OsStr::new(text)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{text}");
            assert!(error.to_string().contains("://") && !error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_secret_of_a_url_is_known_in_pieces() {
        let of = |url: &str| Input::Url(url.into()).secrets();
        assert_eq!(of("rtsp://admin:s3@cret@camera/1"), ["admin:s3@cret", "s3@cret", "cret"]);
        assert_eq!(of("rtsp://admin:1234/s3cret@camera/"), ["admin:1234/s3cret", "1234/s3cret", "s3cret", "1234"]);
        assert_eq!(of("http://camera/a?user=me&password=s3cret&n=1"), ["s3cret"]);
        assert_eq!(of("rtsp://camera/user=a&password=s3cret/1"), ["s3cret"]);
        assert!(of("rtsp://camera:554/1").is_empty());
        assert_eq!(Input::Url("rtsp://a:b/c d\"@h/x?k=v".into()).name(), "rtsp://***@h/x?k=***");
    }

    #[test]
    fn filters_follow_the_config() {
        let base = SourceConfig::default;
        for (config, expected) in [
            (base(), "settb=1/1000000000,scale=out_range=tv:out_color_matrix=bt601,format=yuv420p"),
            (SourceConfig { format: PixelFormat::Rgb8, ..base() }, "settb=1/1000000000,format=rgb24"),
            (
                SourceConfig { format: PixelFormat::Bgra8, width: Some(64), ..base() },
                "settb=1/1000000000,scale=64:-2,format=bgra",
            ),
            (
                SourceConfig {
                    format: PixelFormat::Gray8,
                    width: Some(64),
                    height: Some(32),
                    fps: Some(2.5),
                    ..base()
                },
                "settb=1/1000000000,select='isnan(prev_selected_t)+gt(floor(t*2.5+0.3),floor(prev_selected_t*2.5+0.3))',\
                 scale=64:32:out_range=pc,format=gray",
            ),
        ] {
            assert_eq!(filters(&config), expected);
        }
    }
}

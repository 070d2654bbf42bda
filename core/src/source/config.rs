use crate::check::{within, wrong};
use crate::error::{Error, Result};
use crate::frame::PixelFormat;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How a [`VideoSource`](crate::VideoSource) decodes and what it delivers. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SourceConfig {
    /// Width of the frames in pixels, 2..65,535; default the video's own. With only one of `width` and `height` the other
    /// keeps the aspect ratio and is made even.
    pub width: Option<u32>,
    /// Height of the frames in pixels, 2..65,535; default the video's own.
    pub height: Option<u32>,
    /// The pixel format of the frames; default `I420`: nearly every decoder works in it, so nothing is converted, and a
    /// frame has half the bytes of RGB.
    pub format: PixelFormat,
    /// At most so many frames in a second of video; over 0 up to 1000, default every frame. The frames left out are not
    /// scaled or copied; those delivered keep their own times.
    pub fps: Option<f64>,
    /// Width times height of the video and of the frames; 1..4,294,836,225, default 33,554,432 (a little over 8K).
    pub max_pixels: u64,
    /// Memory that the decoder may take, in MiB; 64..1,048,576, default 2048. Kept on Linux only.
    pub max_memory_mib: u32,
    /// Threads that decode; 1..64, default 1, which serves many sources side by side best.
    pub decode_threads: u32,
    /// How long to wait for the next frame, in seconds; 0.1..3600, default 30. With a small `fps` all the video between
    /// two frames is decoded in this time.
    pub timeout_s: f64,
    /// The name that frames carry as [`FrameMeta::camera`](crate::frame::FrameMeta::camera); default empty.
    pub camera: String,
    /// The `ffmpeg` program; default: found as [`VideoSource`](crate::VideoSource) says.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "path")))]
    pub ffmpeg: Option<PathBuf>,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            width: None,
            height: None,
            format: PixelFormat::I420,
            fps: None,
            max_pixels: 32 << 20,
            max_memory_mib: 2048,
            decode_threads: 1,
            timeout_s: 30.0,
            camera: String::new(),
            ffmpeg: None,
        }
    }
}

/// The longest side of a frame: what a [`Layout`](crate::frame::Layout) takes.
pub(super) const MAX_SIDE: u32 = 65_535;

impl SourceConfig {
    /// Checks every field that can be checked without a video.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        for (field, side) in [("width", self.width), ("height", self.height)] {
            if let Some(side) = side {
                within(field, side, 2, MAX_SIDE)?;
            }
        }
        within("max_pixels", self.max_pixels, 1, u64::from(MAX_SIDE).pow(2))?;
        within("max_memory_mib", self.max_memory_mib, 64, 1 << 20)?;
        within("decode_threads", self.decode_threads, 1, 64)?;
        if let (Some(width), Some(height)) = (self.width, self.height)
            && u64::from(width) * u64::from(height) > self.max_pixels
        {
            return Err(Error::invalid_config(format!(
                "width × height is {width}×{height}; max_pixels allows {}",
                self.max_pixels
            ))
            .with_field("max_pixels")
            .with_limit(self.max_pixels as f64));
        }
        // NaN is in no range.
        if let Some(fps) = self.fps
            && !(fps > 0.0 && fps <= 1000.0)
        {
            let error = wrong("fps", format!("is {fps}; it must be over 0 and at most 1000"));
            return Err(if fps > 0.0 { error.with_limit(1000.0) } else { error });
        }
        within("timeout_s", self.timeout_s, 0.1, 3600.0)
    }

    /// Only for a config that was validated.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_checked_and_the_field_named() {
        let base = SourceConfig::default;
        for (field, config) in [
            ("width", SourceConfig { width: Some(0), ..base() }),
            ("width", SourceConfig { width: Some(65_536), ..base() }),
            ("height", SourceConfig { height: Some(1), ..base() }),
            ("max_pixels", SourceConfig { width: Some(60_000), height: Some(60_000), ..base() }),
            ("max_pixels", SourceConfig { max_pixels: 0, ..base() }),
            ("max_memory_mib", SourceConfig { max_memory_mib: 1, ..base() }),
            ("decode_threads", SourceConfig { decode_threads: 0, ..base() }),
            ("fps", SourceConfig { fps: Some(0.0), ..base() }),
            ("fps", SourceConfig { fps: Some(-5.0), ..base() }),
            ("fps", SourceConfig { fps: Some(f64::NAN), ..base() }),
            ("fps", SourceConfig { fps: Some(f64::INFINITY), ..base() }),
            ("timeout_s", SourceConfig { timeout_s: 0.0, ..base() }),
            ("timeout_s", SourceConfig { timeout_s: f64::NAN, ..base() }),
            ("timeout_s", SourceConfig { timeout_s: f64::INFINITY, ..base() }),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidConfig);
            assert!(error.to_string().contains(field), "{field}: {error}");
        }
        assert!(base().validate().is_ok());
    }

    #[test]
    fn unknown_fields_are_refused() {
        let config: SourceConfig = serde_json::from_str(r#"{"width": 640, "format": "nv12", "fps": 5}"#).unwrap();
        assert_eq!((config.width, config.format, config.fps), (Some(640), PixelFormat::Nv12, Some(5.0)));
        assert!(serde_json::from_str::<SourceConfig>(r#"{"widht": 640}"#).is_err());
    }
}

use super::Outcome;
use crate::error::Error;
use crate::frame::{Frame, FrameMeta};
use bytes::Bytes;

/// An encoded JPEG or PNG picture: a pipeline decodes it only where needed, small for the motion gate and whole for the
/// provider. Cheap to clone.
///
/// ```
/// use guarita::{CameraId, Timestamp};
/// use guarita::frame::FrameMeta;
/// use guarita::pipeline::EncodedFrame;
/// let jpeg: Vec<u8> = vec![0xFF, 0xD8];
/// let meta = FrameMeta { pts: Timestamp::from_millis(40), ..FrameMeta::default() };
/// let frame = EncodedFrame::from_owner(jpeg, meta);
/// assert_eq!(frame.bytes().len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct EncodedFrame {
    bytes: Bytes,
    meta: FrameMeta,
}

impl EncodedFrame {
    /// Copies the bytes.
    pub fn copy_from(bytes: &[u8], meta: FrameMeta) -> Self {
        Self { bytes: Bytes::copy_from_slice(bytes), meta }
    }

    /// Takes over a buffer without a copy; it is dropped with the last clone. The owner must not change the bytes while the
    /// frame lives.
    pub fn from_owner<O>(owner: O, meta: FrameMeta) -> Self
    where
        O: AsRef<[u8]> + Send + 'static,
    {
        Self { bytes: Bytes::from_owner(owner), meta }
    }

    /// The encoded bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Camera, time and number. A pipeline puts the camera's name there itself.
    pub fn meta(&self) -> &FrameMeta {
        &self.meta
    }
}

/// What is kept about a frame takes some 750 bytes, however small its picture. Without this, a million pictures of one
/// pixel would count as a megabyte.
pub(super) const LEAST_BYTES: u64 = 1024;

/// A frame to push, raw or encoded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// A picture in memory.
    Raw(Frame),
    /// A JPEG or PNG picture.
    Encoded(EncodedFrame),
}

impl Input {
    /// Camera, time and number.
    pub fn meta(&self) -> &FrameMeta {
        match self {
            Self::Raw(frame) => frame.meta(),
            Self::Encoded(frame) => frame.meta(),
        }
    }

    /// Memory that the frame counts for while in flight.
    pub(super) fn byte_len(&self) -> u64 {
        let len = match self {
            Self::Raw(frame) => frame.byte_len(),
            Self::Encoded(frame) => frame.bytes.len(),
        };
        (len as u64).max(LEAST_BYTES)
    }
}

impl From<Frame> for Input {
    fn from(frame: Frame) -> Self {
        Self::Raw(frame)
    }
}

impl From<EncodedFrame> for Input {
    fn from(frame: EncodedFrame) -> Self {
        Self::Encoded(frame)
    }
}

/// The result of a push.
#[derive(Debug)]
#[must_use = "a refused frame is in no account"]
pub enum Admission {
    /// The frame was accepted; its outcome will be in the account.
    Taken,
    /// The frame has ended already, and is in the account.
    Ended(Outcome),
    /// The frame was refused, and is in no account: the camera was removed, or the pipeline is shut down.
    Refused(Error),
}

impl Admission {
    /// Whether the frame was accepted.
    pub const fn is_taken(&self) -> bool {
        matches!(self, Self::Taken)
    }
}

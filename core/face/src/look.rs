//! Looks without a thread that waits: pictures are decoded aside, and the answer goes to a callback.

use crate::defaults::{BACKGROUND_QUEUE, MAX_DECODE_THREADS};
use crate::workers::Workers;
use guarita::frame::FrameMeta;
use guarita::pipeline::EncodedFrame;
use guarita::provider::{Reply, Request};
use guarita::{CameraId, DecodeOptions, Error, ErrorCode, Frame, Provider, Result};
use std::sync::Arc;

static DECODERS: Workers = Workers::new("guarita-decode", MAX_DECODE_THREADS, BACKGROUND_QUEUE);

/// A picture that may have to be decoded first.
#[derive(Clone, Debug)]
pub enum Picture {
    /// Pixels.
    Frame(Frame),
    /// A JPEG or PNG; its meta data are not used.
    Encoded(EncodedFrame),
}

impl Picture {
    /// Whether it takes time to have its pixels.
    pub fn is_encoded(&self) -> bool {
        matches!(self, Self::Encoded(_))
    }

    /// The pixels.
    ///
    /// # Errors
    /// As [`Frame::decode`].
    pub fn decoded(self, options: &DecodeOptions) -> Result<Frame> {
        match self {
            Self::Frame(frame) => Ok(frame),
            Self::Encoded(picture) => Frame::decode(picture.bytes(), options),
        }
    }

    /// The pixels, as a frame of this camera; an empty name leaves the frame's own.
    ///
    /// # Errors
    /// As [`Frame::decode`].
    pub fn decoded_of(self, camera: &str) -> Result<Frame> {
        let frame = self.decoded(&DecodeOptions::default())?;
        if camera.is_empty() {
            return Ok(frame);
        }
        let meta = FrameMeta { camera: CameraId::new(camera), ..frame.meta().clone() };
        Ok(frame.with_meta(meta))
    }
}

/// A look, on its way to its provider.
struct Look {
    provider: Arc<dyn Provider>,
    request: Request,
    pictures: Vec<Picture>,
    camera: String,
    reply: Reply,
}

impl Look {
    /// Decodes and submits; a look that was taken back is answered `Cancelled` by its reply's end.
    fn go(mut self) {
        if self.request.cancellation.is_cancelled() {
            return;
        }
        match self.pictures.into_iter().map(|picture| picture.decoded_of(&self.camera)).collect() {
            Ok(frames) => {
                self.request.frames = frames;
                self.provider.submit(self.request, self.reply);
            }
            Err(error) => self.reply.send(Err(error)),
        }
    }
}

/// Submits a request for these pictures, without waiting: where one of them is encoded, all are decoded on a few threads of
/// guarita's own. The answer goes to `reply`, on whatever thread it comes from. `request.cancellation` takes the request back as
/// long as nobody has begun with it, also before it is decoded. Frames that the request holds already are replaced; `camera` is
/// the name that a budget counts them for, or empty.
///
/// The reply is told `Overloaded` where 100,000 looks wait to be decoded, and what is wrong with a picture.
pub fn submit(provider: &Arc<dyn Provider>, request: Request, pictures: Vec<Picture>, camera: &str, reply: Reply) {
    let is_encoded = pictures.iter().any(Picture::is_encoded);
    let look = Look { provider: Arc::clone(provider), request, pictures, camera: camera.to_owned(), reply };
    if !is_encoded {
        return look.go();
    }
    if let Err(look) = DECODERS.run(look, Look::go) {
        let message = format!("{BACKGROUND_QUEUE} requests wait to be decoded");
        look.reply.send(Err(Error::new(ErrorCode::Overloaded, message)));
    }
}

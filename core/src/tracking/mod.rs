//! From detections, frame by frame, to objects: which detection continues which object, and which objects were seen often
//! enough.

mod config;
mod confirm;
mod link;
mod object;

pub use config::Confirmation;
pub use confirm::{Confirm, ConfirmState};
pub use object::{Object, ObjectId};

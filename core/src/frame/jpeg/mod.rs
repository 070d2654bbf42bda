//! JPEG: its structure, and decoding it whole.

mod progression;
mod standard;
mod structure;
mod tables;
mod whole;

pub(super) use structure::{Colors, Structure};
pub(super) use tables::Codes;
pub(super) use whole::{Want, decode};

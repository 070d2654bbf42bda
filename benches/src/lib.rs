//! What the comparisons share: scenes whose truth is known, and the accounting of a gate's decisions against it.

pub mod account;
pub mod scenes;

//! What the comparisons share: scenes whose truth is known, the accounting of a gate's decisions against it, and cameras in
//! large numbers.

pub mod account;
pub mod cameras;
pub mod scenes;

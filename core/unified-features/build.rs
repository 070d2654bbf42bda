//! Nothing: without a build script, cargo would not look at the dependencies of one.

fn main() {}

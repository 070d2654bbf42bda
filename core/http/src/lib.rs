//! Calls by HTTP, for packages that bring a sink or a cloud to *guarita*: whom TLS trusts, a blocking client, and what
//! `Retry-After` asks for.
//!
//! The one home of TLS: a sink or a provider that speaks over a network takes its certificates from [`Roots`], so that all
//! of them trust the same authorities, and say the same where there are none.

mod client;
mod retry_after;
mod roots;

pub use client::{Answer, Client, is_header_name, is_header_value, origin};
pub use retry_after::retry_after;
pub use roots::Roots;

/// For the `register` of a package that calls somebody: [`Registry::doctor`](guarita::registry::Registry::doctor) counts the
/// certificates that the system trusts.
pub fn register(registry: &mut guarita::registry::Registry) {
    registry.set_certificates(|| Roots::system().map(|roots| roots.count()));
}

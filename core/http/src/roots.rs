use guarita::{Error, ErrorCode, Result};
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::io::Read;
use std::path::Path;
use ureq::tls::{PemItem, parse_pem};

/// Longer lists of authorities are none.
const LONGEST_CA_FILE: u64 = 16 << 20;

/// The certificates of the authorities that TLS trusts; at least one.
#[derive(Clone)]
pub struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// Those that the system trusts. `SSL_CERT_FILE` and `SSL_CERT_DIR` stand in for them.
    ///
    /// # Errors
    /// `RuntimeUnavailable` where there are none.
    pub fn system() -> Result<Self> {
        let found = rustls_native_certs::load_native_certs().certs;
        if found.is_empty() {
            return Err(Error::new(
                ErrorCode::RuntimeUnavailable,
                "no system certificates found, so nobody can be trusted with a picture or an event; install \
                 ca-certificates (SSL_CERT_FILE and SSL_CERT_DIR are read too), or set ca_file where there is such a field",
            ));
        }
        Ok(Self(found))
    }

    /// Those of a PEM file, in place of the system's: for authorities of one's own.
    ///
    /// # Errors
    /// `NotFound` or `PermissionDenied` where it cannot be read, `InvalidConfig` where it has no certificate in it, or one that
    /// cannot be used.
    pub fn read(ca_file: &Path) -> Result<Self> {
        let mut pem = Vec::new();
        std::fs::File::open(ca_file)
            .and_then(|file| file.take(LONGEST_CA_FILE).read_to_end(&mut pem))
            .map_err(|error| Error::io("read ca_file", ca_file, error).with_field("ca_file"))?;
        let wrong = |why: &dyn fmt::Display| {
            let error = Error::new(ErrorCode::InvalidConfig, format!("ca_file {}{why}", ca_file.display()));
            error.with_field("ca_file").with_path(ca_file)
        };
        let mut found = Vec::new();
        for item in parse_pem(&pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => found.push(certificate.der().to_vec().into()),
                Ok(_) => {}
                Err(error) => return Err(wrong(&format_args!(" is no PEM file: {error}"))),
            }
        }
        // Certificates that cannot be parsed are passed over later on, without a word; then nobody is trusted.
        let mut store = rustls::RootCertStore::empty();
        for certificate in &found {
            store.add(CertificateDer::clone(certificate)).map_err(|error| wrong(&format_args!(": {error}")))?;
        }
        if found.is_empty() {
            return Err(wrong(&" has no certificate in it"));
        }
        Ok(Self(found))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Each as DER, for a TLS library.
    pub fn der(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|certificate| certificate.as_ref())
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.count())
    }
}

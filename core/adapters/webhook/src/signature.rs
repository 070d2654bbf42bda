use guarita::clock::UnixTime;
use guarita::{Error, ErrorCode, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of `X-Guarita-Signature`: the time of signing, and the HMAC-SHA256 (RFC 2104) of that time, a full stop
/// and the body. The time inside makes a replayed copy detectable.
pub(super) fn sign(secret: &str, at: UnixTime, body: &[u8]) -> Result<String> {
    let time = at.as_secs().to_string();
    Ok(format!("t={time},v1={}", hex(secret.as_bytes(), &[time.as_bytes(), b".", body])?))
}

fn hex(key: &[u8], parts: &[&[u8]]) -> Result<String> {
    // A key of any length is allowed.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).map_err(|_| Error::new(ErrorCode::Internal, "no HMAC with this key"))?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_published() {
        // RFC 4231, cases 1, 2, 3 and 6.
        for (key, data, expected) in [
            (&[0x0b; 20][..], &b"Hi There"[..], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(key, &[data]).unwrap(), expected);
            assert_eq!(hex(key, &[&data[..3], &data[3..]]).unwrap(), expected);
        }
    }

    #[test]
    fn the_time_is_signed_too() {
        let sign = |seconds| sign("0123456789abcdef", UnixTime::from_secs(seconds), b"{}").unwrap();
        assert!(sign(1_700_000_000).starts_with("t=1700000000,v1="));
        assert_ne!(sign(1).split_once(",").unwrap().1, sign(2).split_once(",").unwrap().1);
        assert!(sign(i64::MIN).starts_with("t=-9223372036854775808,v1="));
    }
}

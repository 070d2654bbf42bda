use crate::label_map::label_map;
use guarita::Result;
use guarita::adapter::{within, wrong};
use guarita::budget::MicroDollars;
use guarita::provider::LabelMap;
use guarita::resilience::RetryConfig;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

/// How a [`RekognitionProvider`](crate::RekognitionProvider) calls Amazon Rekognition. Plain data; unknown fields are
/// refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RekognitionConfig {
    /// The AWS region, such as `eu-west-1`; none (the default) to ask the SDK's chain: `AWS_REGION`,
    /// `AWS_DEFAULT_REGION`, the profile, the instance's metadata.
    pub region: Option<String>,
    /// Another address to call, such as that of a VPC endpoint: `https://host[:port]`. `http` is taken only for this
    /// machine itself. Default none: Rekognition's own in the region.
    pub endpoint: Option<String>,
    /// The profile of `~/.aws/config` and `~/.aws/credentials`; none (the default) for `AWS_PROFILE` or `default`.
    pub profile: Option<String>,
    /// How often and when a failed call is made again. The SDK's own retries are off.
    pub retry: RetryConfig,
    /// Requests taken before `Overloaded`, and calls at one time; 1..10000, default 50.
    pub max_in_flight: usize,
    /// How long one call may take, retries not included, in seconds; 0.01..600, default 10. That is a picture of the
    /// largest size over a line of 6 Mbit/s and two seconds for the answer; a call that is given up may be billed all the
    /// same, so this is no place to be impatient: give the request a deadline instead.
    pub timeout_s: f64,
    /// How long a connection may take to be made, in seconds; 0.01..600, default 3.
    pub connect_timeout_s: f64,
    /// How long credentials and region are looked for, in seconds; 0.01..600, default 10.
    pub credentials_timeout_s: f64,
    /// Calls a second, for each of the three APIs by itself; 0.01..100000, default none. A call waits for its turn, unless
    /// its deadline comes first.
    pub max_per_second: Option<f64>,
    /// Labels that an answer may have; 1..1000, default 1000.
    pub max_labels: u32,
    /// Only these labels are asked for, by Rekognition's names (`Person`, `Car`); at most 100, default all.
    pub include_labels: Vec<String>,
    /// What is returned of text; default lines.
    pub text: TextUnit,
    /// What Rekognition's labels are called here; default COCO's names where there is one.
    pub label_map: LabelMap,
    /// Threads that make pictures ready; 1..64, default 2.
    pub encode_threads: usize,
    /// Of the JPEG that is sent, 1..100, default 90. Lower ones are tried where it has over 5,242,880 bytes.
    pub jpeg_quality: u8,
    /// What is done with a picture below 80×80 pixels; default upscale.
    pub small: SmallPicture,
    /// Seed of the waits between retries; none (the default) for one that differs between runs.
    pub seed: Option<u64>,
    /// The price of a picture, where there is no budget that knows it; default $0.001.
    pub price: MicroDollars,
}

/// What is done with a picture that is smaller than the cloud takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SmallPicture {
    /// It is scaled up.
    #[default]
    Upscale,
    /// The request is answered with `InvalidArgument`, at no cost.
    Refuse,
}

/// The unit that text is returned in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TextUnit {
    /// A detection for each line: words that stand together.
    #[default]
    Line,
    /// A detection for each word.
    Word,
}

impl Default for RekognitionConfig {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            profile: None,
            retry: RetryConfig::default(),
            max_in_flight: 50,
            timeout_s: 10.0,
            connect_timeout_s: 3.0,
            credentials_timeout_s: 10.0,
            max_per_second: None,
            max_labels: 1_000,
            include_labels: Vec::new(),
            text: TextUnit::Line,
            label_map: label_map(),
            encode_threads: 2,
            jpeg_quality: 90,
            small: SmallPicture::Upscale,
            seed: None,
            price: MicroDollars::from_micros(1_000),
        }
    }
}

impl RekognitionConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        self.retry.validate().map_err(|error| error.with_parent("retry"))?;
        let seconds = |field: &str, value: f64| within(field, value, 0.01, 600.0);
        seconds("timeout_s", self.timeout_s)?;
        seconds("connect_timeout_s", self.connect_timeout_s)?;
        seconds("credentials_timeout_s", self.credentials_timeout_s)?;
        within("max_in_flight", self.max_in_flight as f64, 1.0, 10_000.0)?;
        within("max_per_second", self.max_per_second.unwrap_or(1.0), 0.01, 100_000.0)?;
        within("max_labels", self.max_labels.into(), 1.0, 1_000.0)?;
        within("include_labels", self.include_labels.len() as f64, 0.0, 100.0)?;
        within("encode_threads", self.encode_threads as f64, 1.0, 64.0)?;
        within("jpeg_quality", self.jpeg_quality.into(), 1.0, 100.0)?;
        if let Some(at) = self.include_labels.iter().position(|label| label.trim().is_empty()) {
            return Err(wrong(&format!("include_labels[{at}]"), "is empty"));
        }
        if self.profile.as_deref().is_some_and(|profile| profile.trim().is_empty()) {
            return Err(wrong("profile", "is empty; leave it out for the default one"));
        }
        self.region.as_deref().map_or(Ok(()), check_region)?;
        self.endpoint.as_deref().map_or(Ok(()), |endpoint| check_endpoint(endpoint).map(|_| ()))
    }
}

/// A region becomes a part of a host's name.
pub(crate) fn check_region(region: &str) -> Result<()> {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if region.len() <= 32 && region.contains('-') && region.split('-').all(word) {
        return Ok(());
    }
    Err(wrong("region", format!("is {region:?}; it must be one of AWS, such as \"eu-west-1\"")))
}

/// Whether the address is on this machine.
///
/// # Errors
/// `InvalidConfig` where it is no address, or would be called without TLS.
pub(crate) fn check_endpoint(endpoint: &str) -> Result<bool> {
    let unfit = |why: &str| wrong("endpoint", format!("is {endpoint:?}; {why}"));
    let form = "it must be https://host or https://host:port";
    let (tls, rest) = match endpoint.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(unfit(form)),
    };
    // A user and a password in it would end up in logs.
    if rest.contains('@') {
        return Err(wrong("endpoint", "has a user in it; credentials do not belong there"));
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(|| unfit(form))?)),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let v6 = authority.starts_with('[');
    let host_is_one = if v6 {
        host.parse::<Ipv6Addr>().is_ok()
    } else {
        let word =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        host.len() <= 253 && host.split('.').all(word)
    };
    if !host_is_one || port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err(unfit(form));
    }
    let here = host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    if !tls && !here {
        return Err(unfit("pictures leave the machine by https only"));
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use guarita::ErrorCode;

    #[test]
    fn every_field_has_its_range() {
        assert!(RekognitionConfig::default().validate().is_ok());
        type Change = fn(&mut RekognitionConfig);
        let cases: [(&str, Change); 17] = [
            ("timeout_s", |c| c.timeout_s = f64::NAN),
            ("timeout_s", |c| c.timeout_s = 0.0),
            ("connect_timeout_s", |c| c.connect_timeout_s = 601.0),
            ("credentials_timeout_s", |c| c.credentials_timeout_s = f64::INFINITY),
            ("max_in_flight", |c| c.max_in_flight = 0),
            ("max_per_second", |c| c.max_per_second = Some(-1.0)),
            ("max_labels", |c| c.max_labels = 1_001),
            ("include_labels", |c| c.include_labels = vec!["Car".into(); 101]),
            ("include_labels[1]", |c| c.include_labels = vec!["Car".into(), " ".into()]),
            ("encode_threads", |c| c.encode_threads = 65),
            ("jpeg_quality", |c| c.jpeg_quality = 0),
            ("jpeg_quality", |c| c.jpeg_quality = 101),
            ("profile", |c| c.profile = Some(String::new())),
            ("attempts", |c| c.retry.attempts = 0),
            ("region", |c| c.region = Some("Frankfurt".into())),
            ("region", |c| c.region = Some("eu-west-1.evil.example/".into())),
            ("endpoint", |c| c.endpoint = Some("rekognition.local".into())),
        ];
        for (field, change) in cases {
            let mut config = RekognitionConfig::default();
            change(&mut config);
            let error = config.validate().unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidConfig);
            assert!(error.to_string().contains(field), "{field}: {error}");
        }
    }

    #[test]
    fn addresses_without_tls_stay_on_the_machine() {
        for (endpoint, here) in [
            ("https://rekognition.eu-west-1.amazonaws.com", false),
            ("https://vpce-1.example:8443/", false),
            ("http://127.0.0.1:5000", true),
            ("http://127.9.9.9", true),
            ("http://localhost:1", true),
            ("http://[::1]:5000", true),
            ("https://[2001:db8::1]", false),
        ] {
            assert_eq!(check_endpoint(endpoint).unwrap(), here, "{endpoint}");
        }
        for endpoint in [
            "",
            "http://rekognition.eu-west-1.amazonaws.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://[2001:db8::1]",
            "ftp://localhost",
            "https://",
            "https://host:0",
            "https://host:70000",
            "https://host/path",
            "https://ho st",
            "https://a..b",
            "https://host?x",
            "https://[::1",
        ] {
            assert_eq!(check_endpoint(endpoint).unwrap_err().code(), ErrorCode::InvalidConfig, "{endpoint}");
        }
        let error = check_endpoint("https://me:hunter2@host").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn a_config_reads_and_refuses_unknown_fields() {
        let config: RekognitionConfig =
            toml::from_str("region = \"eu-west-1\"\nsmall = \"refuse\"\ntext = \"word\"\n[label_map]\nVan = \"truck\"")
                .unwrap();
        assert_eq!((config.small, config.text), (SmallPicture::Refuse, TextUnit::Word));
        assert_eq!(config.label_map.label("van").name.as_ref(), "truck");
        assert!(toml::from_str::<RekognitionConfig>("secret_access_key = \"x\"").is_err());
    }
}

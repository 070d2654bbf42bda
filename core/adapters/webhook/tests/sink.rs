//! `WebhookSink` against servers of the tests' own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[path = "../../../tests/common/loopback.rs"]
mod loopback;

use guarita::registry::Registry;
use guarita::{clock::*, event::*, *};
use guarita_webhook::{WebhookConfig, WebhookSink, register};
use loopback::{Act, Server};
use std::error::Error as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SECRET: &str = "a-secret-not-to-be-seen";
const TOKEN: &str = "T0KEN-not-to-be-seen";

fn event() -> Event {
    serde_json::from_value(serde_json::json!({
        "id": "00112233445566778899aabbccddeeff", "camera": "gate-7", "trigger": "person", "pts_ns": 5,
        "time": 1_700_000_000, "why": "a \"person\" in the yard, ünïcode", "objects": [],
        "frame": {"width": 640, "height": 480},
    }))
    .unwrap()
}

fn config(origin: &str) -> WebhookConfig {
    WebhookConfig {
        url: format!("{origin}/hooks/{TOKEN}?a=b"),
        secret: Some(SECRET.into()),
        headers: [("Authorization".into(), format!("Bearer {TOKEN}"))].into(),
        timeout_s: 5.0,
        ..WebhookConfig::default()
    }
}

fn open(config: WebhookConfig) -> WebhookSink {
    WebhookSink::open(config).unwrap()
}

fn send(mut sink: impl Sink) -> Result<()> {
    sink.deliver(&[Delivery::Event(Arc::new(event()))]).map_err(DeliveryError::into_error)
}

fn deliver(origin: &str) -> Result<()> {
    send(open(config(origin)))
}

fn status(status: u16) -> Act {
    Act::Answer { status, headers: Vec::new(), body: "whatever".into() }
}

/// Errors tell neither path nor secrets.
fn refused(error: &Error) -> (ErrorCode, Advice) {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(TOKEN) && !shown.contains(SECRET), "{shown}");
    (error.code(), error.advice())
}

const LATER: (ErrorCode, Advice) = (ErrorCode::Unavailable, Advice::RetryLater);

/// A server that sends these bytes to everybody who has sent something, and hangs up.
fn raw(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 65_536]);
            let _ = stream.write_all(bytes);
        }
    });
    format!("http://{address}")
}

#[test]
fn what_is_sent() {
    let server = Server::start(|_, _| status(204));
    let clock = Arc::new(ManualClock::new(UnixTime::from_secs(1_700_000_123)));
    let mut sink = open(config(&server.url())).with_clock(clock.clone());
    let batch = [Delivery::Event(Arc::new(event()))];
    sink.deliver(&batch).unwrap();
    clock.advance(Duration::from_secs(1));
    sink.deliver(&batch).unwrap();
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked[0].head.starts_with(&format!("POST /hooks/{TOKEN}?a=b HTTP/1.1\r\n")), "{}", asked[0].head);
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    assert_eq!(asked[0].header("idempotency-key"), Some("00112233445566778899aabbccddeeff"));
    assert_eq!(asked[0].header("authorization"), Some(&*format!("Bearer {TOKEN}")));
    assert_eq!(asked[0].header("user-agent"), Some(concat!("guarita/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(serde_json::from_slice::<Event>(&asked[0].body).unwrap(), event());
    let signatures: Vec<_> = asked.iter().map(|asked| asked.header("x-guarita-signature").unwrap()).collect();
    assert!(signatures[0].starts_with("t=1700000123,v1=") && signatures[1].starts_with("t=1700000124,v1="));
    assert_eq!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"));

    let bare =
        WebhookConfig { secret: None, headers: [("user-agent".into(), "mine".into())].into(), ..config(&server.url()) };
    send(open(bare)).unwrap();
    let asked = server.asked.lock().unwrap()[2].clone();
    assert_eq!((asked.header("x-guarita-signature"), asked.header("user-agent")), (None, Some("mine")));
}

/// The example of the documentation, as it stands there.
#[test]
fn pythons_hmac_agrees() {
    let python = |script: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new("python3");
        command.arg("-c").arg(script).args(arguments).output()
    };
    if python("", &[]).is_err() {
        return println!("skipped: no python3");
    }
    let docs = include_str!("../src/sink.rs");
    let code = docs.split_once("/// ```python\n").unwrap().1.split_once("/// ```").unwrap().0;
    let code: String =
        code.lines().map(|line| format!("{}\n", line.trim_start_matches("///").replacen(' ', "", 1))).collect();
    let server = Server::start(|_, _| status(200));
    deliver(&server.url()).unwrap();
    let asked = server.asked.lock().unwrap()[0].clone();
    let script = format!("{code}\nimport sys\nprint(is_genuine(sys.argv[1], sys.argv[2], sys.argv[3].encode()))");
    let (header, body) = (asked.header("x-guarita-signature").unwrap(), String::from_utf8(asked.body.clone()).unwrap());
    for (secret, header, body, expected) in [
        (SECRET, header.to_owned(), body.clone(), "True"),
        ("another secret", header.to_owned(), body.clone(), "False"),
        (SECRET, header.to_owned(), body.replace("gate-7", "gate-8"), "False"),
        (SECRET, header.replacen("t=1", "t=2", 1), body, "False"),
    ] {
        let run = python(&script, &[secret, &header, &body]).unwrap();
        assert_eq!(String::from_utf8_lossy(&run.stdout).trim(), expected, "{}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn every_answer_says_what_to_do() {
    for (answer, expected) in [
        (400, (ErrorCode::InvalidArgument, Advice::Never)),
        (401, (ErrorCode::PermissionDenied, Advice::ChangeConfig)),
        (404, (ErrorCode::NotFound, Advice::ChangeConfig)),
        (408, LATER),
        (413, (ErrorCode::InvalidArgument, Advice::Never)),
        (425, LATER),
        (429, (ErrorCode::RateLimited, Advice::RetryLater)),
        (500, LATER),
        (503, LATER),
    ] {
        let server = Server::start(move |_, _| status(answer));
        assert_eq!(refused(&deliver(&server.url()).unwrap_err()), expected, "{answer}");
        assert_eq!(server.count(), 1, "{answer}: the sink itself tries once");
    }
    let server = Server::start(|n, _| status(if n == 0 { 200 } else { 299 }));
    deliver(&server.url()).unwrap();
    deliver(&server.url()).unwrap();
}

/// One request for each event, also where it is given several: it stops at the first that is refused, and says which one.
#[test]
fn a_batch_stops_where_the_receiver_does() {
    let server = Server::start(|n, _| status(if n == 2 { 413 } else { 200 }));
    let mut sink = open(config(&server.url()));
    let batch = vec![Delivery::Event(Arc::new(event())); 5];
    let error = sink.deliver(&batch).unwrap_err();
    assert_eq!((error.durable(), error.is_about_next(), error.error().advice()), (2, true, Advice::Never));
    assert_eq!((server.count(), sink.max_batch()), (3, 1));
    sink.deliver(&batch[3..]).unwrap();
    sink.deliver(&[]).unwrap();
    assert_eq!(server.count(), 5);
}

#[test]
fn an_asked_wait_is_passed_on() {
    for (value, expected) in [("7", Some(7)), ("86400", Some(60)), ("soon", None)] {
        let server = Server::start(move |_, _| status(503).with("retry-after", value));
        let error = deliver(&server.url()).unwrap_err();
        let asked = error.source().and_then(|cause| cause.downcast_ref::<RetryAfter>()).map(|asked| asked.0.as_secs());
        assert_eq!(asked, expected, "{value}");
    }
}

#[test]
fn redirects_are_not_followed() {
    let other = Server::start(|_, _| status(200));
    let place = format!("{}/elsewhere", other.url());
    for answer in [301, 302, 303, 307, 308] {
        let place = place.clone();
        let server = Server::start(move |_, _| status(answer).with("location", &place));
        let error = deliver(&server.url()).unwrap_err();
        assert_eq!(refused(&error), (ErrorCode::Unsupported, Advice::ChangeConfig), "{error}");
    }
    assert_eq!(other.count(), 0);
}

#[test]
fn no_answer_is_bounded_in_time() {
    let server = Server::start(|_, _| Act::Hang);
    let begun = Instant::now();
    let error = send(open(WebhookConfig { timeout_s: 0.3, ..config(&server.url()) })).unwrap_err();
    assert_eq!(refused(&error), (ErrorCode::DeadlineExceeded, Advice::RetryLater), "{error}");
    assert!((0.3..5.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    // A server that lets nobody in, with its place taken.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let begun = Instant::now();
    let error = send(open(WebhookConfig { timeout_s: 0.3, ..config(&format!("http://{address}")) }));
    assert_eq!(refused(&error.unwrap_err()).0, ErrorCode::DeadlineExceeded);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_endless_body_costs_neither_time_nor_memory() {
    let written = Arc::new(AtomicUsize::new(0));
    let server = Server::start({
        let written = Arc::clone(&written);
        move |_, _| Act::Endless(200, Arc::clone(&written))
    });
    let begun = Instant::now();
    deliver(&server.url()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(written.load(Ordering::Relaxed) < 32 << 20);
}

#[test]
fn answers_that_are_none_are_tried_again() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"SSH-2.0-OpenSSH_9.7\r\n",
        b"\x00\xff\x16\x03\x01 \x1b[31m\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nnot a header\r\n\r\n",
    ] {
        let error = deliver(&raw(bytes)).expect_err(&bytes.escape_ascii().to_string());
        assert_eq!(refused(&error), LATER, "{}: {error}", bytes.escape_ascii());
        assert!(!error.to_string().contains(char::is_control));
    }
    // The status has come, and the rest does not matter.
    deliver(&raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")).unwrap();
    deliver(&raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")).unwrap();
    let large: &'static [u8] = [b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &vec![b'y'; 4 << 20]].concat().leak();
    assert_eq!(refused(&deliver(&raw(large)).unwrap_err()), LATER);
    // Nobody there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(refused(&deliver(&format!("http://{address}")).unwrap_err()), LATER);
    let error = deliver("http://no-such-host.invalid").unwrap_err();
    assert!(matches!(error.code(), ErrorCode::Unavailable | ErrorCode::DeadlineExceeded), "{error}");
    refused(&error);
}

/// A server with a certificate for `localhost`; also the certificate.
fn with_tls() -> (SocketAddr, String) {
    use rustls::pki_types::PrivatePkcs8KeyDer;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let server = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let server = Arc::new(server);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&server)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            if stream.read(&mut [0; 65_536]).is_ok_and(|count| count > 0) {
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
            }
        }
    });
    (address, made.cert.pem())
}

#[test]
fn over_tls_only_who_is_trusted_gets_an_event() {
    let (address, pem) = with_tls();
    let folder = std::env::temp_dir().join(format!("guarita-webhook-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let ca_file = folder.join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let of = |host: &str| WebhookConfig {
        ca_file: Some(ca_file.clone()),
        ..config(&format!("https://{host}:{}", address.port()))
    };
    send(open(of("localhost"))).unwrap();
    // Another name, an unknown authority, and nobody who speaks TLS.
    let error = send(open(of("127.0.0.1"))).unwrap_err();
    assert_eq!(refused(&error), LATER, "{error}");
    if let Ok(sink) = WebhookSink::open(WebhookConfig { ca_file: None, ..of("localhost") }) {
        let error = send(sink).unwrap_err();
        assert_eq!(refused(&error), LATER);
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    let plain = raw(b"HTTP/1.1 200 OK\r\n\r\n").replace("http:", "https:");
    let error = send(open(WebhookConfig { url: plain, ..of("localhost") })).unwrap_err();
    assert_eq!(refused(&error), LATER, "{error}");
    // Files that say nothing.
    for content in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA",
    ] {
        std::fs::write(&ca_file, content).unwrap();
        let error = WebhookSink::open(of("localhost")).unwrap_err();
        assert!(error.code() == ErrorCode::InvalidConfig && error.to_string().starts_with("ca_file"), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(WebhookSink::open(of("localhost")).unwrap_err().code(), ErrorCode::NotFound);
}

#[test]
fn connections_are_kept() {
    let connections = Arc::new(AtomicUsize::new(0));
    let server = Server::start(|_, _| status(200));
    let upstream = server.address;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            let (here, there) = (stream.unwrap(), TcpStream::connect(upstream).unwrap());
            let (mut from, mut to) = (here.try_clone().unwrap(), there.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || std::io::copy(&mut &there, &mut &here));
        }
    });
    let mut sink = open(config(&format!("http://{address}")));
    sink.deliver(&vec![Delivery::Event(Arc::new(event())); 5]).unwrap();
    assert_eq!((server.count(), connections.load(Ordering::Relaxed)), (5, 1));
}

#[test]
fn configs_are_checked_and_keep_their_secrets() {
    let good = || config("https://alarms.example.org:8443");
    good().validate().unwrap();
    let header = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    for (config, field) in [
        (WebhookConfig::default(), "url is missing"),
        (WebhookConfig { url: "alarms.example.org/x".into(), ..good() }, "url"),
        (WebhookConfig { url: "/x".into(), ..good() }, "url"),
        (WebhookConfig { url: "ftp://alarms.example.org".into(), ..good() }, "url"),
        (WebhookConfig { url: format!("https://me:{TOKEN}@alarms.example.org"), ..good() }, "url has a user name"),
        (WebhookConfig { url: "https://a b".into(), ..good() }, "url is no URL"),
        (WebhookConfig { url: "https://".into(), ..good() }, "url"),
        (WebhookConfig { url: "https://:80/".into(), ..good() }, "url"),
        (WebhookConfig { url: "https://ünï.example.org".into(), ..good() }, "url"),
        (WebhookConfig { headers: header("a b", "c"), ..good() }, "headers"),
        (WebhookConfig { headers: header("", "c"), ..good() }, "headers"),
        (WebhookConfig { headers: header("A", &format!("{TOKEN}\r\nHost: b")), ..good() }, "headers.A"),
        (WebhookConfig { headers: header("Content-Length", "0"), ..good() }, "headers"),
        (WebhookConfig { headers: header("X-Guarita-Signature", "0"), ..good() }, "headers"),
        (WebhookConfig { secret: Some("short".into()), ..good() }, "secret"),
        (WebhookConfig { timeout_s: f64::NAN, ..good() }, "timeout_s"),
        (WebhookConfig { timeout_s: 0.0, ..good() }, "timeout_s"),
        (WebhookConfig { timeout_s: 601.0, ..good() }, "timeout_s"),
    ] {
        let error = WebhookSink::open(config.clone()).unwrap_err();
        refused(&error);
        assert!(error.code() == ErrorCode::InvalidConfig && error.to_string().starts_with(field), "{field}: {error}");
        let shown = format!("{config:?}");
        assert!(!shown.contains(TOKEN) && !shown.contains(SECRET), "{shown}");
    }
    let shown = format!("{:?} {:?}", good(), open(config("http://127.0.0.1:1")));
    assert!(!shown.contains(TOKEN) && !shown.contains(SECRET), "{shown}");
    assert!(shown.contains("https://alarms.example.org:8443") && shown.contains("Authorization"), "{shown}");
    assert!(serde_json::from_str::<WebhookConfig>(r#"{"retries": 1}"#).is_err());
}

#[test]
fn settings_name_it_by_its_kind() {
    let text = format!(r#"{{"kind": "webhook", "url": "https://a/b", "secret": "{SECRET}"}}"#);
    let read: SinkConfig = serde_json::from_str(&text).unwrap();
    let registry = Registry::new().with(register).unwrap();
    let checked = registry.check_sink(&read).unwrap();
    assert_eq!(serde_json::from_str::<SinkConfig>(&serde_json::to_string(&checked).unwrap()).unwrap(), checked);
    assert_eq!(checked.fields["timeout_s"], 10.0);
    assert!(!format!("{read:?} {checked:?}").contains(SECRET));
    assert_eq!(registry.open_sink(&read).unwrap().max_batch(), 1);
    let misspelt = serde_json::from_str::<SinkConfig>(&text.replace("secret", "secrte")).unwrap();
    let error = registry.check_sink(&misspelt).unwrap_err();
    assert!(error.code() == ErrorCode::InvalidConfig && error.to_string().contains("secrte"), "{error}");

    // By the name of its type; what is wrong is named as data.
    for (fields, field, limit) in [
        (r#"{"url": "ftp://h"}"#, "url", None),
        (r#"{"url": "https://h", "timeout_s": 601}"#, "timeout_s", Some(600.0)),
        (r#"{"url": "https://h", "secret": "short"}"#, "secret", Some(16.0)),
        (r#"{"url": "https://h", "headers": {"Host": "i"}}"#, "headers.Host", None),
    ] {
        let error = registry.check_config("WebhookConfig", fields).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidConfig, "{fields}: {error}");
        assert_eq!((error.context().field(), error.context().limit()), (Some(field), limit), "{fields}: {error}");
    }

    let error = Registry::new().check_sink(&read).unwrap_err();
    assert!(error.to_string().contains("guarita-webhook"), "the core says which package brings it: {error}");
    assert_eq!(Registry::new().check_config("WebhookConfig", "{}").unwrap_err().code(), ErrorCode::InvalidArgument);
}

//! An HTTP server on this machine that answers as a test says, and a proxy that spoils what passes through it.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, clippy::disallowed_methods, reason = "a test")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let of_name = |line: &&str| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        self.head.lines().find(of_name).map(|line| line.split_once(':').unwrap().1.trim())
    }

    pub(crate) fn operation(&self) -> &str {
        self.header("x-amz-target").unwrap_or_default().rsplit('.').next().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The picture in the request.
    pub(crate) fn picture(&self) -> Vec<u8> {
        from_base64(self.json()["Image"]["Bytes"].as_str().unwrap())
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Says nothing until the test ends.
    Hang,
    /// A body in chunks that never ends, and how many of its bytes could be written.
    Endless(u16, Arc<AtomicUsize>),
}

impl Act {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::Answer {
            status: 200,
            headers: vec![("content-type", "application/x-amz-json-1.1".into())],
            body: body.into(),
        }
    }

    /// An error as Rekognition answers it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = format!("{{\"__type\":\"{code}\",\"Message\":\"because\"}}");
        Self::Answer { status, headers: vec![("content-type", "application/x-amz-json-1.1".into())], body }
    }

    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name, value.into()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

/// Ends with the value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(act: impl Fn(usize, &Asked) -> Act + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (record, ended, count) = (Arc::clone(&asked), Arc::clone(&over), AtomicUsize::new(0));
        let address = listen(Arc::clone(&over), move |stream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while let Some(request) = read_message(&mut reader) {
                let n = count.fetch_add(1, Ordering::Relaxed);
                record.lock().unwrap().push(request.clone());
                match act(n, &request) {
                    Act::Answer { status, headers, body } => {
                        if (&stream).write_all(&answer(status, &headers, body.as_bytes(), body.len())).is_err() {
                            return;
                        }
                    }
                    Act::Hang => wait_for(&ended),
                    Act::Endless(status, written) => return endless(&stream, status, &written, &ended),
                }
            }
        });
        Self { address, asked, over }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// How the proxy spoils one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    None,
    Latency(Duration),
    /// The connection is reset while the request is being sent.
    Reset,
    /// The connection stays open, and nothing is ever answered.
    HalfOpen,
    /// An answer of the proxy's own.
    Status(u16, &'static str),
    /// Half the body of the true answer, and the end.
    Truncated,
    /// The body is shorter than `content-length` says.
    LengthTooLarge,
    /// The body is longer than `content-length` says.
    LengthTooSmall,
}

/// Passes requests on to another server, each spoiled by the next fault; without one, as it is.
pub(crate) struct FaultProxy {
    pub(crate) address: SocketAddr,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    passed: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl FaultProxy {
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        let faults = Arc::new(Mutex::new(VecDeque::new()));
        let passed = Arc::new(AtomicUsize::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let (queue, seen, ended) = (Arc::clone(&faults), Arc::clone(&passed), Arc::clone(&over));
        let address = listen(Arc::clone(&over), move |stream: TcpStream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            // A byte is here: a request begins.
            while reader.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
                seen.fetch_add(1, Ordering::Relaxed);
                let fault = queue.lock().unwrap().pop_front().unwrap_or(Fault::None);
                if matches!(fault, Fault::Reset) {
                    // Closed with bytes unread, which the system makes a reset of.
                    std::thread::sleep(Duration::from_millis(30));
                    return;
                }
                let Some(request) = read_message(&mut reader) else { return };
                let out = match fault {
                    Fault::HalfOpen => return wait_for(&ended),
                    Fault::Status(status, body) => {
                        answer(status, &[("content-type", "text/html".into())], body.as_bytes(), body.len())
                    }
                    fault => {
                        if let Fault::Latency(time) = fault {
                            std::thread::sleep(time);
                        }
                        let Some((status, headers, body)) = pass_on(upstream, &request) else { return };
                        let (sent, claimed) = match fault {
                            Fault::Truncated => (&body[..body.len() / 2], body.len()),
                            Fault::LengthTooLarge => (&body[..], body.len() + 40),
                            Fault::LengthTooSmall => (&body[..], body.len() - 5),
                            _ => (&body[..], body.len()),
                        };
                        answer(status, &headers, sent, claimed)
                    }
                };
                let spoiled = matches!(fault_of_length(&out), Some(true));
                if (&stream).write_all(&out).is_err() || spoiled {
                    return;
                }
            }
        });
        Self { address, faults, passed, over }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn next(&self, faults: &[Fault]) {
        *self.faults.lock().unwrap() = faults.iter().cloned().collect();
    }

    /// Requests since the last time this was asked.
    pub(crate) fn count(&self) -> usize {
        self.passed.swap(0, Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Whether an answer says another length than it has.
fn fault_of_length(out: &[u8]) -> Option<bool> {
    let end = out.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&out[..end]).ok()?;
    let claimed: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    Some(claimed != out.len() - end - 4)
}

fn listen(over: Arc<AtomicBool>, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let (serve, Ok(stream)) = (Arc::clone(&serve), stream) else { continue };
            let _ = stream.set_nodelay(true);
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn endless(mut stream: &TcpStream, status: u16, written: &AtomicUsize, over: &AtomicBool) {
    let head = format!("HTTP/1.1 {status} Because\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut sent = stream.write_all(head.as_bytes());
    while sent.is_ok() && !over.load(Ordering::Relaxed) {
        sent = stream.write_all(&chunk);
        written.fetch_add(0x10000, Ordering::Relaxed);
    }
}

fn wait_for(over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read_message(reader: &mut impl BufRead) -> Option<Asked> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut asked = Asked { head, body: Vec::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

fn answer(status: u16, headers: &[(&'static str, String)], body: &[u8], claimed: usize) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} Because\r\ncontent-length: {claimed}\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    [out.as_bytes(), b"\r\n", body].concat()
}

type Answered = (u16, Vec<(&'static str, String)>, Vec<u8>);

fn pass_on(upstream: SocketAddr, request: &Asked) -> Option<Answered> {
    let mut stream = TcpStream::connect(upstream).ok()?;
    let head: String = request
        .head
        .lines()
        .filter(|line| !line.to_lowercase().starts_with("connection:"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    stream.write_all(&[head.as_bytes(), b"connection: close\r\n\r\n", &request.body].concat()).ok()?;
    let got = read_message(&mut BufReader::new(stream))?;
    let status = got.head.split(' ').nth(1)?.parse().ok()?;
    let kind = got.header("content-type").unwrap_or_default().to_owned();
    Some((status, vec![("content-type", kind)], got.body))
}

pub(crate) fn from_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} in base64"),
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0_u32, |bits, &c| bits << 6 | u32::from(value(c))) << (6 * (4 - four.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    out
}

//! The sinks that need no network: callback, channel, JSON Lines, and their configs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use guarita::registry::{JsonLinesFile, Registry, SinkKind};
use guarita::{clock::*, event::*, journal::*, *};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A folder of the test's own, deleted at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("guarita-sinks-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The n-th event of a camera; `why` is padded to this length.
fn event(n: i64, padding: usize) -> Event {
    let camera = "gate-7";
    let value = serde_json::json!({
        "id": format!("{n:032x}"), "camera": camera, "trigger": "person", "pts_ns": n, "time": 1_700_000_000 + n,
        "why": "x".repeat(padding), "objects": [], "frame": {"width": 640, "height": 480},
    });
    serde_json::from_value(value).unwrap()
}

fn batch(events: impl IntoIterator<Item = Event>) -> Vec<Delivery> {
    events.into_iter().map(|event| Delivery::Event(Arc::new(event))).collect()
}

fn deliver(sink: &mut dyn Sink, event: Event) -> Result<()> {
    sink.deliver(&batch([event])).map_err(DeliveryError::into_error)
}

/// The times of the events in a file, each of whose lines is one.
fn read(path: &Path) -> Vec<i64> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{} ends in the middle of a line", path.display());
    text.lines().map(|line| serde_json::from_str::<Event>(line).expect(line).pts.as_nanos()).collect()
}

fn open(path: &Path, config: JsonLinesConfig) -> JsonLinesSink {
    JsonLinesSink::open(path, config).unwrap()
}

fn small(keep: u32) -> JsonLinesConfig {
    JsonLinesConfig { max_bytes: 4096, keep, fsync: Fsync::Never }
}

#[test]
fn callback_and_channel() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut sink = CallbackSink::new(move |event: &Event| sender.send(event.clone()).unwrap());
    deliver(&mut sink, event(1, 0)).unwrap();
    assert_eq!(receiver.recv().unwrap(), event(1, 0));

    let (mut sink, events) = ChannelSink::new(2);
    assert!(events.try_recv().unwrap().is_none());
    assert_eq!(events.recv_timeout(Duration::ZERO).unwrap_err().code(), ErrorCode::DeadlineExceeded);
    deliver(&mut sink, event(1, 0)).unwrap();
    deliver(&mut sink, event(2, 0)).unwrap();
    let full = deliver(&mut sink, event(3, 0)).unwrap_err();
    assert_eq!((full.code(), full.advice()), (ErrorCode::Overloaded, Advice::RetryLater));
    assert_eq!(events.recv().unwrap(), event(1, 0));
    deliver(&mut sink, event(3, 0)).unwrap();
    assert_eq!(events.recv_timeout(Duration::MAX).unwrap(), event(2, 0));
    drop(sink);
    assert_eq!(events.collect::<Vec<_>>(), [event(3, 0)]);

    let (sink, events) = ChannelSink::new(usize::MAX);
    drop(sink);
    assert_eq!(events.recv().unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!(events.try_recv().unwrap_err().code(), ErrorCode::Cancelled);
    let (mut sink, events) = ChannelSink::new(0);
    deliver(&mut sink, event(1, 0)).unwrap();
    drop(events);
    let gone = deliver(&mut sink, event(2, 0)).unwrap_err();
    assert_eq!((gone.code(), gone.advice()), (ErrorCode::Cancelled, Advice::Never));
}

#[test]
fn lines_are_added_and_read_back() {
    let folder = Folder::new("lines");
    let path = folder.file("events.jsonl");
    let mut sink = open(&path, JsonLinesConfig::default());
    for n in 0..3 {
        deliver(&mut sink, event(n, 10)).unwrap();
    }
    // In the file already: a crash of the process loses nothing.
    assert_eq!(read(&path), [0, 1, 2]);
    drop(sink);
    deliver(&mut open(&path, JsonLinesConfig { fsync: Fsync::Always, ..JsonLinesConfig::default() }), event(3, 0))
        .unwrap();
    assert_eq!(read(&path), [0, 1, 2, 3]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn full_files_are_put_aside_and_the_oldest_deleted() {
    let folder = Folder::new("rotation");
    let path = folder.file("events.jsonl");
    let mut sink = open(&path, small(2));
    // Two fit into a file.
    for n in 0..10 {
        deliver(&mut sink, event(n, 1_500)).unwrap();
    }
    assert_eq!(folder.names(), ["events.1.jsonl", "events.2.jsonl", "events.jsonl"]);
    assert_eq!(read(&path), [8, 9]);
    assert_eq!(read(&folder.file("events.1.jsonl")), [6, 7]);
    assert_eq!(read(&folder.file("events.2.jsonl")), [4, 5]);
    // Larger than a file may be: in one of its own.
    for n in 10..12 {
        deliver(&mut sink, event(n, 10_000)).unwrap();
    }
    assert_eq!((read(&path), read(&folder.file("events.1.jsonl"))), (vec![11], vec![10]));

    let bare = folder.file("bare");
    let mut sink = open(&bare, small(1));
    (0..3).for_each(|n| deliver(&mut sink, event(n, 3_000)).unwrap());
    assert_eq!((read(&bare), read(&folder.file("bare.1"))), (vec![2], vec![1]));
    let mut sink = open(&folder.file("none.jsonl"), small(0));
    (0..3).for_each(|n| deliver(&mut sink, event(n, 3_000)).unwrap());
    assert_eq!(read(&folder.file("none.jsonl")), [2]);
    assert!(!folder.file("none.1.jsonl").exists());
}

#[test]
fn a_gap_left_by_a_try_that_stopped_halfway_costs_no_file() {
    let folder = Folder::new("gap");
    let path = folder.file("events.jsonl");
    let mut sink = open(&path, small(3));
    (0..4).for_each(|n| deliver(&mut sink, event(n, 3_000)).unwrap());
    // As if .2 had become .3 already, and then the disk had said no.
    fs::remove_file(folder.file("events.3.jsonl")).unwrap();
    fs::rename(folder.file("events.2.jsonl"), folder.file("events.3.jsonl")).unwrap();
    deliver(&mut sink, event(4, 3_000)).unwrap();
    let aside = |n| read(&folder.file(&format!("events.{n}.jsonl")));
    assert_eq!((read(&path), aside(1), aside(2), aside(3)), (vec![4], vec![3], vec![2], vec![1]));
}

#[test]
fn the_end_that_a_crash_left_is_mended() {
    let folder = Folder::new("torn");
    let path = folder.file("events.jsonl");
    let whole = |n| serde_json::to_string(&event(n, 20)).unwrap();
    let half = &whole(1)[..60];
    for (tail, expected) in [
        (String::new(), vec![0, 9]),
        (half.to_owned(), vec![0, 9]),
        ("{".to_owned(), vec![0, 9]),
        (whole(1), vec![0, 1, 9]),
        // A power cut: the length is on the disk, the bytes are not.
        ("\0".repeat(500), vec![0, 9]),
        (format!("{half}\0\0\0"), vec![0, 9]),
        (format!("{}\0\0\0", whole(1)), vec![0, 1, 9]),
        (whole(1)[..whole(1).len() - 1].to_owned(), vec![0, 9]),
        // Longer than a block.
        (format!("{{\"id\":\"{}", "y".repeat(200_000)), vec![0, 9]),
    ] {
        fs::write(&path, format!("{}\n{tail}", whole(0))).unwrap();
        deliver(&mut open(&path, JsonLinesConfig::default()), event(9, 0)).unwrap();
        assert_eq!(read(&path), expected, "{:.80}", tail);
    }
    // Without any whole line.
    fs::write(&path, half).unwrap();
    deliver(&mut open(&path, JsonLinesConfig::default()), event(9, 0)).unwrap();
    assert_eq!(read(&path), [9]);
}

#[test]
fn what_is_no_file_of_events_is_not_touched() {
    let folder = Folder::new("foreign");
    let path = folder.file("photo.raw");
    for content in ["not ours".to_owned(), "a\nb".into(), "z".repeat(300_000), "{\"name\": 1}".into()] {
        fs::write(&path, &content).unwrap();
        let error = JsonLinesSink::open(&path, JsonLinesConfig::default()).unwrap_err();
        assert_eq!((error.code(), error.advice()), (ErrorCode::DataCorrupt, Advice::ChangeConfig), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    let error = JsonLinesSink::open(&folder.0, JsonLinesConfig::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let error = JsonLinesSink::open(folder.file("no/such/folder"), JsonLinesConfig::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    #[cfg(unix)]
    for device in ["/dev/full", "/dev/null"] {
        let error = JsonLinesSink::open(device, JsonLinesConfig::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
    }
}

#[test]
#[cfg(unix)]
fn one_file_has_one_writer() {
    let folder = Folder::new("lock");
    let path = folder.file("events.jsonl");
    let mut sink = open(&path, small(2));
    let error = JsonLinesSink::open(&path, small(2)).unwrap_err();
    assert_eq!((error.code(), error.advice()), (ErrorCode::InvalidState, Advice::ChangeConfig));
    // Also after it has become another file.
    (0..3).for_each(|n| deliver(&mut sink, event(n, 3_000)).unwrap());
    assert_eq!(JsonLinesSink::open(&path, small(2)).unwrap_err().code(), ErrorCode::InvalidState);
    drop(sink);
    open(&path, small(2));
}

#[test]
#[cfg(unix)]
fn a_file_that_others_move_empty_or_delete_is_found_again() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("moved");
    let path = folder.file("events.jsonl");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let mut sink = open(&path, JsonLinesConfig::default());
    let mut next = 0..;
    let mut deliver_next = |sink: &mut JsonLinesSink| deliver(sink, event(next.next().unwrap(), 0));
    deliver_next(&mut sink).unwrap();
    fs::rename(&path, folder.file("moved.jsonl")).unwrap();
    deliver_next(&mut sink).unwrap();
    assert_eq!((read(&path), read(&folder.file("moved.jsonl"))), (vec![1], vec![0]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "readable by who could read it");
    // As `logrotate` does with `create`.
    fs::rename(&path, folder.file("moved.jsonl")).unwrap();
    fs::write(&path, "").unwrap();
    deliver_next(&mut sink).unwrap();
    assert_eq!((read(&path), read(&folder.file("moved.jsonl"))), (vec![2], vec![1]));
    fs::remove_file(&path).unwrap();
    deliver_next(&mut sink).unwrap();
    assert_eq!(read(&path), [3]);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    deliver_next(&mut sink).unwrap();
    assert_eq!(read(&path), [4]);
    // The folder goes, and comes back.
    let away = folder.file("away");
    fs::create_dir(&away).unwrap();
    let path = away.join("events.jsonl");
    let mut sink = open(&path, JsonLinesConfig::default());
    deliver(&mut sink, event(0, 0)).unwrap();
    fs::remove_dir_all(&away).unwrap();
    for _ in 0..2 {
        let error = deliver(&mut sink, event(1, 0)).unwrap_err();
        assert_eq!((error.code(), error.advice()), (ErrorCode::NotFound, Advice::RetryLater), "{error}");
    }
    fs::create_dir(&away).unwrap();
    deliver(&mut sink, event(1, 0)).unwrap();
    assert_eq!(read(&path), [1]);
}

/// In a process of its own, under a limit of the system on the length of files: writes stop in the middle of a line.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_no_half_lines() {
    const INSIDE: &str = "GUARITA_TEST_FULL_DISK";
    #[expect(clippy::disallowed_methods, reason = "this test calls itself")]
    if let Some(path) = std::env::var_os(INSIDE) {
        return inside(Path::new(&path));
    }
    fn inside(path: &Path) {
        let mut sink = open(path, JsonLinesConfig { fsync: Fsync::Always, ..JsonLinesConfig::default() });
        let mut taken = Vec::new();
        let mut refused = 0;
        for n in 0..40 {
            match deliver(&mut sink, event(n, if n < 20 { 700 } else { n as usize % 7 * 60 })) {
                Ok(()) => taken.push(n),
                Err(error) => {
                    assert_eq!((error.code(), error.advice()), (ErrorCode::ResourceExhausted, Advice::RetryLater));
                    refused += 1;
                }
            }
            // At every instant, whoever reads finds whole lines.
            assert_eq!(read(path), taken);
        }
        assert!(refused > 10 && taken.len() > 5, "{refused} refused, {taken:?}");
        // Room again.
        OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
        deliver(&mut sink, event(99, 0)).unwrap();
        assert_eq!(read(path), [99]);
    }
    let folder = Folder::new("full");
    // 8 KiB, and an error in place of the signal.
    let run = std::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -f 16 && trap '' XFSZ && exec \"$0\" --exact a_full_disk_leaves_no_half_lines --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, folder.file("events.jsonl"))
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && told.contains("1 passed"), "{told}");
}

/// Killed at any time, what was delivered is there, and the file can be opened again.
#[test]
#[cfg(unix)]
fn killed_in_the_middle() {
    const INSIDE: &str = "GUARITA_TEST_KILLED";
    #[expect(clippy::disallowed_methods, reason = "this test calls itself")]
    if let Some(path) = std::env::var_os(INSIDE) {
        let mut sink = open(Path::new(&path), JsonLinesConfig { fsync: Fsync::Never, ..JsonLinesConfig::default() });
        for n in 0.. {
            deliver(&mut sink, event(n, 5_000)).unwrap();
            println!("delivered {n}");
        }
    }
    use std::io::{BufRead, BufReader};
    let folder = Folder::new("killed");
    let path = folder.file("events.jsonl");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_in_the_middle", "--nocapture"])
        .env(INSIDE, &path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let last =
        lines.by_ref().filter_map(|line| line.rsplit_once("delivered ")?.1.parse::<i64>().ok()).nth(200).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let last = lines.filter_map(|line| line.rsplit_once("delivered ")?.1.parse().ok()).last().unwrap_or(last);
    // Torn further by hand: the system rarely stops in the middle of a write.
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"id\":\"00").unwrap();
    deliver(&mut open(&path, JsonLinesConfig::default()), event(-1, 0)).unwrap();
    let found = read(&path);
    let (end, found) = found.split_last().unwrap();
    assert_eq!(*end, -1);
    assert!(found.iter().copied().eq(0..found.len() as i64), "each once and in order");
    assert!(found.len() as i64 > last, "{} lines, but {last} was delivered", found.len());
}

#[test]
fn fsync_every_so_often_is_by_the_clock() {
    let folder = Folder::new("clock");
    let clock = Arc::new(ManualClock::default());
    let config = JsonLinesConfig { fsync: Fsync::Every { seconds: 1.0 }, ..JsonLinesConfig::default() };
    let mut sink = open(&folder.file("events.jsonl"), config).with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    for n in 0..3 {
        deliver(&mut sink, event(n, 0)).unwrap();
        clock.advance(Duration::MAX);
    }
    assert_eq!(read(&folder.file("events.jsonl")), [0, 1, 2]);
}

#[test]
fn configs_are_checked() {
    let good = JsonLinesConfig::default;
    good().validate().unwrap();
    for (config, field) in [
        (JsonLinesConfig { max_bytes: 4095, ..good() }, "max_bytes"),
        (JsonLinesConfig { max_bytes: u64::MAX, ..good() }, "max_bytes"),
        (JsonLinesConfig { keep: 1001, ..good() }, "keep"),
        (JsonLinesConfig { fsync: Fsync::Every { seconds: f64::NAN }, ..good() }, "fsync"),
    ] {
        for error in
            [config.validate().unwrap_err(), JsonLinesSink::open("/nowhere/at/all", config.clone()).unwrap_err()]
        {
            assert_eq!(error.code(), ErrorCode::InvalidConfig);
            assert!(error.to_string().starts_with(field), "{error}");
        }
        let error = JsonLinesFile { path: "x".into(), options: config }.open().err().unwrap();
        assert!(error.to_string().starts_with(&format!("options.{field}")), "{error}");
    }
    let registry = Registry::new();
    let read = |text: &str| registry.check_config("SinkConfig", text);
    for text in [
        r#"{"kind": "json-lines", "path": "x", "kep": 1}"#,
        r#"{"kind": "json-lines", "path": "x", "options": {"kep": 1}}"#,
        r#"{"kind": "json-lines"}"#,
        r#"{"kind": "pigeon", "path": "x"}"#,
        r#"{"path": "x"}"#,
        r#"{"kind": "json-lines", "path": ""}"#,
    ] {
        assert_eq!(read(text).unwrap_err().code(), ErrorCode::InvalidConfig, "{text}");
    }
    let folder = Folder::new("config");
    let path = folder.file("events.jsonl");
    let config = SinkConfig::of(&JsonLinesFile { path: path.clone(), options: small(1) }).unwrap();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<SinkConfig>(&read(&text).unwrap()).unwrap(), config);
    deliver(&mut *registry.open_sink(&config).unwrap(), event(1, 0)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
}

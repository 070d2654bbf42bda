//! Events into a real PostgreSQL, alone and in batches, also when it is stopped and started in between. The server's programs
//! are looked for in `/usr/lib/postgresql`; where there are none, the tests say so and pass.

use super::{Folder, event};
use guarita::event::{Delivery, DeliveryError, Firing, OutletConfig, OutletStats, Scene};
use guarita::frame::{FrameMeta, Layout};
use guarita::resilience::RetryConfig;
use guarita::testkit::{BehaviourReport, FakeProvider, Outcome, SinkSetup, check_sink};
use guarita::{CameraConfig, Error, ErrorCode, Event, Frame, Pipeline, PixelFormat, Sink, Size, Timestamp, Trigger};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(600);

fn programs() -> Option<PathBuf> {
    let mut versions: Vec<_> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.map(|entry| entry.unwrap().path().join("bin")).collect();
    versions.retain(|folder| ["initdb", "pg_ctl", "psql"].iter().all(|program| folder.join(program).exists()));
    versions.sort();
    versions.pop()
}

fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A server of the test's own, reached by a socket in its folder.
struct Server {
    programs: PathBuf,
    folder: Folder,
}

impl Server {
    /// None where the programs are missing.
    fn start(name: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: no PostgreSQL in /usr/lib/postgresql");
            return None;
        };
        let server = Self { programs, folder: Folder::new(name) };
        if is_root() {
            output(Command::new("chown").arg("postgres").arg(&server.folder.0));
        }
        output(
            server
                .command("initdb")
                .args(["--username=postgres", "--auth=trust", "--no-sync", "-D"])
                .arg(server.data()),
        );
        server.up();
        server.ask("CREATE TABLE events (id text PRIMARY KEY, at bigserial, body json NOT NULL)");
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    /// As the user that a server may run as: it refuses to be root's.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder.0).stdin(Stdio::null());
        if is_root() {
            let number = |option: &str| {
                let told = output(Command::new("id").args([option, "postgres"]));
                String::from_utf8(told.stdout).unwrap().trim().parse().unwrap()
            };
            command.uid(number("-u")).gid(number("-g"));
        }
        command
    }

    fn control(&self, arguments: &[&str]) {
        // Nobody waits for what the server itself would write.
        let mut command = self.command("pg_ctl");
        command.arg("-D").arg(self.data()).arg("-w").args(arguments);
        assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(), "{command:?}");
    }

    fn up(&self) {
        let options = format!("-k {} -c listen_addresses=''", self.folder.0.display());
        let log = self.folder.0.join("log");
        self.control(&["-l", log.to_str().unwrap(), "-o", &options, "start"]);
    }

    /// As a crash of it: nothing is finished.
    fn down(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    fn psql(&self) -> Command {
        psql(&self.programs, &self.folder.0)
    }

    fn ask(&self, sql: &str) -> String {
        String::from_utf8(output(self.psql().args(["-c", sql])).stdout).unwrap().trim().to_owned()
    }

    fn sink(&self) -> Postgres {
        Postgres { programs: self.programs.clone(), socket: self.folder.0.clone(), session: None }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be down.
        let _ = self.command("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "stop"]).output();
    }
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).stdout.trim_ascii() == b"0"
}

fn psql(programs: &Path, socket: &Path) -> Command {
    let mut command = Command::new(programs.join("psql"));
    command
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-h"])
        .arg(socket);
    command
}

/// A sink of the host's: each batch is one statement, and so one commit. The key drops what comes twice.
struct Postgres {
    programs: PathBuf,
    socket: PathBuf,
    session: Option<(Child, BufReader<ChildStdout>)>,
}

impl Postgres {
    fn run(&mut self, sql: &str) -> std::io::Result<()> {
        if self.session.is_none() {
            let mut command = psql(&self.programs, &self.socket);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
            let answers = BufReader::new(child.stdout.take().expect("a pipe"));
            self.session = Some((child, answers));
        }
        let (child, answers) = self.session.as_mut().expect("just opened");
        let input = child.stdin.as_mut().expect("a pipe");
        input.write_all(format!("{sql};\n\\echo committed\n").as_bytes())?;
        input.flush()?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        if answer.trim() == "committed" { Ok(()) } else { Err(std::io::Error::other("the session has ended")) }
    }

    fn end(&mut self) {
        if let Some((mut child, _)) = self.session.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Sink for Postgres {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        if batch.is_empty() {
            return Ok(());
        }
        let row = |delivery: &Delivery| {
            let body = serde_json::to_string(delivery).expect("plain data").replace('\'', "''");
            format!("('{}', '{body}')", delivery.id())
        };
        let rows: Vec<_> = batch.iter().map(row).collect();
        let sql = format!("INSERT INTO events (id, body) VALUES {} ON CONFLICT (id) DO NOTHING", rows.join(", "));
        self.run(&sql).map_err(|error| {
            self.end();
            Error::new(ErrorCode::Unavailable, format!("no PostgreSQL: {error}")).into()
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
    }
}

struct Setup(Server);

impl SinkSetup for Setup {
    fn open(&self) -> Box<dyn Sink> {
        Box::new(self.0.sink())
    }

    fn received(&self) -> Vec<String> {
        self.0.ask("SELECT id FROM events ORDER BY at").lines().map(str::to_owned).collect()
    }

    fn set_reachable(&self, reachable: bool) -> bool {
        if reachable {
            self.0.up()
        } else {
            self.0.down()
        }
        true
    }
}

#[test]
fn a_sink_of_a_few_lines_keeps_the_rules() {
    let Some(server) = Server::start("rules") else { return };
    let report: BehaviourReport = check_sink("postgres", &Setup(server));
    assert!(report.checks.iter().all(|check| check.outcome == Outcome::Passed), "{report}");
}

/// Waits with the first batch until all events wait behind it.
struct Held(Postgres, Option<Receiver<()>>);

impl Sink for Held {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        if let Some(begin) = self.1.take() {
            begin.recv().unwrap();
        }
        self.0.deliver(batch)
    }
}

/// Fires at every frame.
struct Always;

impl Trigger for Always {
    fn observe(&mut self, _: &Scene<'_>) -> Option<Firing> {
        let event = event(0);
        let like: &Event = event.event().unwrap();
        Some(Firing::new(like.why.clone(), like.objects.clone()))
    }
}

/// What a course came to.
struct Course {
    seconds: f64,
    lost: usize,
    twice: usize,
    stats: OutletStats,
}

/// So many events through a pipeline into the database; where it is said, that is stopped when a quarter is there, and
/// started again.
fn course(server: &Server, events: usize, max_batch: usize, interrupted: bool) -> Course {
    server.ask("TRUNCATE events");
    let (begin, begins) = channel();
    // More than the outage takes.
    let retry = RetryConfig { attempts: 100, base_s: 0.05, cap_s: 0.5, bucket: 1_000_000, ..RetryConfig::default() };
    let outlet = OutletConfig { capacity: events, max_batch, retry, ..OutletConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(FakeProvider::new("fake")))
        .sink_with("postgres", Box::new(Held(server.sink(), Some(begins))), outlet)
        .trigger("always", Always)
        .build()
        .unwrap();
    let mut config = CameraConfig::new("gate-7");
    (config.fps, config.motion, config.cache.capacity, config.queue.max_age_s) = (0.0, None, 0, 3600.0);
    config.host_triggers = vec!["always".into()];
    let camera = pipeline.add_camera(config).unwrap();
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(16, 16)).unwrap();
    let stats = || pipeline.stats().outlets.into_iter().find(|outlet| &*outlet.name == "postgres").unwrap();
    for ms in 0..events as i64 {
        let meta = FrameMeta { pts: Timestamp::from_millis(ms), ..FrameMeta::default() };
        let frame = Frame::from_owner(vec![100; 256], layout.clone()).unwrap().with_meta(meta);
        assert!(camera.push(frame).is_taken());
        until(|| stats().offered as i64 > ms);
    }
    let begun = Instant::now();
    begin.send(()).unwrap();
    if interrupted {
        until(|| stats().delivered as usize > events / 4);
        server.down();
        std::thread::sleep(Duration::from_millis(500));
        server.up();
    }
    until(|| stats().delivered + stats().failed + stats().dropped == events as u64);
    let seconds = begun.elapsed().as_secs_f64();
    let number = |sql: &str| server.ask(sql).parse::<usize>().unwrap();
    let (rows, ids) = (number("SELECT count(*) FROM events"), number("SELECT count(DISTINCT id) FROM events"));
    Course { seconds, lost: events - ids, twice: rows - ids, stats: stats() }
}

fn until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "it did not happen");
        std::thread::sleep(Duration::from_micros(100));
    }
}

#[test]
fn a_database_that_goes_away_and_comes_back_loses_nothing() {
    let Some(server) = Server::start("restart") else { return };
    let course = course(&server, 1_000, 20, true);
    assert_eq!((course.lost, course.twice), (0, 0), "{:?}", course.stats);
    assert_eq!((course.stats.delivered, course.stats.failed, course.stats.dropped), (1_000, 0, 0));
    assert!(course.stats.retried > 0, "{:?}", course.stats);
}

/// `cargo test --workspace --all-features --test delivery what_a_batch_is_worth -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn what_a_batch_is_worth() {
    let Some(server) = Server::start("table") else { return };
    println!("| 10,000 events | seconds | events/s | tried again | lost | twice |");
    println!("|---|---:|---:|---:|---:|---:|");
    for (max_batch, interrupted) in [(1, false), (10, false), (100, false), (1_000, false), (1, true), (100, true)] {
        let Course { seconds, lost, twice, stats } = course(&server, 10_000, max_batch, interrupted);
        let what = if interrupted { ", PostgreSQL stopped and started" } else { "" };
        let rate = 10_000.0 / seconds;
        println!("| `max_batch` {max_batch}{what} | {seconds:.2} | {rate:.0} | {} | {lost} | {twice} |", stats.retried);
    }
}

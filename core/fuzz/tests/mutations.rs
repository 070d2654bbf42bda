//! The targets under seeded mutations of what they begin with: for machines that cannot build libFuzzer, and for `make test`.
//!
//! `GUARITA_FUZZ_SECONDS` is how long each runs (default 1), `GUARITA_FUZZ_SEED` what the numbers are drawn from (default 1).
//! What breaks a promise is written to `target/fuzz`; `GUARITA_FUZZ_INPUT` names such a file, to try it again.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

use guarita_fuzz::{TARGETS, Target};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Longest input that is made.
const LONGEST: usize = 64 << 10;
/// Inputs that are kept because they came to an end of their own.
const KEPT: usize = 2_000;
/// A run that takes longer is a fault: whoever sends such bytes stops a camera.
const SLOW: Duration = Duration::from_secs(10);

/// Panics of this process, also those that somebody catches, and on which thread.
static PANICS: Mutex<Vec<(ThreadId, String)>> = Mutex::new(Vec::new());
/// The threads that run targets. What panics on any other one is blamed on whoever looks first.
static FUZZERS: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());

fn watch_panics() {
    FUZZERS.lock().unwrap_or_else(PoisonError::into_inner).push(thread::current().id());
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.to_string();
            if text.contains(FAULT) {
                return usual(info);
            }
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push((thread::current().id(), text));
        }));
    });
}

/// How the failure of a test begins, which is no fault itself.
const FAULT: &str = "a promise is broken";

/// Xorshift: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) as usize) % end.max(1)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A place, and one behind it that is near more often than far.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let begin = self.below(length + 1);
        let most = *self.one(&[1, 4, 16, 256, LONGEST]);
        begin..(begin + self.below(most + 1)).min(length)
    }
}

/// Changes some bytes of an input in some of the ways in which formats go wrong.
fn mutate(random: &mut Random, pool: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = random.one(pool).clone();
    for _ in 0..=random.below(5) {
        let at = random.below(bytes.len());
        match random.below(if words.is_empty() { 9 } else { 11 }) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.below(256) as u8,
            2 if !bytes.is_empty() => bytes[at] = *random.one(&[0, 1, 0x7F, 0x80, 0xFF, b'0', b'9']),
            3 => {
                // A number of two, four or eight bytes at the ends of its range.
                let number =
                    *random.one(&[0, 1, -1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, i64::from(i32::MAX), i64::MAX, i64::MIN]);
                let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
                let width = *random.one(&[2, 4, 8]);
                let number = if random.below(2) == 0 { &little[..width] } else { &big[8 - width..] };
                let end = (at + width).min(bytes.len());
                bytes.splice(at..end, number.iter().copied());
            }
            4 => drop(bytes.drain(random.range(bytes.len()))),
            5 => {
                let copied = bytes[random.range(bytes.len())].to_vec();
                bytes.splice(at..at, copied);
            }
            6 => bytes.truncate(at),
            7 => {
                let other = random.one(pool);
                let part = other[random.range(other.len())].to_vec();
                let replaced = random.range(bytes.len());
                bytes.splice(replaced, part);
            }
            8 => bytes.splice(at..at, std::iter::repeat_n(random.below(256) as u8, random.below(64))).for_each(drop),
            9 => drop(bytes.splice(at..at, random.one(words).iter().copied())),
            10 => {
                let word = random.one(words);
                let end = (at + word.len()).min(bytes.len());
                bytes.splice(at..end, word.iter().copied());
            }
            _ => bytes.push(random.below(256) as u8),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// What became of the bytes.
///
/// # Errors
/// In words where a promise is broken.
fn run(target: &Target, bytes: &[u8]) -> Result<String, String> {
    let begun = Instant::now();
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let took = begun.elapsed();
    let fuzzers = FUZZERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let ours = |thread: ThreadId| thread == thread::current().id() || !fuzzers.contains(&thread);
    let mut all = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    let panics: Vec<String> = all.extract_if(.., |(thread, _)| ours(*thread)).map(|(_, text)| text).collect();
    drop(all);
    match ended {
        Ok(_) if !panics.is_empty() => Err(format!("a panic was caught: {}", panics.join("; "))),
        Ok(_) if took > SLOW => Err(format!("it took {took:?}")),
        Ok(outcome) => Ok(outcome),
        Err(_) => Err(panics.join("; ")),
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(format!("GUARITA_FUZZ_{name}")).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{FAULT}: GUARITA_FUZZ_{name} is {text:?}, which is no whole number")))
}

/// Where cargo puts what it makes.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("fuzz")
}

/// Committed inputs that broke a promise once, or come far.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn check(target: &Target, bytes: &[u8], origin: &str) -> String {
    run(target, bytes).unwrap_or_else(|why| {
        std::fs::create_dir_all(folder()).unwrap();
        let path = folder().join(format!("{}-{:08x}.bin", target.name, crc(bytes)));
        std::fs::write(&path, bytes).unwrap();
        panic!(
            "{FAULT}: {} with {} bytes ({origin}), which are in {}: {why}",
            target.name,
            bytes.len(),
            path.display()
        );
    })
}

/// A name for bytes.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn fuzz(name: &str) {
    watch_panics();
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    if let Some(path) = std::env::var_os("GUARITA_FUZZ_INPUT") {
        println!("{name}: {}", check(target, &std::fs::read(path).unwrap(), "given"));
        return;
    }
    let limit = Duration::from_secs(setting("SECONDS").unwrap_or(1));
    let seed = setting("SEED").unwrap_or(1);
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut pool = (target.seeds)();
    assert!(!pool.is_empty(), "{FAULT}: {name} has nothing to begin with");
    pool.extend(corpus(target));
    let begun = Instant::now();
    let mut outcomes: HashSet<String> = pool.iter().map(|bytes| check(target, bytes, "a seed")).collect();
    let (begin, mut runs) = (outcomes.len(), pool.len());
    while begun.elapsed() < limit {
        let bytes = mutate(&mut random, &pool, target.words);
        let outcome = check(target, &bytes, &format!("seed {seed}, run {runs}"));
        if outcomes.insert(outcome) && pool.len() < KEPT {
            pool.push(bytes);
        }
        runs += 1;
    }
    println!("{name}: {runs} runs of seed {seed} came to {} ends, {begin} of them without a change", outcomes.len());
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            fuzz(stringify!($name));
        })*

        #[test]
        fn every_target_is_here_and_has_a_binary() {
            let here = [$(stringify!($name)),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), here, "{FAULT}");
            for name in here {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz_targets/{name}.rs"));
                assert!(path.is_file(), "{FAULT}: {} is missing", path.display());
            }
        }
    };
}

targets! {
    jpeg_whole jpeg_small jpeg_structures png model spec_file literal nut journal gate_snapshot checkpoint config polygon
}

/// libFuzzer takes what to begin with from folders.
#[test]
#[ignore = "writes the seeds for `make fuzz`"]
fn seeds() {
    for target in TARGETS {
        let folder = folder().join("seeds").join(target.name);
        std::fs::create_dir_all(&folder).unwrap();
        for bytes in (target.seeds)() {
            std::fs::write(folder.join(format!("{:08x}", crc(&bytes))), &bytes).unwrap();
        }
    }
}

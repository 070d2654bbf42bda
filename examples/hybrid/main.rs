//! Pictures through a local detector with a cloud behind it, while the local side is made to fail.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod faulty;
mod stand_in;

use clap::Parser;
use faulty::Faulty;
use guarita::budget::{BudgetConfig, Caps, JournalOptions, MicroDollars};
use guarita::clock::{Clock, SystemClock};
use guarita::provider::{HybridConfig, LocalProviderConfig, Request, Response};
use guarita::resilience::CircuitBreakerConfig;
use guarita::{
    Budget, DecodeOptions, Detector, DetectorConfig, Error, ErrorCode, Frame, HybridProvider, LocalProvider, Provider,
    Timestamp,
};
use guarita_examples::{exit_status, file_name, pictures};
use guarita_rekognition::{RekognitionConfig, RekognitionProvider};
use stand_in::StandIn;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Looks at pictures again and again, with a local detector first and Amazon Rekognition behind it, and makes the local
/// side fail in the middle. Prints who answered and why, what it cost so far, and every change of a breaker.
///
/// Nothing is sent to a real cloud unless --aws is given: by default a stand-in (moto) is started on this machine, which
/// gives the same made-up labels for every picture.
///
/// Exit status: 0 it ran, 1 a look failed in a way that nobody ordered, 2 wrong arguments or no pictures, 3 ONNX Runtime
/// or the stand-in is missing, 4 the model cannot be used.
#[derive(Parser)]
#[command(name = "hybrid", version)]
struct Arguments {
    /// Pictures (JPEG, PNG), or folders of pictures
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// An ONNX detector
    #[arg(long, default_value = ".models/coco_ssd_mobilenet_v2.onnx")]
    model: PathBuf,
    /// The program moto_server, which stands in for the cloud
    #[arg(long, default_value = ".venv/bin/moto_server", conflicts_with_all = ["endpoint", "aws"])]
    stand_in: PathBuf,
    /// A server that speaks as Rekognition does, in place of the stand-in; with made-up credentials
    #[arg(long, conflicts_with = "aws")]
    endpoint: Option<String>,
    /// Amazon's own, with the credentials and the region of this machine. This costs money
    #[arg(long)]
    aws: bool,
    /// How many looks
    #[arg(long, default_value_t = 40)]
    looks: usize,
    /// The first look at which the local side fails
    #[arg(long, default_value_t = 8)]
    fails_from: usize,
    /// The first look at which it works again
    #[arg(long, default_value_t = 28)]
    fails_to: usize,
    /// Milliseconds between two looks
    #[arg(long, default_value_t = 100)]
    pace_ms: u64,
    /// What the cloud may cost in a day, in millionths of a dollar; a look is 1000
    #[arg(long, default_value_t = 12_000)]
    cap_day: u64,
    /// Where the spending is written down, so that the cap outlives the program; default in memory only
    #[arg(long)]
    journal: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error {} ({:?}): {error}", error.code().number(), error.code());
            exit_status(&error)
        }
    }
}

/// Runs it; false where a look failed that should not have.
fn run(arguments: &Arguments) -> Result<bool, Error> {
    let pictures = open(&arguments.inputs)?;
    let detector = Detector::open_file(&arguments.model, DetectorConfig::default())?;
    let local = Arc::new(Faulty::new(LocalProvider::new(detector, LocalProviderConfig::default())?));

    let start = SystemClock.now();
    let budget = budget(arguments)?.with_listener(move |event| {
        println!("{}  -- budget, {event}", since(start));
    });
    let stand_in =
        if arguments.aws || arguments.endpoint.is_some() { None } else { Some(StandIn::start(&arguments.stand_in)?) };
    let endpoint = stand_in.as_ref().map(StandIn::endpoint).or(arguments.endpoint.clone());
    let mut config = RekognitionConfig { endpoint, ..RekognitionConfig::default() };
    if !arguments.aws {
        config.region = Some("us-east-1".into());
    }
    let mut cloud = RekognitionProvider::open(config)?.with_budget(budget.clone());
    if !arguments.aws {
        cloud = cloud.with_credentials("made-up", "made-up", None);
    }

    // Quicker than the defaults, so that all states are seen within seconds.
    let breaker = CircuitBreakerConfig { consecutive_failures: 3, open_s: 1.0, ..CircuitBreakerConfig::default() };
    let config = HybridConfig { fallback_timeout_s: 2.0, primary_breaker: breaker, ..HybridConfig::default() };
    let hybrid = HybridProvider::with_listener(local.clone(), Arc::new(cloud), config, move |side, want, change| {
        println!("{}  -- {side} breaker for {want}: {} -> {}", since(start), change.from, change.to);
    })?;

    println!(
        "{:>8}  {:>4}  {:<14} {:<55} {:<24} {:>8}",
        "time", "look", "picture", "who answered, and why", "found", "cost"
    );
    let mut refused = None;
    let mut as_ordered = true;
    for look in 0..arguments.looks {
        if look == arguments.fails_from {
            println!("{}  == from here on the local side fails", since(start));
            local.set_down(true);
        }
        if look == arguments.fails_to {
            println!("{}  == the local side is mended", since(start));
            local.set_down(false);
        }
        let (name, frame) = &pictures[look % pictures.len()];
        let answer = hybrid.detect(Request::new([frame.clone()]).with_idempotency_key(&format!("look-{look}")));
        let spent = budget.report(SystemClock.moment()).today.spent;
        let (who, found) = match &answer {
            Ok(response) => (response.answer.to_string(), found(response)),
            Err(error) => {
                as_ordered &= error.code() == ErrorCode::BudgetExhausted;
                // Once in full; it does not change.
                if refused.replace(error.code()) != Some(error.code()) {
                    println!("{}  -- {error}", since(start));
                }
                (format!("nobody: {:?}", error.code()), "-".to_owned())
            }
        };
        println!("{}  {look:>4}  {name:<14.14} {who:<55} {found:<24.24} {spent:>8}", since(start));
        std::thread::park_timeout(Duration::from_millis(arguments.pace_ms));
    }
    println!("\n{}", budget.report(SystemClock.moment()));
    drop(stand_in);
    Ok(as_ordered)
}

fn budget(arguments: &Arguments) -> Result<Budget, Error> {
    let total = Caps { per_day: Some(MicroDollars::from_micros(arguments.cap_day)), ..Caps::default() };
    let config = BudgetConfig { total, ..BudgetConfig::default() };
    match &arguments.journal {
        Some(path) => Budget::open(path, config, JournalOptions::default(), SystemClock.moment()),
        None => Budget::new(config),
    }
}

fn since(start: Timestamp) -> String {
    format!("{:>6.2} s", (SystemClock.now() - start).as_secs_f64())
}

/// Labels with how often each was found, most often first.
fn found(response: &Response) -> String {
    let detections = &response.detections[0];
    let mut counts: Vec<(String, usize)> = Vec::new();
    let labels = detections.iter().map(|found| &found.label).chain(detections.image_labels.iter().map(|of| &of.label));
    for label in labels {
        match counts.iter_mut().find(|(name, _)| **name == *label.name) {
            Some((_, count)) => *count += 1,
            None => counts.push((label.to_string(), 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if words.is_empty() { "nothing".into() } else { words.join(", ") }
}

fn open(inputs: &[PathBuf]) -> Result<Vec<(String, Frame)>, Error> {
    let options = DecodeOptions { keep_encoded: true, ..DecodeOptions::default() };
    pictures(inputs)?.iter().map(|file| Ok((file_name(file), Frame::open(file, &options)?))).collect()
}

//! What guarita finds on this machine: the ONNX Runtime library, execution providers, the processor, a model.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use clap::Parser;
use guarita::onnx::{ExecutionProvider, ExecutionProviderChoice};
use guarita::{Detector, DetectorConfig, Error, ErrorCode};
use std::path::PathBuf;
use std::process::ExitCode;

/// Prints what guarita finds on this machine, and what is missing.
///
/// Exit status: 0 all is well, 2 wrong arguments, 3 ONNX Runtime or the provider is missing, 4 the model cannot be used.
#[derive(Parser)]
#[command(name = "doctor", version)]
struct Arguments {
    /// The model to open (default: the one that `make models` provides)
    #[arg(long, default_value = ".models/coco_ssd_mobilenet_v2.onnx")]
    model: PathBuf,
    /// Execution provider to ask for: cpu, cuda, tensorrt, openvino, coreml, directml
    #[arg(long, default_value = "cpu")]
    provider: ExecutionProvider,
    /// The ONNX Runtime library, or its folder
    #[arg(long)]
    onnxruntime: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!("guarita {}", env!("CARGO_PKG_VERSION"));
    match examine(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror {} ({:?}): {error}\nadvice: {:?}", error.code().number(), error.code(), error.advice());
            ExitCode::from(if error.code() == ErrorCode::RuntimeUnavailable { 3 } else { 4 })
        }
    }
}

fn examine(arguments: &Arguments) -> Result<(), Error> {
    let runtime = guarita::onnx::runtime(arguments.onnxruntime.as_deref())?;
    println!("ONNX Runtime {} at {} ({})", runtime.version, runtime.library.display(), runtime.origin);
    for provider in ExecutionProvider::ALL {
        let there = if runtime.providers.contains(&provider) { "built in" } else { "not built in" };
        println!("  {:<9} {there}", provider.name());
    }
    let config = DetectorConfig {
        execution_provider: ExecutionProviderChoice::Only(arguments.provider),
        onnxruntime: arguments.onnxruntime.clone(),
        ..DetectorConfig::default()
    };
    let detector = Detector::open_file(&arguments.model, config)?;
    println!("\n{}", detector.report());
    Ok(())
}

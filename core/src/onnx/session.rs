//! One model in ONNX Runtime, shared by all callers.

use super::engine::{Engine, EngineReport, InputTensor, OutputTensor, TensorData};
use super::execution::{ExecutionProvider, ExecutionProviderChoice};
use super::exit;
use super::runtime::{self, Loaded};
use crate::error::{Error, ErrorCode, Result};
use ort::AsPointer;
use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{DynValue, TensorElementType, TensorRef};
use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// How to open a session.
pub(crate) struct SessionOptions<'a> {
    pub(crate) library: Option<&'a Path>,
    pub(crate) providers: &'a ExecutionProviderChoice,
    pub(crate) intra_op_threads: usize,
    pub(crate) spinning: bool,
}

/// The model to open: its bytes, or its path where weights lie in files beside it.
pub(crate) enum Source {
    Bytes(Vec<u8>),
    File(PathBuf),
}

pub(crate) struct OrtEngine {
    session: ManuallyDrop<Session>,
    /// Names for the C interface, made once.
    output_names: Vec<(String, CString)>,
    /// Held during a run on anything but the processor. ONNX Runtime promises concurrent runs for the processor; the
    /// other providers share one device, where a second run at the same time gains nothing and was seen to crash.
    device: Option<Mutex<()>>,
    report: EngineReport,
    /// A run has gone through: the model fits the engine.
    has_run: AtomicBool,
}

impl OrtEngine {
    pub(crate) fn open(source: &Source, output_names: &[String], options: &SessionOptions<'_>) -> Result<Self> {
        let _inside = exit::enter()?;
        let opened =
            runtime::with_runtime(options.library, |loaded| Self::open_in(loaded, source, output_names, options));
        exit::wait_at_exit(exit::Use::Opened);
        opened
    }

    fn open_in(
        loaded: &Loaded,
        source: &Source,
        output_names: &[String],
        options: &SessionOptions<'_>,
    ) -> Result<Self> {
        let mut skipped = Vec::new();
        for &provider in options.providers.as_slice() {
            match session(loaded, provider, source, options) {
                Ok(session) => {
                    let output_names = output_names
                        .iter()
                        .map(|name| Ok((name.clone(), CString::new(name.as_str()).map_err(|_| zero_in_name(name))?)))
                        .collect::<Result<_>>()?;
                    let report = EngineReport {
                        provider,
                        skipped,
                        intra_op_threads: options.intra_op_threads,
                        spinning: options.spinning,
                    };
                    let device = (provider != ExecutionProvider::Cpu).then(|| Mutex::new(()));
                    let session = ManuallyDrop::new(session);
                    return Ok(Self { session, output_names, device, report, has_run: AtomicBool::new(false) });
                }
                // A model that cannot be loaded fails on every provider, and not for want of the provider.
                Err(error) if error.code() != ErrorCode::RuntimeUnavailable => return Err(error),
                Err(error) => skipped.push((provider, error.to_string())),
            }
        }
        let why: Vec<String> = skipped.iter().map(|(_, why)| why.clone()).collect();
        Err(Error::runtime_unavailable(why.join("; ")))
    }
}

impl Drop for OrtEngine {
    fn drop(&mut self) {
        // At the end of the process its memory goes anyway, and the library may have gone already.
        if let Ok(_inside) = exit::enter() {
            // SAFETY: nothing uses the session after this.
            #[allow(unsafe_code, reason = "a session that must not be dropped when the process ends")]
            unsafe {
                ManuallyDrop::drop(&mut self.session);
            }
        }
    }
}

fn zero_in_name(name: &str) -> Error {
    Error::model_invalid(format!("the tensor name {name:?} has a zero byte in it")).with_tensor(name)
}

fn session(
    loaded: &Loaded,
    provider: ExecutionProvider,
    source: &Source,
    options: &SessionOptions<'_>,
) -> Result<Session> {
    if !loaded.info.providers.contains(&provider) {
        let built_in: Vec<&str> = loaded.info.providers.iter().map(|provider| provider.name()).collect();
        return Err(Error::runtime_unavailable(format!(
            "execution provider {provider}: {} (ONNX Runtime {}) was built without it; it has {}",
            loaded.info.library.display(),
            loaded.info.version,
            built_in.join(", ")
        )));
    }
    let mut builder = configured(loaded, provider, options)?;
    if let Some(dispatch) = dispatch(provider) {
        builder = builder.with_execution_providers([dispatch.error_on_failure()]).map_err(|error| {
            Error::runtime_unavailable(format!("execution provider {provider}: {error}")).with_source(error.to_string())
        })?;
    }
    match source {
        Source::Bytes(bytes) => builder.commit_from_memory(bytes),
        Source::File(path) => builder.commit_from_file(path),
    }
    .map_err(|error| match provider {
        // Libraries of the device are loaded at this point, so this may be the device's failure as well as the model's.
        ExecutionProvider::Cpu => {
            Error::model_invalid(format!("ONNX Runtime cannot load the model: {error}")).with_source(error.to_string())
        }
        _ => {
            Error::runtime_unavailable(format!("execution provider {provider}: {error}")).with_source(error.to_string())
        }
    })
}

fn configured(loaded: &Loaded, provider: ExecutionProvider, options: &SessionOptions<'_>) -> Result<SessionBuilder> {
    let configure = || -> Result<SessionBuilder, String> {
        let text = |error: ort::Error<SessionBuilder>| error.to_string();
        Session::builder(&loaded.environment)
            .map_err(|error| error.to_string())?
            .with_intra_threads(options.intra_op_threads)
            .map_err(text)?
            .with_inter_threads(1)
            .map_err(text)?
            .with_intra_op_spinning(options.spinning)
            .map_err(text)?
            .with_log_level(ort::logging::LogLevel::Error)
            .map_err(text)?
            // DirectML does not work with memory patterns (its page in ONNX Runtime's documentation).
            .with_memory_pattern(provider != ExecutionProvider::DirectMl)
            .map_err(text)
    };
    configure().map_err(|why| Error::internal(format!("ONNX Runtime refused a session option: {why}")))
}

fn dispatch(provider: ExecutionProvider) -> Option<ExecutionProviderDispatch> {
    Some(match provider {
        ExecutionProvider::Cpu => return None,
        // Doubling the arena takes memory that the other users of the GPU then lack.
        ExecutionProvider::Cuda => {
            ep::CUDA::default().with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested).build()
        }
        ExecutionProvider::TensorRt => ep::TensorRT::default().build(),
        ExecutionProvider::OpenVino => ep::OpenVINO::default().build(),
        ExecutionProvider::CoreMl => ep::CoreML::default().build(),
        ExecutionProvider::DirectMl => ep::DirectML::default().build(),
    })
}

impl Engine for OrtEngine {
    fn run(&self, inputs: &[InputTensor<'_>], read: &mut dyn FnMut(&[OutputTensor<'_>]) -> Result<()>) -> Result<()> {
        // To the end: the outputs are freed by the library as well.
        let _inside = exit::enter()?;
        let held = self.device.as_ref().map(|device| device.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let values = self.run_session(inputs)?;
        drop(held);
        let outputs = values
            .iter()
            .zip(&self.output_names)
            .map(|(value, (name, _))| output(name, value))
            .collect::<Result<Vec<_>>>()?;
        read(&outputs)
    }

    fn report(&self) -> &EngineReport {
        &self.report
    }
}

impl OrtEngine {
    /// `OrtApi::Run`. ort's own `run` wants the session for itself alone, which would let one caller in at a time; the C
    /// function takes concurrent calls (onnxruntime_c_api.h, and `device` above for who is not trusted with it).
    fn run_session(&self, inputs: &[InputTensor<'_>]) -> Result<Vec<DynValue>> {
        let failed = |error: ort::Error| {
            run_error(error.to_string(), self.device.is_some() && self.has_run.load(Ordering::Relaxed))
        };
        let mut names = Vec::with_capacity(inputs.len());
        let mut tensors = Vec::with_capacity(inputs.len());
        for input in inputs {
            names.push(CString::new(input.name).map_err(|_| zero_in_name(input.name))?);
            let shape = input.shape;
            tensors.push(match input.data {
                TensorData::F32(data) => TensorRef::from_array_view((shape, data)).map_err(failed)?.into_dyn(),
                TensorData::F16(data) => TensorRef::from_array_view((shape, data)).map_err(failed)?.into_dyn(),
                TensorData::U8(data) => TensorRef::from_array_view((shape, data)).map_err(failed)?.into_dyn(),
                TensorData::I64(data) => TensorRef::from_array_view((shape, data)).map_err(failed)?.into_dyn(),
                TensorData::I32(data) => TensorRef::from_array_view((shape, data)).map_err(failed)?.into_dyn(),
            });
        }
        let input_names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let input_values: Vec<*const ort::sys::OrtValue> = tensors.iter().map(|tensor| tensor.ptr()).collect();
        let output_names: Vec<_> = self.output_names.iter().map(|(_, name)| name.as_ptr()).collect();
        let mut outputs: Vec<*mut ort::sys::OrtValue> = vec![ptr::null_mut(); output_names.len()];
        let session = self.session.inner();
        // SAFETY: the session and the inputs live until the call returns; each pointer list has the length given with it;
        // null outputs ask ONNX Runtime to allocate them.
        #[allow(unsafe_code, reason = "the C function that may be called from many threads")]
        let status = unsafe {
            (ort::api().Run)(
                session.ptr().cast_mut(),
                ptr::null(),
                input_names.as_ptr(),
                input_values.as_ptr(),
                input_values.len(),
                output_names.as_ptr(),
                output_names.len(),
                outputs.as_mut_ptr(),
            )
        };
        // SAFETY: a status is null or owned by us; this takes it over and frees it.
        #[allow(unsafe_code, reason = "the status comes from the C call above")]
        let status = unsafe { ort::Error::result_from_status(status) };
        let values = outputs
            .into_iter()
            .filter_map(NonNull::new)
            .map(|value| {
                // SAFETY: the value was made by this session's run, belongs to nobody else, and comes from its allocator.
                #[allow(unsafe_code, reason = "takes over what the C call above allocated")]
                unsafe {
                    DynValue::from_ptr(value, Some(self.session.allocator()))
                }
            })
            .collect::<Vec<_>>();
        status.map_err(failed)?;
        self.has_run.store(true, Ordering::Relaxed);
        exit::wait_at_exit(exit::Use::Ran);
        if values.len() == self.output_names.len() {
            return Ok(values);
        }
        Err(Error::model_invalid("the model gave fewer outputs than it declares"))
    }
}

fn output<'a>(name: &'a str, value: &'a DynValue) -> Result<OutputTensor<'a>> {
    let wrong = |what: String| Error::model_invalid(format!("output {name:?} {what}")).with_tensor(name);
    let ort::value::ValueType::Tensor { ty, shape, .. } = value.dtype() else {
        return Err(wrong("is not a tensor".into()));
    };
    let empty = shape.num_elements() == 0;
    macro_rules! data {
        ($kind:ident, $ty:ty) => {
            TensorData::$kind(if empty {
                &[]
            } else {
                value.try_extract_tensor::<$ty>().map_err(|error| wrong(format!("cannot be read: {error}")))?.1
            })
        };
    }
    let data = match ty {
        TensorElementType::Float32 => data!(F32, f32),
        TensorElementType::Float16 => data!(F16, half::f16),
        TensorElementType::Int64 => data!(I64, i64),
        TensorElementType::Int32 => data!(I32, i32),
        TensorElementType::Uint8 => data!(U8, u8),
        other => return Err(wrong(format!("has elements of type {other}"))),
    };
    Ok(OutputTensor { name, shape, data })
}

/// `device_ran`: it is a device that fails, and it has run this model before.
fn run_error(text: String, device_ran: bool) -> Error {
    let lower = text.to_ascii_lowercase();
    // ONNX Runtime has no code for this (its issue 16307 asks for one); these are the words of its arenas and of CUDA.
    let memory = ["failed to allocate memory", "out of memory", "bad_alloc", "bad allocation"];
    if memory.iter().any(|words| lower.contains(words)) {
        return Error::resource_exhausted(format!("ONNX Runtime ran out of memory: {text}")).with_source(text);
    }
    if device_ran {
        // Not the model's fault: the device was lost, or its driver gave up.
        return Error::unavailable(format!("the device failed: {text}")).with_source(text);
    }
    Error::model_invalid(format!("ONNX Runtime cannot run the model: {text}")).with_source(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_fails_is_not_a_bad_model() {
        for (text, device_ran, code) in [
            ("CUDA failure 700: an illegal memory access was encountered", true, ErrorCode::Unavailable),
            ("CUDA failure 700: an illegal memory access was encountered", false, ErrorCode::ModelInvalid),
            ("Non-zero status code returned while running Concat", false, ErrorCode::ModelInvalid),
            ("BFCArena: Failed to allocate memory for requested buffer", true, ErrorCode::ResourceExhausted),
            ("BFCArena: Failed to allocate memory for requested buffer", false, ErrorCode::ResourceExhausted),
        ] {
            assert_eq!(run_error(text.into(), device_ran).code(), code, "{text}");
        }
    }
}

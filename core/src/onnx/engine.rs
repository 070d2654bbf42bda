use super::execution::ExecutionProvider;
use crate::error::Result;
use half::f16;

/// Runs one model; independent of ONNX Runtime.
pub(crate) trait Engine: Send + Sync {
    /// Runs the model once and lets `read` look at the outputs, in the order asked for at opening.
    ///
    /// Any number of threads may call at the same time.
    fn run(&self, inputs: &[InputTensor<'_>], read: &mut dyn FnMut(&[OutputTensor<'_>]) -> Result<()>) -> Result<()>;

    fn report(&self) -> &EngineReport;
}

/// The provider and settings that run a model.
#[derive(Clone, Debug)]
pub(crate) struct EngineReport {
    pub(crate) provider: ExecutionProvider,
    /// Providers that were asked for first and are not there, with the reason.
    pub(crate) skipped: Vec<(ExecutionProvider, String)>,
    pub(crate) intra_op_threads: usize,
    pub(crate) spinning: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct InputTensor<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: &'a [usize],
    pub(crate) data: TensorData<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputTensor<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: &'a [i64],
    pub(crate) data: TensorData<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum TensorData<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    U8(&'a [u8]),
    I64(&'a [i64]),
    I32(&'a [i32]),
}

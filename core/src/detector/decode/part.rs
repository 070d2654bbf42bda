use crate::detection::sound;
use crate::error::{Error, Result};
use crate::onnx::{OutputTensor, TensorData};

/// The part of an output that belongs to one picture: `rows` × `columns` numbers.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Part<'_> {
    pub(super) fn row(&self, k: usize) -> &[f32] {
        &self.data[k * self.columns..(k + 1) * self.columns]
    }

    pub(super) fn each_row(&self) -> impl Iterator<Item = (u32, &[f32])> {
        (0..).zip(self.data.chunks_exact(self.columns.max(1)))
    }

    /// Fails unless there are exactly this many columns.
    pub(super) fn with_columns(self, columns: usize) -> Result<Self> {
        if self.columns == columns {
            return Ok(self);
        }
        Err(Error::model_invalid(format!(
            "output {:?} has rows of {}; its spec says {columns}",
            self.name, self.columns
        ))
        .with_tensor(self.name))
    }

    /// Fails unless there is a row for each cell of a grid.
    pub(super) fn with_rows_of_grid(self, cells: usize) -> Result<Self> {
        if self.rows == cells {
            return Ok(self);
        }
        Err(Error::model_invalid(format!("output {:?} has {} rows; the grid has {cells}", self.name, self.rows))
            .with_tensor(self.name))
    }

    pub(super) fn nan(&self) -> Error {
        Error::model_invalid(format!(
            "output {:?} holds NaN where scores should be: the model or its input is damaged",
            self.name
        ))
        .with_tensor(self.name)
    }

    /// Fails for a score that is none.
    pub(super) fn score(&self, score: f32) -> Result<f32> {
        sound::score(score).ok_or_else(|| {
            Error::model_invalid(format!(
                "output {:?} holds the score {score}; scores lie in 0..1: it means something else than its spec says, or the \
                 model ends before its sigmoid or softmax",
                self.name
            ))
            .with_tensor(self.name)
        })
    }
}

/// The outputs of a family that has this many.
pub(super) fn exactly<'a, const N: usize>(parts: &[Part<'a>]) -> Result<[Part<'a>; N]> {
    parts.try_into().map_err(|_| Error::internal("a family met the wrong number of outputs"))
}

/// All of an output as rows `[N, columns]`.
pub(super) fn whole<'a>(output: &OutputTensor<'a>, buffer: &'a mut Vec<f32>) -> Result<Part<'a>> {
    let [rows, columns] = output.shape else {
        return Err(Error::model_invalid(format!(
            "output {:?} has {} axes; its spec says 2",
            output.name,
            output.shape.len()
        ))
        .with_tensor(output.name));
    };
    let data = as_f32(output, buffer)?;
    let (rows, columns) = (usize::try_from(*rows).unwrap_or(0), usize::try_from(*columns).unwrap_or(0));
    Ok(Part { name: output.name, data, rows, columns })
}

/// The part of picture `item`. The first axis counts pictures; `[b, N]` is `[b, N, 1]`, `[b, N, 1, 4]` is `[b, N, 4]`.
pub(super) fn of_picture<'a>(
    output: &OutputTensor<'a>,
    item: usize,
    slots: usize,
    buffer: &'a mut Vec<f32>,
) -> Result<Part<'a>> {
    let wrong = || {
        Error::model_invalid(format!("output {:?} has shape {:?} for {slots} picture(s)", output.name, output.shape))
            .with_tensor(output.name)
    };
    let axes: Vec<usize> = output.shape.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
    let (pictures, rows, columns) = match axes[..] {
        [pictures, rows] => (pictures, rows, 1),
        [pictures, rows, columns] | [pictures, rows, 1, columns] => (pictures, rows, columns),
        _ => return Err(wrong()),
    };
    let data = as_f32(output, buffer)?;
    let len = rows * columns;
    if pictures != slots || data.len() != pictures * len {
        return Err(wrong());
    }
    Ok(Part { name: output.name, data: &data[item * len..(item + 1) * len], rows, columns })
}

fn as_f32<'a>(output: &OutputTensor<'a>, buffer: &'a mut Vec<f32>) -> Result<&'a [f32]> {
    buffer.clear();
    match output.data {
        TensorData::F32(data) => return Ok(data),
        TensorData::F16(data) => buffer.extend(data.iter().map(|n| n.to_f32())),
        TensorData::I64(data) => buffer.extend(data.iter().map(|&n| n as f32)),
        TensorData::I32(data) => buffer.extend(data.iter().map(|&n| n as f32)),
        TensorData::U8(_) => {
            let error = Error::model_invalid(format!("output {:?} holds bytes, not numbers", output.name));
            return Err(error.with_tensor(output.name));
        }
    }
    Ok(buffer)
}

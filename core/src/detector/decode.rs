//! From output tensors to candidates, one family at a time. Boxes come out in pixels of the model's input.
//!
//! What a model says is checked here for every family: a score that is none is `ModelInvalid`, naming the output and the
//! value; a box that is none is left out and counted; a set of boxes of which none fits the input is `ModelInvalid`.

use super::config::Thresholds;
use crate::detection::{Candidate, sound};
use crate::error::{Error, Result};
use crate::geometry::{BoundingBox, Size};
use crate::imaging::vectorized;
use crate::model::{BoxUnits, Family, ModelSpec, RowOrder, SsdBoxes, SsdForm};
use crate::onnx::{OutputTensor, TensorData};

/// Decodes outputs; keeps buffers from one call to the next.
#[derive(Default)]
pub(super) struct Decoder {
    /// Half-precision outputs as f32, one buffer an output.
    widened: Vec<Vec<f32>>,
}

/// The part of an output that belongs to one picture: `rows` × `columns` numbers.
#[derive(Clone, Copy)]
struct Part<'a> {
    name: &'a str,
    data: &'a [f32],
    rows: usize,
    columns: usize,
}

impl Part<'_> {
    fn row(&self, k: usize) -> &[f32] {
        &self.data[k * self.columns..(k + 1) * self.columns]
    }

    fn each_row(&self) -> impl Iterator<Item = (u32, &[f32])> {
        (0..).zip(self.data.chunks_exact(self.columns.max(1)))
    }

    /// Fails unless there are exactly this many columns.
    fn with_columns(self, columns: usize) -> Result<Self> {
        if self.columns == columns {
            return Ok(self);
        }
        Err(Error::model_invalid(format!(
            "output {:?} has rows of {}; its spec says {columns}",
            self.name, self.columns
        )))
    }

    fn nan(&self) -> Error {
        Error::model_invalid(format!(
            "output {:?} holds NaN where scores should be: the model or its input is damaged",
            self.name
        ))
    }

    /// Fails for a score that is none.
    fn score(&self, score: f32) -> Result<f32> {
        sound::score(score).ok_or_else(|| {
            Error::model_invalid(format!(
                "output {:?} holds the score {score}; scores lie in 0..1: it means something else than its spec says, or the \
                 model ends before its sigmoid or softmax",
                self.name
            ))
        })
    }
}

/// So many boxes of one picture without an area are no accident.
const SEVERAL: usize = 2;

/// What every family's decoder needs.
struct Job<'a> {
    input: Size,
    thresholds: &'a Thresholds,
    found: &'a mut Vec<Candidate>,
    /// Boxes without an area, or not made of numbers.
    left_out: usize,
}

impl Job<'_> {
    /// Takes a box with the score that an output has for it.
    fn push(&mut self, scores: &Part<'_>, bbox: BoundingBox, score: f32, class_id: u32, anchor: u32) -> Result<()> {
        let score = scores.score(score)?;
        if !self.thresholds.passes(class_id, score) {
            return Ok(());
        }
        if sound::is_box(&bbox) {
            self.found.push(Candidate { bbox, score, class_id, anchor });
        } else {
            self.left_out += 1;
        }
        Ok(())
    }

    /// A box in pixels of the input.
    fn pixels(&self, units: BoxUnits, [x1, y1, x2, y2]: [f32; 4]) -> BoundingBox {
        let (w, h) = match units {
            BoxUnits::Pixels => (1.0, 1.0),
            BoxUnits::Fractions => (self.input.width as f32, self.input.height as f32),
        };
        BoundingBox::from_xyxy(x1 * w, y1 * h, x2 * w, y2 * h)
    }

    /// Fails where there are boxes and none of them fits the input, or several and none has an area.
    fn check_boxes(&self, boxes: &str) -> Result<()> {
        let Some(surest) = self.found.iter().max_by(|a, b| a.score.total_cmp(&b.score)) else {
            if self.left_out < SEVERAL {
                return Ok(());
            }
            return Err(Error::model_invalid(format!(
                "output {boxes:?} gives {} boxes for what it is sure of, and none of them has an area: their order is not what \
                 the model's spec says",
                self.left_out
            )));
        };
        if self.found.iter().any(|candidate| sound::fits(&candidate.bbox, self.input)) {
            return Ok(());
        }
        let [x1, y1, x2, y2] = surest.bbox.to_array();
        Err(Error::model_invalid(format!(
            "output {boxes:?} gives boxes that do not fit the input of {} pixels, the surest one from {x1}, {y1} to {x2}, {y2}: \
             their unit or their order is not what the model's spec says",
            self.input
        )))
    }
}

impl Decoder {
    /// Appends the candidates of picture `item` of a run of `slots` pictures. Gives the number of boxes that were left out,
    /// since they have no area.
    pub(super) fn decode(
        &mut self,
        spec: &ModelSpec,
        outputs: &[OutputTensor<'_>],
        item: usize,
        slots: usize,
        thresholds: &Thresholds,
        found: &mut Vec<Candidate>,
    ) -> Result<usize> {
        self.widened.resize_with(outputs.len().max(self.widened.len()), Vec::new);
        let mut job = Job { input: spec.input.transform.size, thresholds, found, left_out: 0 };
        let head = &spec.head;
        if outputs.len() != head.outputs.len() {
            return Err(Error::internal("the engine gave another number of outputs than was asked for"));
        }
        if spec.family == Family::YoloEnd2EndFlat {
            let rows = flat(&outputs[0], &mut self.widened[0])?.with_columns(7)?;
            end2end_flat(&mut job, rows, item, spec.classes, head.rows)?;
            job.check_boxes(rows.name)?;
            return Ok(job.left_out);
        }
        let mut parts = Vec::with_capacity(outputs.len());
        for (output, buffer) in outputs.iter().zip(&mut self.widened) {
            parts.push(part(output, item, slots, buffer)?);
        }
        let classes = |others: usize| head.classes.map_or(others, |n| n + others);
        let boxes = match (head.family, &parts[..]) {
            (Family::YoloV8, &[p]) if head.transposed => {
                yolo_rows(&mut job, p.with_columns(classes(4))?, false, RowBox::Pixels)?;
                p
            }
            (Family::YoloV8, &[p]) => {
                yolo_planar(&mut job, p, classes(4))?;
                p
            }
            (Family::YoloV5, &[p]) => {
                yolo_rows(&mut job, p.with_columns(classes(5))?, true, RowBox::Pixels)?;
                p
            }
            (Family::YoloX, &[p]) => {
                yolo_rows(&mut job, p.with_columns(classes(5))?, true, RowBox::Grid)?;
                p
            }
            (Family::RtDetrUltralytics, &[p]) => {
                yolo_rows(&mut job, p.with_columns(classes(4))?, false, RowBox::Fraction)?;
                p
            }
            (Family::YoloEnd2End, &[p]) => {
                end2end(&mut job, p.with_columns(6)?, head.classes, head.rows)?;
                p
            }
            (Family::Ssd, &[scores, boxes]) => {
                ssd(&mut job, scores, boxes.with_columns(4)?, head.ssd)?;
                boxes
            }
            (Family::NanoDet, &[p]) => {
                nanodet_plus(&mut job, p.with_columns(classes(32))?)?;
                p
            }
            (Family::NanoDet, &[s8, s16, s32, d8, d16, d32]) => {
                nanodet(&mut job, [(s8, d8), (s16, d16), (s32, d32)], classes(0))?;
                d8
            }
            (Family::RtDetr, &[labels, boxes, scores]) => {
                rtdetr(&mut job, labels, boxes.with_columns(4)?, scores, head.classes)?;
                boxes
            }
            (Family::RfDetr, &[boxes, logits]) => {
                rfdetr(&mut job, boxes.with_columns(4)?, logits, classes(0))?;
                boxes
            }
            (Family::YuNet, &[c8, c16, c32, o8, o16, o32, b8, b16, b32]) => {
                yunet(&mut job, [(c8, o8, b8), (c16, o16, b16), (c32, o32, b32)])?;
                b8
            }
            _ => return Err(Error::internal("a family met the wrong number of outputs")),
        };
        job.check_boxes(boxes.name)?;
        Ok(job.left_out)
    }
}

/// All of an output as rows.
fn flat<'a>(output: &OutputTensor<'a>, buffer: &'a mut Vec<f32>) -> Result<Part<'a>> {
    let [rows, columns] = output.shape else {
        return Err(Error::model_invalid(format!(
            "output {:?} has {} axes; its spec says 2",
            output.name,
            output.shape.len()
        )));
    };
    let data = as_f32(output, buffer)?;
    let (rows, columns) = (usize::try_from(*rows).unwrap_or(0), usize::try_from(*columns).unwrap_or(0));
    Ok(Part { name: output.name, data, rows, columns })
}

/// The part of picture `item`. The first axis counts pictures; `[b, N]` is `[b, N, 1]`, `[b, N, 1, 4]` is `[b, N, 4]`.
fn part<'a>(output: &OutputTensor<'a>, item: usize, slots: usize, buffer: &'a mut Vec<f32>) -> Result<Part<'a>> {
    let wrong = || {
        Error::model_invalid(format!("output {:?} has shape {:?} for {slots} picture(s)", output.name, output.shape))
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
            return Err(Error::model_invalid(format!("output {:?} holds bytes, not numbers", output.name)));
        }
    }
    Ok(buffer)
}

/// Anchors looked at together: their best scores and classes stay in the first-level cache.
const BLOCK: usize = 512;

/// `[4 + classes, N]`: a plane for each number, so the best class of many anchors is found side by side.
fn yolo_planar(job: &mut Job<'_>, part: Part<'_>, rows: usize) -> Result<()> {
    let anchors = part.columns;
    if part.rows != rows || rows < 5 {
        return Err(Error::model_invalid(format!(
            "output {:?} has {} rows; its spec says {rows}",
            part.name, part.rows
        )));
    }
    let least = job.thresholds.least();
    let mut best = [0.0f32; BLOCK];
    let mut class = [0u32; BLOCK];
    for start in (0..anchors).step_by(BLOCK) {
        let len = BLOCK.min(anchors - start);
        let (best, class) = (&mut best[..len], &mut class[..len]);
        if best_of_planes(&part.data[4 * anchors..], anchors, start, best, class) {
            return Err(part.nan());
        }
        for k in 0..len {
            // Of a model that ends before its sigmoid, most are negative.
            part.score(best[k])?;
            if best[k] > least {
                let [cx, cy, w, h] = [0, 1, 2, 3].map(|row| part.row(row)[start + k]);
                job.push(&part, BoundingBox::from_cxcywh(cx, cy, w, h), best[k], class[k], (start + k) as u32)?;
            }
        }
    }
    Ok(())
}

vectorized! {
    /// The highest score of each anchor and its class, the lowest number among equals; whether any score is NaN.
    fn best_of_planes(planes: &[f32], anchors: usize, start: usize, best: &mut [f32], class: &mut [u32]) -> bool {
        best.fill(f32::NEG_INFINITY);
        class.fill(0);
        let mut nan = 0u32;
        for (id, plane) in (0u32..).zip(planes.chunks_exact(anchors)) {
            let scores = &plane[start..start + best.len()];
            for ((&score, best), class) in scores.iter().zip(best.iter_mut()).zip(class.iter_mut()) {
                let better = score > *best;
                *best = if better { score } else { *best };
                *class = if better { id } else { *class };
                nan |= u32::from(score.is_nan());
            }
        }
        nan != 0
    }
}

/// The highest of a row of scores and its class, the lowest number among equals; `None` where one is NaN.
#[inline]
fn best_of_row(scores: &[f32]) -> Option<(u32, f32)> {
    let mut best = (0, f32::NEG_INFINITY);
    let mut nan = false;
    for (id, &score) in (0..).zip(scores) {
        nan |= score.is_nan();
        if score > best.1 {
            best = (id, score);
        }
    }
    (!nan).then_some(best)
}

/// How a row writes its box.
#[derive(Clone, Copy)]
enum RowBox {
    /// Centre and size in pixels.
    Pixels,
    /// Centre and size as fractions of the input.
    Fraction,
    /// YOLOX: offsets from the cell and logarithms of the size, in strides.
    Grid,
}

/// `[N, 4 (+ objectness) + classes]`.
fn yolo_rows(job: &mut Job<'_>, part: Part<'_>, objectness: bool, form: RowBox) -> Result<()> {
    let least = job.thresholds.least();
    let first_score = 4 + usize::from(objectness);
    let (w, h) = (job.input.width as f32, job.input.height as f32);
    let mut cells = Cells::new(job.input, &[8, 16, 32]);
    if matches!(form, RowBox::Grid) && cells.total() != part.rows {
        return Err(Error::model_invalid(format!(
            "output {:?} has {} rows; the grid has {}",
            part.name,
            part.rows,
            cells.total()
        )));
    }
    for (anchor, row) in part.each_row() {
        let cell = if matches!(form, RowBox::Grid) { cells.next() } else { None };
        let object = if objectness { row[4] } else { 1.0 };
        if object.is_nan() {
            return Err(part.nan());
        }
        // No class score exceeds 1, so the product cannot exceed the objectness.
        if objectness && part.score(object)? <= least {
            continue;
        }
        let (class_id, class_score) = best_of_row(&row[first_score..]).ok_or_else(|| part.nan())?;
        let score = object * part.score(class_score)?;
        if score > least {
            let [a, b, c, d] = [row[0], row[1], row[2], row[3]];
            let bbox = match (form, cell) {
                (RowBox::Grid, Some(cell)) => {
                    let (x, y, stride) = (cell.x as f32, cell.y as f32, cell.stride as f32);
                    BoundingBox::from_cxcywh((a + x) * stride, (b + y) * stride, c.exp() * stride, d.exp() * stride)
                }
                (RowBox::Fraction, _) => BoundingBox::from_cxcywh(a * w, b * h, c * w, d * h),
                _ => BoundingBox::from_cxcywh(a, b, c, d),
            };
            job.push(&part, bbox, score, class_id, anchor)?;
        }
    }
    Ok(())
}

/// A cell of a grid over the input.
struct Cell {
    x: u32,
    y: u32,
    stride: u32,
}

/// The cells of several grids, finest first, row by row.
struct Cells<'a> {
    input: Size,
    strides: &'a [u32],
    x: u32,
    y: u32,
}

impl<'a> Cells<'a> {
    fn new(input: Size, strides: &'a [u32]) -> Self {
        Self { input, strides, x: 0, y: 0 }
    }

    fn total(&self) -> usize {
        self.strides.iter().map(|&s| (self.input.width.div_ceil(s) * self.input.height.div_ceil(s)) as usize).sum()
    }
}

impl Iterator for Cells<'_> {
    type Item = Cell;

    fn next(&mut self) -> Option<Cell> {
        let &stride = self.strides.first()?;
        let cell = Cell { x: self.x, y: self.y, stride };
        self.x += 1;
        if self.x == self.input.width.div_ceil(stride) {
            (self.x, self.y) = (0, self.y + 1);
        }
        if self.y == self.input.height.div_ceil(stride) {
            (self.y, self.strides) = (0, &self.strides[1..]);
        }
        Some(cell)
    }
}

/// `[M, 6]`: corners, then score and class in their order.
fn end2end(job: &mut Job<'_>, part: Part<'_>, classes: Option<usize>, form: (RowOrder, BoxUnits)) -> Result<()> {
    for (anchor, row) in part.each_row() {
        let &[x1, y1, x2, y2, fifth, sixth] = row else {
            continue;
        };
        row_of_end2end(job, &part, [x1, y1, x2, y2], (fifth, sixth), classes, form, anchor)?;
    }
    Ok(())
}

/// `[N, 7]`: picture, corners, then class and score in their order.
fn end2end_flat(
    job: &mut Job<'_>,
    part: Part<'_>,
    item: usize,
    classes: Option<usize>,
    form: (RowOrder, BoxUnits),
) -> Result<()> {
    for (anchor, row) in part.each_row() {
        let &[picture, x1, y1, x2, y2, sixth, seventh] = row else {
            continue;
        };
        if picture.is_nan() {
            return Err(part.nan());
        }
        if picture == item as f32 {
            row_of_end2end(job, &part, [x1, y1, x2, y2], (sixth, seventh), classes, form, anchor)?;
        }
    }
    Ok(())
}

/// The score of a row that is not used.
const UNUSED: f32 = -1.0;

fn row_of_end2end(
    job: &mut Job<'_>,
    part: &Part<'_>,
    corners: [f32; 4],
    (one, other): (f32, f32),
    classes: Option<usize>,
    (order, units): (RowOrder, BoxUnits),
    anchor: u32,
) -> Result<()> {
    let (score, class) = match order {
        RowOrder::ScoreClass => (one, other),
        RowOrder::ClassScore => (other, one),
    };
    if score.is_nan() {
        return Err(part.nan());
    }
    // Rows that are not used are filled up with 0 or −1.
    if score != UNUSED {
        part.score(score)?;
    }
    if score > job.thresholds.least() {
        let class_id = class_number(part, class, classes)?;
        job.push(part, job.pixels(units, corners), score, class_id, anchor)?;
    }
    Ok(())
}

/// A class number that came as a float.
fn class_number(part: &Part<'_>, class: f32, classes: Option<usize>) -> Result<u32> {
    let most = classes.unwrap_or(1 << 20) as f32;
    if class >= 0.0 && class < most && class.fract() == 0.0 {
        return Ok(class as u32);
    }
    Err(Error::model_invalid(format!(
        "output {:?} holds the class number {class}; there are {most} classes at most",
        part.name
    )))
}

/// Scores `[N, C]` and boxes `[N, 4]`.
fn ssd(job: &mut Job<'_>, scores: Part<'_>, boxes: Part<'_>, form: SsdForm) -> Result<()> {
    if scores.rows != boxes.rows {
        return Err(Error::model_invalid(format!("outputs {:?} and {:?} differ in length", scores.name, boxes.name)));
    }
    for (anchor, row) in scores.each_row() {
        let (class_id, score) = best_of_row(&row[usize::from(form.background)..]).ok_or_else(|| scores.nan())?;
        scores.score(score)?;
        if score > job.thresholds.least() {
            let &[a, b, c, d] = boxes.row(anchor as usize) else {
                continue;
            };
            let corners = match form.boxes {
                SsdBoxes::Xyxy => [a, b, c, d],
                SsdBoxes::Yxyx => [b, a, d, c],
            };
            job.push(&scores, job.pixels(form.units, corners), score, class_id, anchor)?;
        }
    }
    Ok(())
}

/// The mean of a distribution over the distances 0..7, given as logits.
fn expected_distance(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (distance, &logit) in logits.iter().enumerate() {
        let weight = (logit - most).exp();
        sum += weight;
        weighted += weight * distance as f32;
    }
    weighted / sum
}

/// A box from the distances of its sides, in strides, from a point of the input.
fn box_around(x: f32, y: f32, stride: f32, logits: &[f32]) -> BoundingBox {
    let side = |k: usize| expected_distance(&logits[k * 8..(k + 1) * 8]) * stride;
    BoundingBox::from_xyxy(x - side(0), y - side(1), x + side(2), y + side(3))
}

/// NanoDet: scores and distances for each stride. Distances count from the middle of the cell.
fn nanodet(job: &mut Job<'_>, levels: [(Part<'_>, Part<'_>); 3], classes: usize) -> Result<()> {
    let strides = crate::model::STRIDES;
    let mut first = 0;
    for (k, (scores, distances)) in levels.into_iter().enumerate() {
        let (scores, distances) = (scores.with_columns(classes)?, distances.with_columns(32)?);
        let mut cells = Cells::new(job.input, &strides[k..=k]);
        if scores.rows != cells.total() || distances.rows != cells.total() {
            return Err(Error::model_invalid(format!(
                "output {:?} has {} rows; the grid has {}",
                scores.name,
                scores.rows,
                cells.total()
            )));
        }
        for (anchor, row) in scores.each_row() {
            let Some(cell) = cells.next() else { break };
            let (class_id, score) = best_of_row(row).ok_or_else(|| scores.nan())?;
            scores.score(score)?;
            if score > job.thresholds.least() {
                let stride = cell.stride as f32;
                let (x, y) = ((cell.x as f32 + 0.5) * stride, (cell.y as f32 + 0.5) * stride);
                let bbox = box_around(x, y, stride, distances.row(anchor as usize));
                job.push(&scores, bbox, score, class_id, first + anchor)?;
            }
        }
        first += scores.rows as u32;
    }
    Ok(())
}

/// NanoDet-Plus: scores and distances in one tensor, four strides. Distances count from the corner of the cell.
fn nanodet_plus(job: &mut Job<'_>, part: Part<'_>) -> Result<()> {
    let mut cells = Cells::new(job.input, &[8, 16, 32, 64]);
    if part.rows != cells.total() {
        return Err(Error::model_invalid(format!(
            "output {:?} has {} rows; the grid has {}",
            part.name,
            part.rows,
            cells.total()
        )));
    }
    let classes = part.columns - 32;
    for (anchor, row) in part.each_row() {
        let Some(cell) = cells.next() else { break };
        let (class_id, score) = best_of_row(&row[..classes]).ok_or_else(|| part.nan())?;
        part.score(score)?;
        if score > job.thresholds.least() {
            let stride = cell.stride as f32;
            let bbox = box_around(cell.x as f32 * stride, cell.y as f32 * stride, stride, &row[classes..]);
            job.push(&part, bbox, score, class_id, anchor)?;
        }
    }
    Ok(())
}

/// RT-DETR and D-FINE: class numbers, corners in the units of `orig_target_sizes` (the input's pixels), scores.
fn rtdetr(
    job: &mut Job<'_>,
    labels: Part<'_>,
    boxes: Part<'_>,
    scores: Part<'_>,
    classes: Option<usize>,
) -> Result<()> {
    if labels.data.len() != scores.data.len() || boxes.rows != scores.data.len() {
        return Err(Error::model_invalid(format!(
            "outputs {:?}, {:?} and {:?} differ in length",
            labels.name, boxes.name, scores.name
        )));
    }
    for ((anchor, &score), &class) in (0u32..).zip(scores.data).zip(labels.data) {
        if score.is_nan() {
            return Err(scores.nan());
        }
        scores.score(score)?;
        if score > job.thresholds.least() {
            let &[x1, y1, x2, y2] = boxes.row(anchor as usize) else {
                continue;
            };
            let class_id = class_number(&labels, class, classes)?;
            job.push(&scores, BoundingBox::from_xyxy(x1, y1, x2, y2), score, class_id, anchor)?;
        }
    }
    Ok(())
}

/// RF-DETR: centre and size as fractions, and logits, of which those behind the classes are no classes.
fn rfdetr(job: &mut Job<'_>, boxes: Part<'_>, logits: Part<'_>, classes: usize) -> Result<()> {
    if boxes.rows != logits.rows {
        return Err(Error::model_invalid(format!("outputs {:?} and {:?} differ in length", boxes.name, logits.name)));
    }
    if logits.columns < classes {
        return Err(Error::model_invalid(format!(
            "output {:?} has rows of {}; its spec says {classes} classes",
            logits.name, logits.columns
        )));
    }
    let (w, h) = (job.input.width as f32, job.input.height as f32);
    for (anchor, row) in logits.each_row() {
        let (class_id, logit) = best_of_row(&row[..classes]).ok_or_else(|| logits.nan())?;
        if logit == f32::INFINITY {
            return Err(Error::model_invalid(format!(
                "output {:?} holds the logit {logit}: the model or its input is damaged",
                logits.name
            )));
        }
        let score = 1.0 / (1.0 + (-logit).exp());
        if score > job.thresholds.least() {
            let &[cx, cy, bw, bh] = boxes.row(anchor as usize) else {
                continue;
            };
            job.push(&logits, BoundingBox::from_cxcywh(cx * w, cy * h, bw * w, bh * h), score, class_id, anchor)?;
        }
    }
    Ok(())
}

/// YuNet: the score is the geometric mean of class score and objectness.
fn yunet(job: &mut Job<'_>, levels: [(Part<'_>, Part<'_>, Part<'_>); 3]) -> Result<()> {
    let strides = crate::model::STRIDES;
    let mut first = 0;
    for (k, (class, object, boxes)) in levels.into_iter().enumerate() {
        let boxes = boxes.with_columns(4)?;
        let mut cells = Cells::new(job.input, &strides[k..=k]);
        if [class.data.len(), object.data.len(), boxes.rows] != [cells.total(); 3] {
            return Err(Error::model_invalid(format!(
                "output {:?} does not fit the grid of {} cells",
                class.name,
                cells.total()
            )));
        }
        for ((anchor, &class_score), &object_score) in (0u32..).zip(class.data).zip(object.data) {
            let Some(cell) = cells.next() else { break };
            if class_score.is_nan() || object_score.is_nan() {
                return Err(class.nan());
            }
            let score = (class.score(class_score)? * object.score(object_score)?).sqrt();
            if score > job.thresholds.least() {
                let &[dx, dy, dw, dh] = boxes.row(anchor as usize) else {
                    continue;
                };
                let stride = cell.stride as f32;
                let (x, y) = ((cell.x as f32 + dx) * stride, (cell.y as f32 + dy) * stride);
                let bbox = BoundingBox::from_cxcywh(x, y, dw.exp() * stride, dh.exp() * stride);
                job.push(&class, bbox, score, 0, first + anchor)?;
            }
        }
        first += class.data.len() as u32;
    }
    Ok(())
}

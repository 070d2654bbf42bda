use crate::geometry::Size;

/// A cell of a grid over the input.
pub(super) struct Cell {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) stride: u32,
}

/// The cells of several grids, finest first, row by row.
pub(super) struct Cells<'a> {
    input: Size,
    strides: &'a [u32],
    x: u32,
    y: u32,
}

impl<'a> Cells<'a> {
    pub(super) fn new(input: Size, strides: &'a [u32]) -> Self {
        Self { input, strides, x: 0, y: 0 }
    }

    pub(super) fn total(&self) -> usize {
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

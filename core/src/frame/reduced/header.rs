use crate::frame::jpeg::{Codes, Colors, Structure};
use crate::geometry::Size;

/// The order in which a JPEG stores the coefficients of a block: place in the stream to row times 8 plus column
/// (ITU-T T.81, figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// What is needed to read the scan of a JPEG as nearly all cameras write it: 8 bits, baseline or extended Huffman, all
/// components in one scan, chroma at most halved.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) size: Size,
    /// Blocks of luma in a coded unit: across and down.
    pub(super) luma: (usize, usize),
    /// Blocks of chroma in a coded unit: 0 or 2.
    pub(super) chroma: usize,
    /// Quantisation of luma, in the order of the stream.
    pub(super) quantisation: [u16; 64],
    /// For the first coefficient and for the others, one pair a component.
    pub(super) codes: [(Codes<'a>, Codes<'a>); 3],
    /// Coded units between two restart markers; 0 where there are none.
    pub(super) restart: usize,
    /// The coded data.
    pub(super) data: &'a [u8],
}

impl<'a> Header<'a> {
    /// `None` for all that is out of the ordinary: the general decoder judges it.
    pub(super) fn of(structure: &Structure<'a>) -> Option<Self> {
        let [scan] = &structure.scans[..] else { return None };
        let usual = structure.is_sequential() && matches!(structure.colors, Colors::Gray | Colors::YCbCr);
        let (first, chroma) = structure.components.split_first()?;
        if !usual || !matches!(first.sampling, (1 | 2, 1 | 2)) || chroma.iter().any(|one| one.sampling != (1, 1)) {
            return None;
        }
        let mut codes = [None; 3];
        for (codes, selector) in codes.iter_mut().zip(&scan.selectors) {
            let of = |list: &[Option<Codes<'a>>; 4], n: u8| list.get(usize::from(n)).copied().flatten();
            let tables = &structure.tables;
            *codes = Some((of(&tables.dc, selector.dc_table)?, of(&tables.ac, selector.ac_table)?));
        }
        Some(Self {
            size: structure.size,
            // A component alone in its scan comes block by block, whatever its sampling.
            luma: if chroma.is_empty() { (1, 1) } else { first.sampling },
            chroma: chroma.len(),
            quantisation: structure.tables.quantisation.get(first.quantisation).copied().flatten()?,
            codes: [codes[0]?, codes[1].or(codes[0])?, codes[2].or(codes[0])?],
            restart: scan.restart,
            data: scan.data,
        })
    }
}

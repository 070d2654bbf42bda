use super::standard;
use super::structure::Selector;

/// A Huffman table as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(in crate::frame) struct Codes<'a> {
    /// How many codes have 1, 2, … 16 bits.
    pub(in crate::frame) counts: [u8; 16],
    /// What they stand for, shorter codes first.
    pub(in crate::frame) symbols: &'a [u8],
}

impl Codes<'_> {
    pub(in crate::frame) fn same(&self, other: &Self) -> bool {
        self.counts == other.counts && self.symbols == other.symbols
    }
}

/// The tables that are in force at some place of a JPEG.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::frame) struct Tables<'a> {
    /// In the order of the stream.
    pub(in crate::frame) quantisation: [Option<[u16; 64]>; 4],
    pub(in crate::frame) dc: [Option<Codes<'a>>; 4],
    pub(in crate::frame) ac: [Option<Codes<'a>>; 4],
    /// Coded units between two restart markers; 0 where there are none.
    pub(in crate::frame) restart: usize,
}

impl<'a> Tables<'a> {
    /// Reads the body of a segment with tables; `None` where it is not one.
    pub(super) fn read(&mut self, marker: u8, body: &'a [u8]) -> Option<()> {
        match marker {
            0xC4 => self.read_codes(body),
            0xDB => self.read_quantisation(body),
            _ => {
                self.restart = u16::from_be_bytes(body.try_into().ok()?).into();
                Some(())
            }
        }
    }

    /// Whether a sequential scan has the tables that it names.
    pub(super) fn are_there_for(&self, selectors: &[Selector]) -> bool {
        let is_there =
            |list: &[Option<Codes<'_>>; 4], number: u8| matches!(list.get(usize::from(number)), Some(Some(_)));
        selectors.iter().all(|selector| is_there(&self.dc, selector.dc_table) && is_there(&self.ac, selector.ac_table))
    }

    /// Puts the standard tables where none were given.
    pub(super) fn or_standard(&mut self) {
        let mut all = Tables::default();
        if all.read_codes(&standard::TABLES).is_some() {
            for (mine, standard) in self.dc.iter_mut().zip(all.dc).chain(self.ac.iter_mut().zip(all.ac)) {
                *mine = mine.or(standard);
            }
        }
    }

    fn read_codes(&mut self, mut body: &'a [u8]) -> Option<()> {
        while let Some((&[kind, counts @ ..], rest)) = body.split_first_chunk::<17>() {
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let list = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let entry = list.get_mut(usize::from(kind & 15)).filter(|_| kind >> 4 <= 1)?;
            *entry = Some(Codes { counts, symbols });
            body = rest;
        }
        body.is_empty().then_some(())
    }

    fn read_quantisation(&mut self, mut body: &'a [u8]) -> Option<()> {
        while let Some((&kind, rest)) = body.split_first() {
            let entry = self.quantisation.get_mut(usize::from(kind & 15))?;
            let wide = match kind >> 4 {
                0 => 1,
                1 => 2,
                _ => return None,
            };
            let (steps, rest) = rest.split_at_checked(64 * wide)?;
            let mut table = [0; 64];
            for (entry, step) in table.iter_mut().zip(steps.chunks_exact(wide)) {
                *entry = step.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            }
            *entry = Some(table);
            body = rest;
        }
        Some(())
    }
}

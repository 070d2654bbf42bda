use crate::geometry::Size;

/// The order in which a JPEG stores the coefficients of a block: place in the stream to row times 8 plus column
/// (ITU-T T.81, figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// A Huffman table as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Codes<'a> {
    /// How many codes have 1, 2, … 16 bits.
    pub(super) counts: [u8; 16],
    /// What they stand for, shorter codes first.
    pub(super) symbols: &'a [u8],
}

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
    /// Where the coded data begin.
    pub(super) start: usize,
}

#[derive(Default)]
struct Tables<'a> {
    quantisation: [Option<[u16; 64]>; 4],
    first: [Option<Codes<'a>>; 4],
    others: [Option<Codes<'a>>; 4],
    restart: usize,
}

struct Component {
    id: u8,
    sampling: (usize, usize),
    quantisation: usize,
}

impl<'a> Header<'a> {
    /// `None` for all that is out of the ordinary: the general decoder judges it.
    pub(super) fn read(encoded: &'a [u8]) -> Option<Self> {
        let mut tables = Tables::default();
        let mut frame = None;
        let mut at = 2;
        loop {
            let &[0xFF, marker] = encoded.get(at..at + 2)? else { return None };
            if marker == 0xFF {
                at += 1;
                continue;
            }
            let length = usize::from(u16_at(encoded, at + 2)?);
            let body = encoded.get(at + 4..at + 2 + length)?;
            at += 2 + length;
            match marker {
                0xC0 | 0xC1 if frame.is_none() => frame = Some(read_frame(body)?),
                0xC4 => tables.read_codes(body)?,
                0xDB => tables.read_quantisation(body)?,
                0xDD => tables.restart = usize::from(u16_at(body, 0)?),
                0xDA => return Self::of_scan(body, frame?, &tables, at),
                // Adobe: colours other than YCbCr.
                0xEE if body.starts_with(b"Adobe") && body.get(11) != Some(&1) => return None,
                0xE0..=0xEF | 0xFE => {}
                _ => return None,
            }
        }
    }

    fn of_scan(body: &[u8], frame: (Size, Vec<Component>), tables: &Tables<'a>, start: usize) -> Option<Self> {
        let (size, components) = frame;
        let (&count, rest) = body.split_first()?;
        let (selectors, spectrum) = rest.split_at_checked(2 * components.len())?;
        if usize::from(count) != components.len() || spectrum != [0, 63, 0] {
            return None;
        }
        let mut codes = [None; 3];
        for ((codes, selector), component) in codes.iter_mut().zip(selectors.as_chunks::<2>().0).zip(&components) {
            if selector[0] != component.id {
                return None;
            }
            let of = |list: &[Option<Codes<'a>>; 4], n: u8| list.get(usize::from(n)).copied().flatten();
            *codes = Some((of(&tables.first, selector[1] >> 4)?, of(&tables.others, selector[1] & 15)?));
        }
        let first = components.first()?;
        let ids: Vec<u8> = components.iter().map(|component| component.id).collect();
        let plain = components.iter().skip(1).all(|component| component.sampling == (1, 1));
        // With these names a file without other marks holds red, green and blue.
        if !plain || ids == *b"RGB" || ids == *b"rgb" {
            return None;
        }
        let alone = components.len() == 1;
        Some(Self {
            size,
            // A component alone in its scan comes block by block, whatever its sampling.
            luma: if alone { (1, 1) } else { first.sampling },
            chroma: components.len() - 1,
            quantisation: tables.quantisation.get(first.quantisation).copied().flatten()?,
            codes: [codes[0]?, codes[1].or(codes[0])?, codes[2].or(codes[0])?],
            restart: tables.restart,
            start,
        })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn read_frame(body: &[u8]) -> Option<(Size, Vec<Component>)> {
    let (&[8, h1, h0, w1, w0, count], rest) = body.split_first_chunk()? else { return None };
    let size = Size::new(u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into());
    if size.pixels() == 0 || !matches!(count, 1 | 3) || rest.len() != 3 * usize::from(count) {
        return None;
    }
    let components = rest.as_chunks::<3>().0.iter().map(|&[id, sampling, quantisation]| {
        let sampling = (usize::from(sampling >> 4), usize::from(sampling & 15));
        let usual = matches!(sampling, (1 | 2, 1 | 2));
        usual.then_some(Component { id, sampling, quantisation: quantisation.into() })
    });
    Some((size, components.collect::<Option<_>>()?))
}

impl<'a> Tables<'a> {
    fn read_codes(&mut self, mut body: &'a [u8]) -> Option<()> {
        while let Some((&[kind, counts @ ..], rest)) = body.split_first_chunk::<17>() {
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let list = if kind >> 4 == 0 { &mut self.first } else { &mut self.others };
            let entry = list.get_mut(usize::from(kind & 15)).filter(|_| kind >> 4 <= 1)?;
            *entry = Some(Codes { counts, symbols });
            body = rest;
        }
        body.is_empty().then_some(())
    }

    fn read_quantisation(&mut self, mut body: &[u8]) -> Option<()> {
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

impl Codes<'_> {
    pub(super) fn same(&self, other: &Self) -> bool {
        self.counts == other.counts && self.symbols == other.symbols
    }
}

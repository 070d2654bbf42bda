//! Huffman codes as tables by their next bits. What a table finds includes the bits of the number behind the code, so
//! that most coefficients take one look.

use super::bits::{Bits, extend};
use super::header::Codes;

/// Bits that [`Values`] looks at.
const LOOK: u32 = 11;
/// Bits that [`Lengths`] looks at.
const LOOK_LENGTHS: u32 = 12;
/// More bits than a number may have.
const MAX_SIZE: u32 = 15;

/// Codes of any length, bit by bit of length.
#[derive(Debug)]
struct Long {
    /// The first 16-bit number that no code of this length or less begins.
    limit: [u32; 16],
    /// What to add to the code to find its symbol.
    offset: [i32; 16],
    symbols: [u8; 256],
}

impl Long {
    /// `None` where the codes do not fit.
    fn new(codes: &Codes<'_>) -> Option<Self> {
        let mut long = Self { limit: [0; 16], offset: [0; 16], symbols: [0; 256] };
        long.symbols.get_mut(..codes.symbols.len())?.copy_from_slice(codes.symbols);
        let (mut code, mut at) = (0u32, 0i32);
        for (k, &count) in codes.counts.iter().enumerate() {
            code *= 2;
            long.offset[k] = at - code as i32;
            code += u32::from(count);
            at += i32::from(count);
            long.limit[k] = code << (15 - k);
            // All ones is no code, but encoders have written it.
            if long.limit[k] > 1 << 16 {
                return None;
            }
        }
        Some(long)
    }

    /// Length and symbol of the code that 16 bits begin with.
    #[inline]
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        let k = self.limit.iter().position(|&limit| bits < limit)?;
        let at = (bits >> (15 - k)) as i32 + self.offset[k];
        Some((k as u32 + 1, *self.symbols.get(at as usize)?))
    }
}

/// Run of zeros and size of the number behind it.
fn parts(symbol: u8) -> (u32, u32) {
    (u32::from(symbol >> 4), u32::from(symbol & 15))
}

/// What stands in a block behind its first coefficient.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// So many places on, and the number at the last of them.
    Number(usize, i32),
    End,
}

/// For coefficients whose values count.
#[derive(Debug)]
pub(super) struct Values {
    /// Bits 0..7: length of code and number, or with [`LATER`] of the code alone. 8..15: places, 0 for the end of the
    /// block. 16..31: the number, or its size. 0 for codes that are longer.
    table: Box<[u32; 1 << LOOK]>,
    long: Long,
}

/// The number did not fit.
const LATER: u32 = 0x80;

impl Values {
    pub(super) fn new(codes: &Codes<'_>) -> Option<Self> {
        let long = Long::new(codes)?;
        let mut table = Box::new([0; 1 << LOOK]);
        for (index, entry) in table.iter_mut().enumerate() {
            let Some((length, symbol)) = long.find((index as u32) << (16 - LOOK)).filter(|found| found.0 <= LOOK)
            else {
                continue;
            };
            let (run, size) = parts(symbol);
            let total = length + size;
            *entry = if size == 0 && run != 15 {
                // Other runs without a number do not occur in these files; decoders take them for the end.
                length
            } else if total <= LOOK {
                let raw = (index as u32 >> (LOOK - total)) & ((1 << size) - 1);
                total | (run + 1) << 8 | (extend(raw as i32, size) as u32) << 16
            } else {
                length | LATER | (run + 1) << 8 | size << 16
            };
        }
        Some(Self { table, long })
    }

    /// The next step; needs 31 bits.
    #[inline(always)]
    pub(super) fn step(&self, bits: &mut Bits<'_>) -> Option<Step> {
        let entry = self.table[bits.peek(LOOK)];
        let places = (entry >> 8 & 0xFF) as usize;
        if entry & LATER == 0 && entry != 0 {
            bits.skip(entry & 0x7F);
            return Some(if places == 0 { Step::End } else { Step::Number(places, entry as i32 >> 16) });
        }
        if entry != 0 {
            bits.skip(entry & 0x7F);
            return Some(Step::Number(places, bits.signed(entry >> 16)));
        }
        self.long_step(bits)
    }

    #[cold]
    fn long_step(&self, bits: &mut Bits<'_>) -> Option<Step> {
        let (length, symbol) = self.long.find(bits.peek(16) as u32)?;
        bits.skip(length);
        let (run, size) = parts(symbol);
        Some(if size == 0 && run != 15 { Step::End } else { Step::Number(run as usize + 1, bits.signed(size)) })
    }
}

/// For first coefficients.
#[derive(Debug)]
pub(super) struct Firsts {
    /// Length of the code times 256 plus size of the number; 0 for codes that are longer.
    table: Box<[u16; 1 << 9]>,
    long: Long,
}

impl Firsts {
    pub(super) fn new(codes: &Codes<'_>) -> Option<Self> {
        let long = Long::new(codes)?;
        if codes.symbols.iter().any(|&size| u32::from(size) > MAX_SIZE) {
            return None;
        }
        let mut table = Box::new([0; 1 << 9]);
        for (index, entry) in table.iter_mut().enumerate() {
            if let Some((length, symbol)) = long.find((index as u32) << 7).filter(|found| found.0 <= 9) {
                *entry = (length as u16) << 8 | u16::from(symbol);
            }
        }
        Some(Self { table, long })
    }

    /// The size of the number that comes next; needs 16 bits.
    #[inline(always)]
    pub(super) fn size(&self, bits: &mut Bits<'_>) -> Option<u32> {
        let entry = self.table[bits.peek(9)];
        let (length, size) = match entry {
            0 => self.long.find(bits.peek(16) as u32)?,
            _ => (u32::from(entry >> 8), entry as u8),
        };
        bits.skip(length);
        Some(size.into())
    }
}

/// For coefficients that are only to be passed: several of them at a look.
#[derive(Debug)]
pub(super) struct Lengths {
    /// Bits 0..3: length of all codes and numbers. 4..10: places. 15: the block ends behind them. 0 where not even one
    /// fits.
    table: Box<[u16; 1 << LOOK_LENGTHS]>,
    long: Long,
}

const ENDS: u16 = 1 << 15;

impl Lengths {
    pub(super) fn new(codes: &Codes<'_>) -> Option<Self> {
        let long = Long::new(codes)?;
        let mut table = Box::new([0; 1 << LOOK_LENGTHS]);
        for (index, entry) in table.iter_mut().enumerate() {
            let (mut used, mut places) = (0, 0);
            while used < LOOK_LENGTHS {
                let rest = (index as u32) << (16 - LOOK_LENGTHS + used) & 0xFFFF;
                let Some((length, symbol)) = long.find(rest) else { break };
                let (run, size) = parts(symbol);
                if used + length + size > LOOK_LENGTHS || places + run >= 64 {
                    break;
                }
                used += length + size;
                if size == 0 && run != 15 {
                    *entry = ENDS;
                    break;
                }
                places += run + 1;
            }
            *entry |= used as u16 | (places as u16) << 4;
        }
        Some(Self { table, long })
    }

    /// Passes what is left of a block behind its first coefficient.
    #[inline(always)]
    pub(super) fn pass(&self, bits: &mut Bits<'_>) -> Option<()> {
        let mut at = 1;
        while at < 64 {
            bits.refill();
            // 56 bits are ready: two looks.
            for _ in 0..2 {
                let entry = self.table[bits.peek(LOOK_LENGTHS)];
                let places = usize::from(entry >> 4 & 0x7F);
                let ends = entry & ENDS != 0;
                if entry == 0 || at + places + usize::from(ends) > 64 {
                    at = self.pass_one(bits, at)?;
                } else {
                    bits.skip(u32::from(entry & 15));
                    at += places;
                    if ends {
                        return Some(());
                    }
                }
                if at >= 64 {
                    break;
                }
            }
        }
        Some(())
    }

    /// One code that is long, or the last one of a block that ends without a mark.
    #[inline(never)]
    fn pass_one(&self, bits: &mut Bits<'_>, at: usize) -> Option<usize> {
        bits.refill();
        let (length, symbol) = self.long.find(bits.peek(16) as u32)?;
        let (run, size) = parts(symbol);
        bits.skip(length + size);
        if size == 0 && run != 15 {
            return Some(64);
        }
        Some(at + run as usize + 1).filter(|&at| at <= 64)
    }
}

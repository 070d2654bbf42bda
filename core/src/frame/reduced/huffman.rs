//! Huffman codes as tables by their next bits. What a table finds includes the bits of the number behind the code, so
//! that most coefficients take one look.

use super::bits::Bits;
use crate::frame::jpeg::Codes;

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

    /// Gives every number of so many bits that begins with a whole code, and what that code is.
    fn by_prefix(&self, bits: u32, mut give: impl FnMut(usize, (u32, u8))) {
        for index in 0..1 << bits {
            if let Some(found) = self.find((index as u32) << (16 - bits)).filter(|found| found.0 <= bits) {
                give(index, found);
            }
        }
    }

    /// The same where it is rare. It takes the bits and not their reader, which so stays in registers.
    #[cold]
    #[inline(never)]
    fn find_rare(&self, bits: u32) -> Option<(u32, u8)> {
        self.find(bits)
    }
}

/// Run of zeros and size of the number behind it.
fn parts(symbol: u8) -> (u32, u32) {
    (u32::from(symbol >> 4), u32::from(symbol & 15))
}

/// Whether a block ends here: no number, and no run of 16 zeros either. Other runs without a number do not occur in these
/// files; decoders take them for the end.
fn ends(symbol: u8) -> bool {
    symbol & 15 == 0 && symbol != 0xF0
}

/// For coefficients whose values count.
#[derive(Debug)]
pub(super) struct Values {
    /// Bits 0..4: length of code and number. 8..11: size of the number. 16..22: places, 0 for the end of the block. 0 for
    /// codes that are longer.
    table: Box<[u32; 1 << LOOK]>,
    long: Long,
}

/// What a code means, in the bits of [`Values`].
fn entry((length, symbol): (u32, u8)) -> u32 {
    let (run, size) = parts(symbol);
    if ends(symbol) { length } else { (length + size) | size << 8 | (run + 1) << 16 }
}

impl Values {
    pub(super) fn new(codes: &Codes<'_>) -> Option<Self> {
        let long = Long::new(codes)?;
        let mut table = Box::new([0; 1 << LOOK]);
        long.by_prefix(LOOK, |index, found| table[index] = entry(found));
        Some(Self { table, long })
    }

    /// Gives the places and the values of what stands in a block behind its first coefficient.
    #[inline(always)]
    pub(super) fn read(&self, bits: &mut Bits<'_>, mut found: impl FnMut(usize, i32)) -> Option<()> {
        let mut place = 0;
        while place < 63 {
            // Up to 16 bits for the code and 15 for the number.
            bits.refill();
            let mut step = self.table[bits.peek(LOOK)];
            if step == 0 {
                step = entry(self.long.find_rare(bits.peek(16) as u32)?);
            }
            let value = bits.skip_signed(step & 31, step >> 8 & 15);
            let places = (step >> 16) as usize;
            if places == 0 {
                return Some(());
            }
            place += places;
            if place > 63 {
                return None;
            }
            found(place, value);
        }
        Some(())
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

    /// The next number; needs 31 bits.
    #[inline(always)]
    pub(super) fn read(&self, bits: &mut Bits<'_>) -> Option<i32> {
        let entry = self.table[bits.peek(9)];
        let (length, size) = match entry {
            0 => self.long.find_rare(bits.peek(16) as u32)?,
            _ => (u32::from(entry >> 8), entry as u8),
        };
        Some(bits.skip_signed(length + u32::from(size), size.into()))
    }
}

/// For coefficients that are skipped: several of them per look-up.
#[derive(Debug)]
pub(super) struct Lengths {
    /// Bits 0..3: length of all codes and numbers. 4..10: places. 15: the block ends behind them. 0 where not even one
    /// fits.
    table: Box<[u16; 1 << LOOK_LENGTHS]>,
    long: Long,
}

const BLOCK_ENDS: u16 = 1 << 15;

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
                if ends(symbol) {
                    *entry = BLOCK_ENDS;
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
                let ends = entry & BLOCK_ENDS != 0;
                if entry == 0 || at + places + usize::from(ends) > 64 {
                    // One code that is long, or the last one of a block that ends without a mark.
                    bits.refill();
                    let (length, symbol) = self.long.find_rare(bits.peek(16) as u32)?;
                    let (run, size) = parts(symbol);
                    bits.skip(length + size);
                    at = if self::ends(symbol) { 64 } else { at + run as usize + 1 };
                    if at > 64 {
                        return None;
                    }
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
}

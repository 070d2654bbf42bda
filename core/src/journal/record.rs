//! The bytes of a journal: a head of mark and version, then records. No I/O.
//!
//! A record is its length, a check of that, its content, and a check of that. Every check continues the one before, so
//! a record that was changed, left out, doubled or moved is found. The length has a check of its own: else one flipped bit
//! of it would make sound records look like a tail that was never fully written, and what they hold would be lost.

use crate::error::{Error, Result};

/// What the files of one kind begin with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) mark: &'static [u8; 8],
    /// Raised whenever the content of a record, or what it means, changes.
    pub(crate) version: u16,
}

const HEAD: usize = 8 + size_of::<u16>() + size_of::<u32>();

impl Format {
    fn head(self) -> Vec<u8> {
        let mut bytes = self.mark.to_vec();
        bytes.extend(self.version.to_le_bytes());
        let sum = check(0, &bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// A new file that holds this one record, and the check that the next one continues.
    ///
    /// # Errors
    /// `Internal` for a record of 4 GiB.
    pub(crate) fn begin(self, content: &[u8]) -> Result<(Vec<u8>, u32)> {
        let mut bytes = self.head();
        let (first, sum) = record(content, check(0, &bytes))?;
        bytes.extend(first);
        Ok((bytes, sum))
    }

    /// Gives the content of each record to `take`, which says whether it makes sense. A last record that is shorter than it
    /// says is left out: its write never returned.
    ///
    /// # Errors
    /// Where the file stops being sound.
    pub(crate) fn read(self, bytes: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> std::result::Result<(), Damage> {
        let (start, mut rest) = bytes.split_at_checked(HEAD).ok_or(Damage::Beginning)?;
        if start != self.head() {
            let (text, sum) = start.split_at(HEAD - size_of::<u32>());
            let other = text.starts_with(self.mark) && check(0, text).to_le_bytes() == sum;
            return Err(if other { Damage::Version } else { Damage::Beginning });
        }
        let mut sum = check(0, start);
        let mut first = true;
        while first || !rest.is_empty() {
            match part(rest, sum) {
                Part::Whole { content, rest: next, sum: next_sum } if take(content) => (rest, sum) = (next, next_sum),
                _ if first => return Err(Damage::Beginning),
                Part::Torn => break,
                _ => return Err(Damage::At(bytes.len() - rest.len())),
            }
            first = false;
        }
        Ok(())
    }
}

/// Why a journal cannot be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Not of this kind, or its head or first record is damaged.
    Beginning,
    /// Of this kind and another version.
    Version,
    /// Sound up to this byte.
    At(usize),
}

/// A record, and the check that the next one continues.
///
/// # Errors
/// `Internal` for a content of 4 GiB.
pub(crate) fn record(content: &[u8], before: u32) -> Result<(Vec<u8>, u32)> {
    let length =
        u32::try_from(content.len()).map_err(|_| Error::internal("a record of more than 4 GiB"))?.to_le_bytes();
    let length_sum = check(before, &length);
    let sum = check(length_sum, content);
    let mut bytes = length.to_vec();
    bytes.extend(length_sum.to_le_bytes());
    bytes.extend(content);
    bytes.extend(sum.to_le_bytes());
    Ok((bytes, sum))
}

fn check(before: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(bytes);
    hasher.finalize()
}

/// The result of parsing the first record of some bytes.
enum Part<'a> {
    Whole {
        content: &'a [u8],
        rest: &'a [u8],
        sum: u32,
    },
    /// Shorter than it says.
    Torn,
    Bad,
}

fn part(bytes: &[u8], before: u32) -> Part<'_> {
    let word = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_le_bytes);
    let (Some(length), Some(length_sum)) = (word(0), word(4)) else { return Part::Torn };
    if check(before, &length.to_le_bytes()) != length_sum {
        return Part::Bad;
    }
    let end = 8_usize.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    let (Some(content), Some(sum)) = (bytes.get(8..end), word(end)) else { return Part::Torn };
    if check(length_sum, content) != sum {
        return Part::Bad;
    }
    Part::Whole { content, rest: &bytes[end + 4..], sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { mark: b"guarita?", version: 1 };

    /// A file of six records of 0..5 bytes, and where each ends.
    fn small() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut sum) = FORMAT.begin(b"").unwrap();
        let mut ends = vec![bytes.len()];
        for count in 1..6 {
            let (next, next_sum) = record(&vec![7; count], sum).unwrap();
            bytes.extend(next);
            sum = next_sum;
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn read(bytes: &[u8]) -> std::result::Result<Vec<usize>, Damage> {
        let mut lengths = Vec::new();
        FORMAT.read(bytes, |content| {
            lengths.push(content.len());
            content.iter().all(|&byte| byte == 7)
        })?;
        Ok(lengths)
    }

    #[test]
    fn every_flip_is_found_where_it_is() {
        let (mut bytes, ends) = small();
        assert_eq!(read(&bytes), Ok(vec![0, 1, 2, 3, 4, 5]));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                let sound = ends.iter().rev().find(|&&end| end <= at);
                assert_eq!(read(&bytes), Err(sound.map_or(Damage::Beginning, |&end| Damage::At(end))), "{at} {bit}");
                bytes[at] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn a_cut_loses_no_whole_record() {
        let (bytes, ends) = small();
        for length in 0..=bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= length).count();
            let expected = if whole == 0 { Err(Damage::Beginning) } else { Ok((0..whole).collect()) };
            assert_eq!(read(&bytes[..length]), expected, "{length}");
        }
    }

    #[test]
    fn records_left_out_doubled_or_moved_and_contents_without_sense_are_found() {
        let (bytes, ends) = small();
        let record_at = |k: usize| &bytes[ends[k - 1]..ends[k]];
        let begin = &bytes[..ends[2]];
        for wrong in [
            [begin, record_at(4)].concat(),
            [begin, record_at(2)].concat(),
            [begin, record_at(4), record_at(3)].concat(),
        ] {
            assert_eq!(read(&wrong), Err(Damage::At(ends[2])));
        }
        assert_eq!(read(&[&bytes[..], &[0; 64]].concat()), Err(Damage::At(bytes.len())));
        let (mut senseless, sum) = FORMAT.begin(&[7]).unwrap();
        let end = senseless.len();
        senseless.extend(record(&[8], sum).unwrap().0);
        assert_eq!(read(&senseless), Err(Damage::At(end)));
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let other = Format { version: 2, ..FORMAT }.begin(&[7]).unwrap().0;
        assert_eq!(read(&other), Err(Damage::Version));
        let other = Format { mark: b"guaritaX", ..FORMAT }.begin(&[7]).unwrap().0;
        assert_eq!(read(&other), Err(Damage::Beginning));
    }
}

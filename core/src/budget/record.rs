//! The bytes of a journal: a mark, a snapshot of the ledger, then one record for each entry. No I/O.
//!
//! A record is its length, a check of that, its content, and a check of that. Every check continues the one before, so
//! a record that was changed, left out, doubled or moved is found. The length has a check of its own: else one flipped bit
//! of it would make sound records look like a tail that was never fully written, and what they count would be lost.

use super::config::BudgetConfig;
use super::entry::Entry;
use super::ledger::Ledger;
use crate::error::{Error, Result};
use serde::Serialize;
use std::path::Path;

const MARK: &[u8; 8] = b"guaritaB";
/// Raised whenever [`Ledger`] or [`Entry`], or what their numbers mean, changes.
const VERSION: u16 = 1;
const HEAD: usize = MARK.len() + size_of::<u16>() + size_of::<u32>();

fn check(before: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(bytes);
    hasher.finalize()
}

fn head() -> Vec<u8> {
    let mut bytes = MARK.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    let sum = check(0, &bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// A record, and the check that the next one continues.
fn record(content: &impl Serialize, before: u32) -> Result<(Vec<u8>, u32)> {
    let content =
        postcard::to_allocvec(content).map_err(|error| Error::internal("a record has no bytes").with_source(error))?;
    let length =
        u32::try_from(content.len()).map_err(|_| Error::internal("a record of more than 4 GiB"))?.to_le_bytes();
    let length_sum = check(before, &length);
    let sum = check(length_sum, &content);
    let mut bytes = length.to_vec();
    bytes.extend(length_sum.to_le_bytes());
    bytes.extend(content);
    bytes.extend(sum.to_le_bytes());
    Ok((bytes, sum))
}

/// An entry as the next record.
pub(super) fn write(entry: &Entry, before: u32) -> Result<(Vec<u8>, u32)> {
    record(entry, before)
}

/// A whole new journal.
pub(super) fn snapshot(ledger: &Ledger) -> Result<(Vec<u8>, u32)> {
    let mut bytes = head();
    let (content, sum) = record(ledger, check(0, &bytes))?;
    bytes.extend(content);
    Ok((bytes, sum))
}

/// What can be cut off the front of a journal.
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

fn decode<T: serde::de::DeserializeOwned>(content: &[u8]) -> Option<T> {
    postcard::take_from_bytes(content).ok().filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// The ledger that a journal tells of. A last record that is shorter than it says is left out: its write never
/// returned, so the call that it was for never went.
///
/// # Errors
/// `DataCorrupt` saying how much is sound and what to do; `Unsupported` for another version.
pub(super) fn read(bytes: &[u8], config: &BudgetConfig, path: &Path) -> Result<Ledger> {
    let path = path.display();
    let no_journal = || {
        Error::data_corrupt(format!(
            "{path} is no journal of a budget, or its beginning is damaged, so that no spend can be read from it; restore \
             it from a backup, or move it away to begin with nothing spent"
        ))
    };
    let (start, rest) = bytes.split_at_checked(HEAD).ok_or_else(no_journal)?;
    if start != head() {
        let (text, sum) = start.split_at(HEAD - size_of::<u32>());
        if text.starts_with(MARK) && check(0, text).to_le_bytes() == sum {
            return Err(Error::unsupported(format!(
                "{path} is a journal of another version than {VERSION}; use the guarita that wrote it"
            )));
        }
        return Err(no_journal());
    }
    let Part::Whole { content, mut rest, mut sum } = part(rest, check(0, start)) else { return Err(no_journal()) };
    let mut ledger: Ledger = decode(content).ok_or_else(no_journal)?;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        match part(rest, sum) {
            Part::Torn => break,
            Part::Whole { content, rest: next, sum: next_sum }
                if decode(content).is_some_and(|entry| ledger.apply(&entry, config, &mut Vec::new())) =>
            {
                (rest, sum) = (next, next_sum);
            }
            _ => {
                return Err(Error::data_corrupt(format!(
                    "{path} is damaged at byte {at} of {}: what was spent after that is unknown. Restore it from a backup; \
                     or keep a copy, cut the file to {at} bytes, and lower the caps by what may be missing",
                    bytes.len()
                )));
            }
        }
    }
    Ok(ledger)
}

#[cfg(test)]
mod tests {
    use super::super::shared::{Saving, Spend};
    use super::*;
    use crate::clock::{Moment, Timestamp, UnixTime};
    use crate::error::ErrorCode;

    /// A journal with every kind of entry; where its records end, and what was used there.
    fn small() -> (Vec<u8>, Vec<(usize, u64)>) {
        let config = BudgetConfig::default();
        let (mut ledger, mut events) = (Ledger::default(), Vec::new());
        let now = Moment { monotonic: Timestamp::from_millis(5), unix: UnixTime::from_secs(1_700_000_000) };
        ledger.observe(&config, now);
        let spend = Spend { api: "rekognition:DetectText", camera: "yard", tenant: "port", images: 3 };
        let (mut bytes, mut sum) = snapshot(&ledger).unwrap();
        let mut ends = vec![(bytes.len(), 0)];
        for k in 0..8 {
            let (reserve, id, _) = ledger.plan(&config, &spend, now.unix).ok().unwrap();
            let commit = Entry::Commit { id, amount: 2_000, images: 2 };
            let second = [commit, Entry::Release { id }, Entry::Unknown { id }][k % 3].clone();
            let saved = ledger.saved(&config, &spend, Saving::Cache).unwrap();
            for entry in [reserve, second, saved] {
                let (record, next) = write(&entry, sum).unwrap();
                bytes.extend(record);
                sum = next;
                assert!(ledger.apply(&entry, &config, &mut events));
                ends.push((bytes.len(), ledger.total.month.used()));
            }
        }
        (bytes, ends)
    }

    fn open(bytes: &[u8]) -> Result<Ledger> {
        read(bytes, &BudgetConfig::default(), Path::new("x"))
    }

    #[test]
    fn every_flip_is_refused() {
        let (mut bytes, _) = small();
        open(&bytes).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                assert_eq!(open(&bytes).unwrap_err().code(), ErrorCode::DataCorrupt, "byte {at} bit {bit}");
                bytes[at] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn a_cut_loses_no_whole_record() {
        let (bytes, ends) = small();
        for length in 0..=bytes.len() {
            let Some(&(_, used)) = ends.iter().rev().find(|(end, _)| *end <= length) else {
                assert_eq!(open(&bytes[..length]).unwrap_err().code(), ErrorCode::DataCorrupt, "{length}");
                continue;
            };
            assert_eq!(open(&bytes[..length]).unwrap().total.month.used(), used, "{length}");
        }
    }

    #[test]
    fn a_record_left_out_doubled_or_moved_is_found() {
        let (bytes, ends) = small();
        let end = |k: usize| ends[k].0;
        let left_out = [&bytes[..end(3)], &bytes[end(4)..]].concat();
        let doubled = [&bytes[..end(4)], &bytes[end(3)..]].concat();
        let moved = [&bytes[..end(3)], &bytes[end(4)..end(5)], &bytes[end(3)..end(4)]].concat();
        for wrong in [left_out, doubled, moved, [&bytes[..], &[0; 64]].concat()] {
            let error = open(&wrong).unwrap_err();
            assert!(error.code() == ErrorCode::DataCorrupt && error.to_string().contains("cut the file to"), "{error}");
        }
    }

    #[test]
    fn sound_records_that_make_no_sense_are_refused() {
        let (bytes, sum) = snapshot(&Ledger::default()).unwrap();
        for entry in [Entry::Release { id: 7 }, Entry::Commit { id: 1, amount: u64::MAX, images: 1 }] {
            let record = write(&entry, sum).unwrap().0;
            assert_eq!(open(&[&bytes[..], &record].concat()).unwrap_err().code(), ErrorCode::DataCorrupt);
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut other = MARK.to_vec();
        other.extend((VERSION + 1).to_le_bytes());
        let sum = check(0, &other);
        other.extend(sum.to_le_bytes());
        assert_eq!(open(&other).unwrap_err().code(), ErrorCode::Unsupported);
    }
}

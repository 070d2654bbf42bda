//! What the records of a budget's journal hold: a snapshot of the ledger, then one entry each. No I/O.

use super::config::Rules;
use super::ledger::Ledger;
use crate::error::{Error, Result};
use crate::journal::{Damage, Format};
use serde::Serialize;
use std::path::Path;

/// The version is raised whenever [`Ledger`] or [`Entry`](super::entry::Entry), or what their numbers mean, changes.
pub(super) const FORMAT: Format = Format { mark: b"guaritaB", version: 1 };

/// The content of a record.
pub(super) fn bytes(of: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_allocvec(of).map_err(|error| Error::internal("a record has no bytes").with_source(error))
}

fn decode<T: serde::de::DeserializeOwned>(content: &[u8]) -> Option<T> {
    postcard::take_from_bytes(content).ok().filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// Reads the ledger from a journal. An incomplete last record is ignored: its write never returned, so its call was
/// never made.
///
/// # Errors
/// `DataCorrupt` saying how much is sound and what to do; `Unsupported` for another version.
pub(super) fn read(bytes: &[u8], rules: &Rules, path: &Path) -> Result<Ledger> {
    let mut ledger: Option<Ledger> = None;
    let sound = FORMAT.read(bytes, |content| match &mut ledger {
        Some(ledger) => decode(content).is_some_and(|entry| ledger.apply(&entry, rules, &mut Vec::new())),
        None => {
            ledger = decode(content);
            ledger.is_some()
        }
    });
    let path = path.display();
    match (sound, ledger) {
        (Ok(()), Some(ledger)) => Ok(ledger),
        (Err(Damage::Version), _) => Err(Error::unsupported(format!(
            "{path} is a journal of another version than {}; use the guarita that wrote it",
            FORMAT.version
        ))),
        (Err(Damage::At(at)), _) => Err(Error::data_corrupt(format!(
            "{path} is damaged at byte {at} of {}: what was spent after that is unknown. Restore it from a backup; or keep \
             a copy, cut the file to {at} bytes, and lower the caps by what may be missing",
            bytes.len()
        ))),
        (Ok(()) | Err(Damage::Beginning), _) => Err(Error::data_corrupt(format!(
            "{path} is no journal of a budget, or its beginning is damaged, so that no spend can be read from it; restore \
             it from a backup, or move it away to begin with nothing spent"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::BudgetConfig;
    use super::super::entry::Entry;
    use super::super::shared::{Saving, Spend};
    use super::*;
    use crate::clock::{Moment, Timestamp, UnixTime};
    use crate::error::ErrorCode;
    use crate::journal::record;

    fn rules() -> Rules {
        let prices = crate::budget::PriceTable::empty().with_api("cloud:Read", [(None, 1_000)]);
        Rules::new(BudgetConfig { prices, ..BudgetConfig::default() }).unwrap()
    }

    /// A journal with every kind of entry; where its records end, and what was used there.
    fn small() -> (Vec<u8>, Vec<(usize, u64)>) {
        let rules = rules();
        let (mut ledger, mut events) = (Ledger::default(), Vec::new());
        let now = Moment { monotonic: Timestamp::from_millis(5), unix: UnixTime::from_secs(1_700_000_000) };
        ledger.observe(&rules, now);
        let spend = Spend { api: "cloud:Read", camera: "yard", tenant: "port", images: 3 };
        let (mut bytes, mut sum) = FORMAT.begin(&super::bytes(&ledger).unwrap()).unwrap();
        let mut ends = vec![(bytes.len(), 0)];
        for k in 0..8 {
            let (reserve, id, _) = ledger.plan(&rules, &spend, now.unix).ok().unwrap();
            let commit = Entry::Commit { id, amount: 2_000, images: 2 };
            let second = [commit, Entry::Release { id }, Entry::Unknown { id }][k % 3].clone();
            let saved = ledger.saved(&rules, &spend, Saving::Cache).unwrap();
            for entry in [reserve, second, saved] {
                let (bytes_of, next) = record(&super::bytes(&entry).unwrap(), sum).unwrap();
                bytes.extend(bytes_of);
                sum = next;
                assert!(ledger.apply(&entry, &rules, &mut events));
                ends.push((bytes.len(), ledger.total.month.used()));
            }
        }
        (bytes, ends)
    }

    fn open(bytes: &[u8]) -> Result<Ledger> {
        read(bytes, &rules(), Path::new("x"))
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
        let (bytes, sum) = FORMAT.begin(&super::bytes(&Ledger::default()).unwrap()).unwrap();
        for entry in [Entry::Release { id: 7 }, Entry::Commit { id: 1, amount: u64::MAX, images: 1 }] {
            let record = record(&super::bytes(&entry).unwrap(), sum).unwrap().0;
            assert_eq!(open(&[&bytes[..], &record].concat()).unwrap_err().code(), ErrorCode::DataCorrupt);
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let other = Format { version: FORMAT.version + 1, ..FORMAT }.begin(&[]).unwrap().0;
        assert_eq!(open(&other).unwrap_err().code(), ErrorCode::Unsupported);
    }
}

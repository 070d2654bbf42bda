use super::structure::{Scan, damaged, unsupported};
use crate::error::Result;

/// Checks that the scans of a progressive JPEG follow from each other, and that they bring every bit of every coefficient
/// (ITU-T T.81, G.1.1.1).
///
/// # Errors
/// `DataCorrupt` for scans that no progressive JPEG has. `Unsupported` where bits are missing: decoders fill them in, each in
/// its own way, and whether a scan was lost or never written cannot be told.
pub(super) fn check(scans: &[Scan<'_>], components: usize) -> Result<()> {
    // The lowest bit that is known of each coefficient; none before the first scan with it.
    let mut lowest = vec![[None; 64]; components];
    for scan in scans {
        let ((first, last), (high, low)) = (scan.spectrum, scan.approximation);
        let fits = if first == 0 { last == 0 } else { scan.selectors.len() == 1 };
        if !fits || low > 13 || high != 0 && high != low + 1 {
            return Err(damaged("a scan that no progressive JPEG has"));
        }
        let before = (high != 0).then_some(high);
        for selector in &scan.selectors {
            let Some(coefficients) = lowest.get_mut(selector.component) else { continue };
            for lowest in coefficients.iter_mut().take(usize::from(last) + 1).skip(first.into()) {
                if *lowest != before {
                    return Err(damaged("its scans do not follow from each other"));
                }
                *lowest = Some(low);
            }
        }
    }
    if lowest.iter().flatten().all(|lowest| *lowest == Some(0)) {
        return Ok(());
    }
    Err(unsupported("progressive, with coefficients that no scan brings; a part of it may be lost"))
}

//! Which two samples each output sample mixes, and how much of each: bilinear with half-pixel centres.
//!
//! Weights have 11 bits, as in OpenCV's `resize(INTER_LINEAR)` on 8-bit pictures, so that both give the same pixels
//! (checked to the bit by `make compare-detect`, which feeds OpenCV's resize to the peer).

/// One in units of a weight.
pub(super) const ONE: u16 = 2048;

/// The two samples of one output sample and their weights, which add up to about [`ONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    pub(super) at: [u32; 2],
    pub(super) weight: [u16; 2],
}

/// Taps along one axis. At the ends OpenCV repeats the last column with its whole weight, but mixes the last row with
/// itself, which rounds differently: `edge_is_whole` says which of the two.
pub(super) fn fill(taps: &mut Vec<Tap>, output: u32, input: u32, edge_is_whole: bool) {
    taps.clear();
    let scale = 1.0 / (f64::from(output) / f64::from(input));
    let last = i64::from(input) - 1;
    taps.extend((0..output).map(|k| {
        let center = ((f64::from(k) + 0.5) * scale - 0.5) as f32;
        let first = center.floor();
        let mut fraction = center - first;
        let first = first as i64;
        if edge_is_whole && (first < 0 || first >= last) {
            fraction = 0.0;
        }
        let weight = |w: f32| (w * f32::from(ONE)).round_ties_even() as u16;
        let clamp = |at: i64| at.clamp(0, last) as u32;
        Tap { at: [clamp(first), clamp(first + 1)], weight: [weight(1.0 - fraction), weight(fraction)] }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taps(output: u32, input: u32, edge_is_whole: bool) -> Vec<Tap> {
        let mut taps = Vec::new();
        fill(&mut taps, output, input, edge_is_whole);
        taps
    }

    #[test]
    fn a_third_takes_the_middle_sample_alone() {
        assert_eq!(taps(2, 6, true), [Tap { at: [1, 2], weight: [ONE, 0] }, Tap { at: [4, 5], weight: [ONE, 0] }]);
    }

    #[test]
    fn doubling_mixes_three_to_one_and_ends_whole() {
        let columns = taps(4, 2, true);
        assert_eq!(columns[0], Tap { at: [0, 0], weight: [ONE, 0] });
        assert_eq!(columns[1], Tap { at: [0, 1], weight: [1536, 512] });
        assert_eq!(columns[3], Tap { at: [1, 1], weight: [ONE, 0] });
        let rows = taps(4, 2, false);
        assert_eq!(rows[0], Tap { at: [0, 0], weight: [512, 1536] });
    }

    #[test]
    fn places_stay_inside() {
        for (output, input) in [(1, 1), (7, 1), (1, 7), (300, 427), (640, 65_535)] {
            for tap in taps(output, input, true).into_iter().chain(taps(output, input, false)) {
                assert!(tap.at.iter().all(|&at| at < input), "{output} of {input}: {tap:?}");
                assert!((2047..=2049).contains(&(tap.weight[0] + tap.weight[1])), "{tap:?}");
            }
        }
    }
}

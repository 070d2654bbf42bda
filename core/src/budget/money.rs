use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::Add;

/// An amount of money in millionths of a US dollar, as integers: nothing is ever rounded.
///
/// ```
/// use guarita::budget::MicroDollars;
/// let image = MicroDollars::from_micros(1_000);
/// assert_eq!((image + image).to_string(), "$0.002");
/// assert_eq!(MicroDollars::from_dollars(5).to_string(), "$5.00");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct MicroDollars(u64);

impl MicroDollars {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From millionths of a dollar.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// From whole dollars; saturates.
    pub const fn from_dollars(dollars: u64) -> Self {
        Self(dollars.saturating_mul(1_000_000))
    }

    /// Millionths of a dollar.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This price for so many; saturates.
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// What is left after so much; zero where that is more than there is.
    pub const fn saturating_sub(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }
}

/// The sum; saturates.
impl Add for MicroDollars {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for MicroDollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Dollars with at least two decimals, and as many as are needed.
impl fmt::Display for MicroDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let decimals = format!("{micros:06}");
        let needed = decimals.trim_end_matches('0').len().max(2);
        f.pad(&format!("${dollars}.{}", &decimals[..needed]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_as_people_read_them() {
        for (micros, text) in [(0, "$0.00"), (1, "$0.000001"), (1_500_000, "$1.50"), (21_600_000_000, "$21600.00")] {
            assert_eq!(MicroDollars::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn sums_saturate() {
        let most = MicroDollars::from_micros(u64::MAX);
        assert_eq!(most + MicroDollars::from_micros(1), most);
        assert_eq!(most.times(2), most);
        assert_eq!(MicroDollars::ZERO.saturating_sub(most), MicroDollars::ZERO);
    }
}

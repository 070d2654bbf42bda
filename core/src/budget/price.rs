use crate::budget::money::MicroDollars;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// No cloud asks so much for an image (1000 $); above, it is a mistake of units.
const MOST_PER_IMAGE: u64 = 1_000_000_000;

/// What an image costs up to some number of images in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PriceTier {
    /// Images of the month up to which this price holds, counted from the month's first, at least 1;
    /// none for the last tier.
    #[serde(default)]
    pub up_to: Option<u64>,
    /// For each image, in millionths of a dollar; up to $1000.
    pub price: MicroDollars,
}

/// Prices by API, in tiers of volume. Images are counted by API and month.
///
/// The default holds the prices of Amazon Rekognition Image, group 2, in us-east-1, as published; check your region's
/// price list. In a file it is a table of lists: `"rekognition:DetectText" = [{ up_to = 1000000, price = 1000 }, …]`.
///
/// ```
/// use guarita::budget::{MicroDollars, PriceTable};
/// let prices = PriceTable::default();
/// let month = prices.cost("rekognition:DetectLabels", 0, 648_000_000);
/// assert_eq!(month, Some(MicroDollars::from_dollars(175_450)));
/// assert_eq!(prices.cost("abacus:Count", 0, 1), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct PriceTable(BTreeMap<String, Vec<PriceTier>>);

impl Default for PriceTable {
    fn default() -> Self {
        const TIERS: [(Option<u64>, u64); 4] =
            [(Some(1_000_000), 1_000), (Some(5_000_000), 800), (Some(35_000_000), 600), (None, 250)];
        ["rekognition:DetectLabels", "rekognition:DetectText", "rekognition:DetectFaces"]
            .into_iter()
            .fold(Self::empty(), |table, api| table.with_api(api, TIERS))
    }
}

impl PriceTable {
    /// A table without a price.
    pub const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets the tiers of an API: images of the month up to which a price holds (none for the last), and the price of an
    /// image in millionths of a dollar.
    pub fn with_api(mut self, api: impl Into<String>, tiers: impl IntoIterator<Item = (Option<u64>, u64)>) -> Self {
        let tiers =
            tiers.into_iter().map(|(up_to, price)| PriceTier { up_to, price: MicroDollars::from_micros(price) });
        self.0.insert(api.into(), tiers.collect());
        self
    }

    /// The APIs that have a price, in order of name.
    pub fn apis(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The tiers of an API; none where it has no price.
    pub fn tiers(&self, api: &str) -> Option<&[PriceTier]> {
        self.0.get(api).map(Vec::as_slice)
    }

    /// What `images` more cost after `before` images in the same month, over all tiers that they touch; none where the
    /// API has no price. Saturates.
    pub fn cost(&self, api: &str, before: u64, images: u64) -> Option<MicroDollars> {
        let (mut at, end) = (before, before.saturating_add(images));
        let mut sum = MicroDollars::ZERO;
        for tier in self.tiers(api)? {
            let until = tier.up_to.unwrap_or(u64::MAX).min(end);
            if until > at {
                sum = sum + tier.price.times(until - at);
                at = until;
            }
        }
        Some(sum)
    }

    /// The price of the next image after `before` images in the same month.
    pub fn price(&self, api: &str, before: u64) -> Option<MicroDollars> {
        self.tiers(api)?.iter().find(|tier| tier.up_to.is_none_or(|up_to| before < up_to)).map(|tier| tier.price)
    }

    /// Checks every tier of every API.
    ///
    /// # Errors
    /// `InvalidConfig` naming the API and the tier: no tiers, tiers out of order, a price that rises (an image whose
    /// turn comes later would then cost more than was reserved), a last tier that ends, more than $1000 an image.
    pub fn validate(&self) -> Result<()> {
        for (api, tiers) in &self.0 {
            let wrong = |k: usize, what: String| {
                let error = Error::invalid_config(format!("prices.{api:?}: tier {}: {what}", k + 1));
                Err(error.with_field(format!("{api}[{k}]")))
            };
            if tiers.is_empty() {
                let error = Error::invalid_config(format!("prices.{api:?} has no tier; it needs at least one"));
                return Err(error.with_field(&**api));
            }
            for (k, tier) in tiers.iter().enumerate() {
                let last = k + 1 == tiers.len();
                if tier.up_to.is_none() != last {
                    let what = if last {
                        "the last one ends; images above would have no price"
                    } else {
                        "only the last one may lack up_to"
                    };
                    return wrong(k, what.to_owned());
                }
                if tier.price.as_micros() > MOST_PER_IMAGE {
                    return wrong(
                        k,
                        format!("price is {}; it must be 0..$1000, in millionths of a dollar", tier.price),
                    );
                }
                let Some(before) = k.checked_sub(1).and_then(|k| tiers.get(k)) else {
                    if tier.up_to == Some(0) {
                        return wrong(k, "up_to is 0; it must be at least 1".to_owned());
                    }
                    continue;
                };
                if tier.up_to.is_some_and(|up_to| Some(up_to) <= before.up_to) {
                    return wrong(k, "up_to must be more than that of the tier before".to_owned());
                }
                if tier.price > before.price {
                    return wrong(k, format!("the price rises from {} to {}", before.price, tier.price));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: &str = "rekognition:DetectLabels";

    #[test]
    fn the_bill_of_a_month_of_250_cameras() {
        let prices = PriceTable::default();
        let day = 250 * 86_400;
        assert_eq!(day, 21_600_000);
        let flat = prices.price(LABELS, 0).unwrap();
        assert_eq!(flat.times(day), MicroDollars::from_dollars(21_600));
        assert_eq!(flat.times(day * 30), MicroDollars::from_dollars(648_000));
        assert_eq!(
            prices.cost(LABELS, 0, day * 30),
            Some(MicroDollars::from_dollars(1_000 + 3_200 + 18_000 + 153_250))
        );
    }

    #[test]
    fn a_sum_of_parts_is_the_whole_at_every_edge() {
        let prices = PriceTable::empty().with_api("x", [(Some(3), 10), (Some(5), 7), (None, 1)]);
        prices.validate().unwrap();
        let one_by_one = |from: u64, count: u64| -> u64 {
            (from..from + count)
                .map(|k| {
                    if k < 3 {
                        10
                    } else if k < 5 {
                        7
                    } else {
                        1
                    }
                })
                .sum()
        };
        for from in 0..9 {
            for count in 0..9 {
                assert_eq!(
                    prices.cost("x", from, count).unwrap().as_micros(),
                    one_by_one(from, count),
                    "{from} {count}"
                );
            }
            assert_eq!(prices.price("x", from).unwrap().as_micros(), one_by_one(from, 1));
        }
        assert_eq!(prices.cost("x", u64::MAX - 1, 5).unwrap().as_micros(), 1);
        assert_eq!(prices.cost("y", 0, 1), None);
    }

    #[test]
    fn tables_that_mislead_are_refused() {
        for (tiers, word) in [
            (vec![], "no tier"),
            (vec![(Some(5), 1)], "the last one ends"),
            (vec![(None, 1), (None, 1)], "only the last"),
            (vec![(Some(0), 1), (None, 1)], "at least 1"),
            (vec![(Some(5), 2), (Some(5), 1), (None, 1)], "more than"),
            (vec![(Some(5), 1), (None, 2)], "rises"),
            (vec![(None, 2_000_000_000)], "$1000"),
        ] {
            let error = PriceTable::empty().with_api("x", tiers).validate().unwrap_err();
            assert!(error.to_string().contains(word) && error.to_string().contains("prices.\"x\""), "{error}");
        }
        PriceTable::default().validate().unwrap();
    }

    #[test]
    fn a_price_cannot_be_forgotten() {
        assert!(serde_json::from_str::<PriceTable>(r#"{"x": [{}]}"#).is_err());
        assert!(serde_json::from_str::<PriceTable>(r#"{"x": [{"price": 1, "upto": 3}]}"#).is_err());
        let text = serde_json::to_string(&PriceTable::default()).unwrap();
        assert_eq!(serde_json::from_str::<PriceTable>(&text).unwrap(), PriceTable::default());
    }
}

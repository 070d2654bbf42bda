use super::flow::Side;

/// Selects a side by smooth weighted round robin, as in nginx: no random number, and no run of one side longer than the
/// weights make it.
#[derive(Debug)]
pub(super) struct Balance {
    weights: [i64; 2],
    credit: [i64; 2],
}

impl Balance {
    pub(super) fn new(primary: u32, fallback: u32) -> Self {
        Self { weights: [primary.into(), fallback.into()], credit: [0; 2] }
    }

    pub(super) fn next(&mut self) -> Side {
        for (credit, weight) in self.credit.iter_mut().zip(self.weights) {
            *credit += weight;
        }
        let (side, at) = if self.credit[1] > self.credit[0] { (Side::Fallback, 1) } else { (Side::Primary, 0) };
        self.credit[at] -= self.weights.iter().sum::<i64>();
        side
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_as_the_weights_say_and_spread() {
        let mut balance = Balance::new(3, 1);
        let turns: Vec<_> = (0..8).map(|_| balance.next()).collect();
        let fallback: Vec<_> = (0..8).filter(|&k| turns[k] == Side::Fallback).collect();
        assert_eq!(fallback, [2, 6]);
        let mut only = Balance::new(0, 5);
        assert!((0..10).all(|_| only.next() == Side::Fallback));
    }
}

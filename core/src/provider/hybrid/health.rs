use super::dispatcher::Dispatcher;
use super::flow::Side;
use crate::provider::Health;
use crate::resilience::BreakerState;

impl Dispatcher {
    pub(super) fn health(&self) -> Health {
        let now = self.now();
        let [primary, fallback] = [Side::Primary, Side::Fallback].map(|side| (side, self.health_of(side)));
        let mut reasons = Vec::new();
        let mut ready = [false; 2];
        for (side, health) in [&primary, &fallback] {
            let name = self.provider(*side).name();
            let open: Vec<_> = self
                .breakers
                .iter()
                .filter(|((of, want), breaker)| {
                    of == side
                        && self.capabilities[*side as usize].wants.contains(want)
                        && matches!(breaker.state(now), BreakerState::Open | BreakerState::ForcedOpen)
                })
                .map(|((_, want), _)| want.as_str())
                .collect();
            if !open.is_empty() {
                reasons.push(format!("{name}: the breaker is open for {}", open.join(", ")));
            }
            if !health.live {
                reasons.push(format!("{name}: not live"));
            }
            reasons.extend(health.degraded.iter().map(|why| format!("{name}: {why}")));
            ready[*side as usize] = health.ready && open.len() < self.capabilities[*side as usize].wants.len();
        }
        let state = self.lock();
        Health {
            live: !state.closed && (primary.1.live || fallback.1.live),
            ready: !state.closed && ready.contains(&true),
            degraded: (!reasons.is_empty()).then(|| reasons.join("; ")),
            in_flight: state.pending.len(),
            expected_wait: if ready[0] { primary.1.expected_wait } else { fallback.1.expected_wait },
            ..state.log.health()
        }
    }
}

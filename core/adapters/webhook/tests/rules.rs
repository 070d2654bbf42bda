//! The suite of the rules of sinks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "a test")]

#[path = "../../../tests/common/loopback.rs"]
mod loopback;

use guarita::Sink;
use guarita::testkit::{Outcome, SinkSetup, check_sink};
use guarita_webhook::{WebhookConfig, WebhookSink};
use loopback::{Act, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A receiver, and whether it takes what it gets.
struct Hook(Server, Arc<AtomicBool>);

impl SinkSetup for Hook {
    fn open(&self) -> Box<dyn Sink> {
        Box::new(WebhookSink::open(WebhookConfig { url: self.0.url(), ..WebhookConfig::default() }).unwrap())
    }

    fn received(&self) -> Vec<String> {
        let asked = self.0.asked.lock().unwrap().clone();
        asked.iter().map(|asked| asked.header("idempotency-key").unwrap().to_owned()).collect()
    }

    fn set_reachable(&self, reachable: bool) -> bool {
        self.1.store(reachable, Ordering::SeqCst);
        // What was refused is no part of what it has.
        if reachable {
            self.0.asked.lock().unwrap().pop();
        }
        true
    }
}

#[test]
fn webhooks_keep_the_rules() {
    let reachable = Arc::new(AtomicBool::new(true));
    let answers = Arc::clone(&reachable);
    let server = Server::start(move |_, _| Act::Answer {
        status: if answers.load(Ordering::SeqCst) { 204 } else { 503 },
        headers: Vec::new(),
        body: String::new(),
    });
    let report = check_sink("webhook", &Hook(server, reachable));
    let skipped: Vec<_> = report.checks.iter().filter(|check| check.outcome != Outcome::Passed).collect();
    assert_eq!(skipped.len(), 1, "{report}");
    assert_eq!(skipped[0].outcome, Outcome::NotApplicable("it takes one at a time".into()));
}

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::resilience::RetryConfig;
use std::sync::mpsc::{Receiver, Sender, channel};

const LONG: Duration = Duration::from_secs(20);

fn config(capacity: usize, attempts: u32, base_s: f64) -> OutletConfig {
    let retry = RetryConfig { attempts, base_s, cap_s: base_s, ..RetryConfig::default() };
    OutletConfig { capacity, retry, ..OutletConfig::default() }
}

fn start(config: &OutletConfig, handler: impl Handler<u32> + 'static) -> Outlet<u32> {
    Outlet::start("test", config, handler, Arc::new(SystemClock), 1, Backlog::default()).unwrap()
}

fn offer(outlet: &Outlet<u32>, items: impl IntoIterator<Item = u32>) {
    items.into_iter().for_each(|item| drop(outlet.offer(item)));
}

fn adds_up(stats: &OutletStats) {
    let known = (stats.waiting + stats.in_hand) as u64 + stats.delivered + stats.failed + stats.dropped;
    assert_eq!(stats.offered, known, "{stats:?}");
}

/// How long this took, in seconds of the real time.
fn seconds(of: impl FnOnce()) -> f64 {
    let begun = SystemClock.now();
    of();
    (SystemClock.now() - begun).as_secs_f64()
}

/// A handler that says what it gets, and goes on when it is told to.
fn gate() -> (impl Handler<u32>, Receiver<u32>, Sender<()>) {
    let (got, gets) = channel();
    let (go, goes) = channel();
    let handler = move |item: &u32| {
        let _ = got.send(*item);
        // Where the test is over, for ever: it hangs.
        while goes.recv().is_err() {
            std::thread::park();
        }
        Ok(())
    };
    (handler, gets, go)
}

#[test]
fn delivers_in_order_and_drains_at_the_end() {
    let (got, gets) = channel();
    let outlet = start(&config(1_000, 1, 0.1), move |item: &u32| {
        got.send(*item).unwrap();
        Ok(())
    });
    offer(&outlet, 0..1_000);
    assert!(outlet.close(LONG));
    assert_eq!(gets.try_iter().collect::<Vec<_>>(), (0..1_000).collect::<Vec<_>>());
    assert_eq!(outlet.offer(7), Offered::Dropped(7));
    let stats = outlet.stats();
    assert_eq!((&*stats.name, stats.delivered, stats.dropped), ("test", 1_000, 1));
    adds_up(&stats);
    assert!(outlet.close(Duration::ZERO), "once closed, it stays so");
}

#[test]
fn retries_keep_the_order_and_stop_as_the_policy_says() {
    let (got, gets) = channel();
    let mut tries = 0;
    let outlet = start(&config(100, 3, 0.001), move |item: &u32| {
        tries += 1;
        got.send(*item).unwrap();
        match item {
            0 if tries < 3 => Err(Error::overloaded("the advice counts, not the code")),
            1 => Err(Error::unavailable("always")),
            2 => Err(Error::invalid_argument("never again")),
            _ => Ok(()),
        }
    });
    offer(&outlet, 0..4);
    assert!(outlet.close(LONG));
    assert_eq!(gets.try_iter().collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1, 2, 3]);
    let stats = outlet.stats();
    assert_eq!((stats.delivered, stats.failed, stats.retried, stats.panics), (2, 2, 4, 0));
    assert_eq!(stats.last_error.as_ref().unwrap().code, ErrorCode::InvalidArgument);
    adds_up(&stats);
}

#[test]
fn a_panic_ends_one_item_only() {
    struct Panics;
    impl Handler<u32> for Panics {
        fn handle(&mut self, batch: &[u32]) -> Result<(), DeliveryError> {
            let odd = batch.iter().find(|item| **item & 1 == 1);
            assert!(odd.is_none(), "odd ones are too much: {odd:?}");
            Ok(())
        }

        fn max_batch(&self) -> usize {
            usize::MAX
        }
    }
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in the drop");
        }
    }
    let outlet = start(&OutletConfig { max_batch: 1, ..config(100, 3, 0.001) }, Panics);
    offer(&outlet, 0..10);
    assert!(outlet.close(LONG));
    let stats = outlet.stats();
    assert_eq!((stats.delivered, stats.failed, stats.panics), (5, 5, 5));
    assert_eq!(stats.last_error.as_ref().unwrap().message, "panic: odd ones are too much: Some(9)");
    adds_up(&stats);
    // In batches it panics more often, and ends no other.
    let outlet = start(&config(100, 3, 0.001), Panics);
    offer(&outlet, 0..10);
    assert!(outlet.close(LONG));
    let stats = outlet.stats();
    assert_eq!((stats.delivered, stats.failed), (5, 5));
    assert!(stats.panics >= 5, "{stats:?}");
    adds_up(&stats);
}

#[test]
fn a_handler_that_hangs_is_seen_and_holds_nobody_up() {
    let (handler, gets, go) = gate();
    let outlet = start(&config(10, 1, 0.1), handler);
    offer(&outlet, [1]);
    assert_eq!(gets.recv(), Ok(1));
    offer(&outlet, 2..100);
    let stats = outlet.stats();
    assert!(stats.busy_since.is_some() && stats.in_hand == 1);
    assert_eq!((stats.waiting, stats.dropped), (10, 88));
    adds_up(&stats);
    let took = seconds(|| assert!(!outlet.close(Duration::from_millis(100))));
    assert!((0.1..5.0).contains(&took), "{took}");
    let stats = outlet.stats();
    assert_eq!((stats.dropped, stats.waiting, stats.in_hand), (99, 0, 0));
    assert!(stats.busy_since.is_some());
    adds_up(&stats);
    // It comes back after all, and is not counted twice.
    go.send(()).unwrap();
    assert!(outlet.queue.wait_for_end(LONG));
    assert_eq!((outlet.stats().dropped, outlet.stats().delivered, outlet.stats().busy_since), (99, 0, None));
    assert!(outlet.close(Duration::ZERO));
}

#[test]
fn dropping_it_takes_no_time() {
    let (handler, gets, go) = gate();
    let outlet = start(&config(10, 1, 0.1), handler);
    offer(&outlet, [1, 2]);
    assert_eq!(gets.recv(), Ok(1));
    let took = seconds(|| drop(outlet));
    assert!(took < 5.0, "{took}");
    drop(go);
}

#[test]
fn closing_wakes_a_wait_and_what_waits_gets_a_last_try() {
    let (got, gets) = channel();
    let outlet = start(&config(10, 10, 3_600.0), move |item: &u32| {
        got.send(*item).unwrap();
        Err(Error::unavailable("down"))
    });
    offer(&outlet, [1, 2]);
    assert_eq!(gets.recv(), Ok(1));
    while outlet.stats().busy_since.is_some() {
        std::thread::yield_now();
    }
    let took = seconds(|| assert!(outlet.close(Duration::from_millis(100))));
    assert!(took < 5.0, "{took}");
    // One at once, then an hour's wait that the deadline ends.
    assert_eq!(gets.try_iter().collect::<Vec<_>>(), [1]);
    let stats = outlet.stats();
    assert_eq!((stats.retried, stats.dropped, stats.failed), (1, 2, 0));
    adds_up(&stats);
}

#[test]
fn an_asked_wait_is_waited() {
    let mut tries = 0;
    let outlet = start(&config(10, 2, 0.001), move |_: &u32| {
        tries += 1;
        match tries {
            1 => Err(Error::rate_limited("429").with_source(RetryAfter(Duration::from_millis(300)))),
            _ => Ok(()),
        }
    });
    let took = seconds(|| {
        offer(&outlet, [1]);
        while outlet.stats().delivered == 0 {
            std::thread::yield_now();
        }
    });
    assert!(took >= 0.3, "{took}");
}

#[test]
fn nobody_waits_for_a_clock_that_stands_still() {
    let (got, gets) = channel();
    let mut tries = 0;
    let handle = move |item: &u32| {
        tries += 1;
        let _ = got.send(*item);
        if tries < 4 { Err(Error::unavailable("down")) } else { Ok(()) }
    };
    let clock = Arc::new(ManualClock::default());
    let config = OutletConfig { linger_s: 3_600.0, ..config(10, 10, 3_600.0) };
    let outlet = Outlet::start("x\0y", &config, handle, clock, 1, Backlog::default()).unwrap();
    offer(&outlet, [5]);
    for expected in [5, 5, 5, 5] {
        assert_eq!(gets.recv_timeout(LONG), Ok(expected));
    }
    assert!(outlet.close(Duration::ZERO));
}

#[test]
fn a_handler_may_close_its_own_outlet() {
    let (place, places) = channel::<Arc<Outlet<u32>>>();
    let (told, tells) = channel();
    let outlet = Arc::new(start(&config(10, 1, 0.1), move |_: &u32| {
        // The last one that holds it, as far as this thread knows.
        let own = places.recv().unwrap();
        told.send(own.close(LONG)).unwrap();
        Ok(())
    }));
    offer(&outlet, [1, 2]);
    place.send(Arc::clone(&outlet)).unwrap();
    assert_eq!(tells.recv_timeout(LONG), Ok(false));
    assert!(outlet.queue.wait_for_end(LONG));
    adds_up(&outlet.stats());
    assert_eq!(outlet.stats().dropped, 2);
}

#[test]
fn a_backlog_is_delivered_first() {
    let (got, gets) = channel();
    let backlog = Backlog { counts: Counts { offered: 2, ..Default::default() }, waiting: [1, 2].into() };
    let handler = move |item: &u32| {
        got.send(*item).unwrap();
        Ok(())
    };
    let outlet = Outlet::start("x", &config(10, 1, 0.1), handler, Arc::new(SystemClock), 1, backlog).unwrap();
    offer(&outlet, [3]);
    assert!(outlet.close(LONG));
    assert_eq!(gets.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(outlet.backlog().waiting.len(), 0);
    adds_up(&outlet.stats());
}

#[test]
fn a_sink_that_is_full_gets_the_same_event_again() {
    use crate::event::{ChannelSink, Event, EventId};
    use crate::frame::CameraId;
    use crate::geometry::Size;
    let (sink, events) = ChannelSink::new(1);
    let clock = Arc::new(SystemClock);
    let config = config(10, 100, 0.005);
    let outlet = Outlet::start("channel", &config, ToSink(Box::new(sink)), clock, 1, Backlog::default()).unwrap();
    let event = |pts| {
        let (camera, pts) = (CameraId::new("gate-7"), Timestamp::from_nanos(pts));
        let id = EventId::new(&camera, "person", pts.as_nanos());
        let (trigger, why, time, frame) = ("person".into(), String::new(), Default::default(), Size::new(640, 480));
        let objects = Vec::new();
        Delivery::Event(Arc::new(Event {
            id,
            camera,
            trigger,
            pts,
            time,
            zone: None,
            why,
            objects,
            frame,
            picture: None,
        }))
    };
    (0..3).for_each(|pts| assert_eq!(outlet.offer(event(pts)), Offered::Taken));
    while outlet.stats().retried == 0 {
        std::thread::yield_now();
    }
    for pts in 0..3 {
        assert_eq!(events.recv_timeout(LONG).unwrap(), **event(pts).event().unwrap());
    }
    assert!(outlet.close(LONG));
    let stats = outlet.stats();
    assert_eq!((stats.delivered, stats.failed, stats.dropped), (3, 0, 0));
    assert_eq!(stats.last_error.unwrap().code, ErrorCode::Overloaded);
    assert_eq!(events.count(), 0);
}

/// A handler of batches: what it was given each time, and answers by the test's.
struct Batches<F>(F);

impl<F: FnMut(&[u32]) -> Result<(), DeliveryError> + Send> Handler<u32> for Batches<F> {
    fn handle(&mut self, batch: &[u32]) -> Result<(), DeliveryError> {
        (self.0)(batch)
    }

    fn max_batch(&self) -> usize {
        usize::MAX
    }
}

#[test]
fn a_batch_that_was_tried_often_enough_is_halved_until_one_is_given_up() {
    let (got, gets) = channel();
    // It fails in a way that passes, says the sink, and number 5 never gets through.
    let outlet = start(
        &OutletConfig { linger_s: 3_600.0, ..config(8, 2, 0.001) },
        Batches(move |batch: &[u32]| {
            got.send(batch.to_vec()).unwrap();
            if batch.contains(&5) { Err(Error::unavailable("503").into()) } else { Ok(()) }
        }),
    );
    offer(&outlet, 0..8);
    assert!(outlet.close(LONG));
    let stats = outlet.stats();
    assert_eq!((stats.delivered, stats.failed, stats.dropped), (7, 1, 0));
    let tries: Vec<_> = gets.try_iter().collect();
    assert_eq!(tries[..2], [(0..8).collect::<Vec<_>>(), (0..8).collect()]);
    assert_eq!(tries.iter().filter(|batch| **batch == [5]).count(), 2, "alone, it has all its tries: {tries:?}");
    adds_up(&stats);
}

#[test]
fn a_sink_that_says_more_than_it_got_is_not_believed() {
    let outlet = start(
        &config(8, 3, 0.001),
        Batches(|batch: &[u32]| Err(DeliveryError::after(batch.len(), Error::unavailable("and yet an error")))),
    );
    offer(&outlet, 0..4);
    assert!(outlet.close(LONG));
    let stats = outlet.stats();
    assert_eq!((stats.delivered, stats.failed), (0, 4));
    let last = stats.last_error.clone().unwrap();
    assert_eq!(last.code, ErrorCode::Internal);
    assert!(last.message.starts_with("the sink says that 1 of 1 are durable"), "{last:?}");
    adds_up(&stats);
}

#[test]
fn a_batch_fills_for_as_long_as_it_may() {
    let (got, gets) = channel();
    let config = OutletConfig { linger_s: 3_600.0, max_batch: 3, ..config(100, 1, 0.1) };
    let outlet = start(
        &config,
        Batches(move |batch: &[u32]| {
            got.send(batch.to_vec()).unwrap();
            Ok(())
        }),
    );
    offer(&outlet, 0..2);
    assert!(gets.recv_timeout(Duration::from_millis(50)).is_err());
    offer(&outlet, 2..4);
    assert_eq!(gets.recv_timeout(LONG).unwrap(), [0, 1, 2]);
    assert!(outlet.close(LONG));
    assert_eq!(gets.recv_timeout(LONG).unwrap(), [3], "the end waits for nobody");
}

#[test]
fn configs_are_checked() {
    for (config, field) in [
        (config(0, 1, 0.1), "capacity"),
        (config(1_000_001, 1, 0.1), "capacity"),
        (OutletConfig { max_batch: 0, ..config(1, 1, 0.1) }, "max_batch"),
        (OutletConfig { max_batch: 10_001, ..config(1, 1, 0.1) }, "max_batch"),
        (OutletConfig { linger_s: -0.1, ..config(1, 1, 0.1) }, "linger_s"),
        (OutletConfig { linger_s: f64::INFINITY, ..config(1, 1, 0.1) }, "linger_s"),
        (config(1, 0, 0.1), "retry.attempts"),
        (config(1, 1, f64::NAN), "retry.base_s"),
    ] {
        let error = config.validate().unwrap_err();
        assert!(error.code() == ErrorCode::InvalidConfig && error.to_string().starts_with(field), "{error}");
        let handler = |_: &u32| Ok(());
        assert!(Outlet::start("x", &config, handler, Arc::new(SystemClock), 1, Backlog::default()).is_err());
    }
    OutletConfig::default().validate().unwrap();
    assert!(serde_json::from_str::<OutletConfig>(r#"{"capasity": 1}"#).is_err());
}

/// `cargo test -p guarita --release outlet::tests::what_an_offer_costs -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn what_an_offer_costs() {
    for (what, pause) in [("while the handler is busy", Duration::ZERO), ("waking a thread that sleeps", LONG / 10_000)]
    {
        let (handler, gets, go) = gate();
        let outlet = start(&config(1_024, 1, 0.1), handler);
        let mut times: Vec<u64> = (0..2_000)
            .map(|item| {
                if !pause.is_zero() {
                    let _ = go.send(());
                    let begun = SystemClock.now();
                    while SystemClock.now() - begun < pause {
                        std::thread::yield_now();
                    }
                }
                let begun = SystemClock.now();
                drop(outlet.offer(item));
                u64::try_from((SystemClock.now() - begun).as_nanos()).unwrap()
            })
            .collect();
        times.sort_unstable();
        println!("{what}: median {} ns, 99th of 100 {} ns", times[1_000], times[1_980]);
        drop((gets, go));
    }
}

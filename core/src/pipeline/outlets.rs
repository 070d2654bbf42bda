use super::checkpoint::{SavedOutlet, SavedOutlets};
use super::config::CameraConfig;
use super::scene_stage::{OwnedScene, Seen, event};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::event::{
    Deliveries, Delivery, Event, FrameResult, GRACE, Outlet, OutletConfig, OutletStats, Sink, ToSink, Trigger,
};
use crate::frame::CameraId;
use crate::threads::caught;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The outlets to host code: sinks and host triggers. Each has a queue and a thread of its own.
pub(super) struct Outlets {
    sinks: Arc<Sinks>,
    triggers: BTreeMap<Arc<str>, Outlet<OwnedScene>>,
}

/// The sinks with what each of them gets, and how many events there were.
struct Sinks {
    outlets: Vec<(Deliveries, Outlet<Delivery>)>,
    events: Mutex<BTreeMap<(CameraId, Arc<str>), u64>>,
}

impl Sinks {
    fn all(&self) -> impl Iterator<Item = &Outlet<Delivery>> {
        self.outlets.iter().map(|(_, outlet)| outlet)
    }

    fn want_results(&self) -> bool {
        self.outlets.iter().any(|(wanted, _)| wanted.results())
    }

    fn deliver_result(&self, result: FrameResult) {
        let result = Arc::new(result);
        for (_, outlet) in self.outlets.iter().filter(|(wanted, _)| wanted.results()) {
            drop(outlet.offer(Delivery::Result(Arc::clone(&result))));
        }
    }

    fn deliver(&self, event: Event) {
        let key = (event.camera.clone(), Arc::clone(&event.trigger));
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let count = events.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        drop(events);
        let event = Arc::new(event);
        for (_, outlet) in self.outlets.iter().filter(|(wanted, _)| wanted.events()) {
            drop(outlet.offer(Delivery::Event(Arc::clone(&event))));
        }
        // The log is the host's code: after the delivery, and its panic is not that of the frame.
        caught(|| {
            tracing::info!(
                camera = event.camera.as_str(),
                trigger = &*event.trigger,
                id = event.id.as_str(),
                pts_ns = event.pts.as_nanos(),
                why = event.why,
                "event"
            );
        });
    }
}

/// The end of an outlet, whatever it carries.
trait Closes {
    fn name(&self) -> Arc<str>;
    fn drain(&self, within: Duration) -> bool;
    fn give_up(&self);
    fn end(&self, within: Duration) -> bool;
}

impl<T: Clone + Send + 'static> Closes for Outlet<T> {
    fn name(&self) -> Arc<str> {
        self.stats().name
    }

    fn drain(&self, within: Duration) -> bool {
        Outlet::drain(self, within)
    }

    fn give_up(&self) {
        Outlet::give_up(self);
    }

    fn end(&self, within: Duration) -> bool {
        Outlet::end(self, within)
    }
}

/// What the builder collects for them.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) sinks: Vec<(Arc<str>, Box<dyn Sink>, OutletConfig)>,
    pub(super) triggers: Vec<(Arc<str>, Box<dyn Trigger>, OutletConfig)>,
}

impl Outlets {
    pub(super) fn start(wanted: Wanted, clock: &Arc<dyn Clock>, mut saved: SavedOutlets) -> Result<Self> {
        let mut names = std::collections::BTreeSet::new();
        let all = wanted.sinks.iter().map(|(name, ..)| name).chain(wanted.triggers.iter().map(|(name, ..)| name));
        for name in all {
            if name.is_empty() || !names.insert(Arc::clone(name)) {
                return Err(Error::invalid_config(format!(
                    "sinks, triggers and callbacks need names of their own; {name:?} is empty or there twice"
                )));
            }
        }
        let mut seed = 0;
        let mut seeds = || {
            seed += 1;
            seed
        };
        let outlets = wanted
            .sinks
            .into_iter()
            .map(|(name, sink, config)| {
                let backlog = SavedOutlet::take(&mut saved.sinks, &name);
                let outlet = Outlet::start(&name, &config, ToSink(sink), Arc::clone(clock), seeds(), backlog)?;
                Ok((config.deliveries, outlet))
            })
            .collect::<Result<_>>()?;
        let events = saved.events.into_iter().map(|(camera, trigger, count)| ((camera, trigger), count)).collect();
        let sinks = Arc::new(Sinks { outlets, events: Mutex::new(events) });
        let mut triggers = BTreeMap::new();
        for (name, mut trigger, config) in wanted.triggers {
            let (to, of) = (Arc::clone(&sinks), Arc::clone(&name));
            let observe = move |owned: &OwnedScene| {
                let scene = owned.scene();
                if let Some(firing) = trigger.observe(&scene) {
                    to.deliver(event(&owned.camera, &of, &scene, firing));
                }
                Ok(())
            };
            let backlog = SavedOutlet::take(&mut saved.triggers, &name);
            let outlet = Outlet::start(&name, &config, observe, Arc::clone(clock), seeds(), backlog)?;
            triggers.insert(name, outlet);
        }
        for (name, left) in saved.sinks.iter().chain(&saved.triggers).filter(|(_, left)| left.waiting() > 0) {
            let lost = left.waiting();
            tracing::warn!(outlet = &**name, lost, "what waited in the checkpoint has nowhere to go");
        }
        Ok(Self { sinks, triggers })
    }

    /// Undelivered items. An event goes from the host's triggers to the sinks: it may be seen twice, but is not missed.
    pub(super) fn checkpoint(&self) -> SavedOutlets {
        let saved =
            |(name, outlet): (&Arc<str>, &Outlet<OwnedScene>)| (Arc::clone(name), SavedOutlet::new(&outlet.backlog()));
        let triggers = self.triggers.iter().map(saved).collect();
        let saved = |outlet: &Outlet<Delivery>| (outlet.stats().name, SavedOutlet::new(&outlet.backlog()));
        let sinks = self.sinks.all().map(saved).collect();
        let events = self.events().into_iter().map(|((camera, trigger), count)| (camera, trigger, count)).collect();
        SavedOutlets { events, triggers, sinks }
    }

    pub(super) fn wants_results(&self) -> bool {
        self.sinks.want_results()
    }

    pub(super) fn hand_on(&self, seen: Seen, config: &CameraConfig) {
        for event in seen.events {
            self.sinks.deliver(event);
        }
        if let Some(scene) = seen.scene {
            for outlet in config.host_triggers.iter().filter_map(|name| self.triggers.get(&**name)) {
                drop(outlet.offer(scene.clone()));
            }
        }
        if let Some(result) = seen.result {
            self.sinks.deliver_result(result);
        }
    }

    /// That a camera's triggers of the host are there.
    pub(super) fn check(&self, config: &CameraConfig) -> Result<()> {
        match config.host_triggers.iter().find(|name| !self.triggers.contains_key(&***name)) {
            None => Ok(()),
            Some(missing) => Err(Error::invalid_config(format!(
                "host_triggers names {missing:?}, which the pipeline's builder was not given; it was given {:?}",
                self.triggers.keys().collect::<Vec<_>>()
            ))
            .with_field("host_triggers")),
        }
    }

    pub(super) fn stats(&self) -> Vec<OutletStats> {
        self.sinks.all().map(Outlet::stats).chain(self.triggers.values().map(Outlet::stats)).collect()
    }

    /// How many threads they have.
    pub(super) fn threads(&self) -> usize {
        self.sinks.outlets.len() + self.triggers.len()
    }

    /// Events by camera and trigger.
    pub(super) fn events(&self) -> BTreeMap<(CameraId, Arc<str>), u64> {
        self.sinks.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Delivers queued items for at most this much real time; returns the names of outlets that hang. Triggers first:
    /// what they fire goes to the sinks.
    pub(super) fn close(&self, within: Duration) -> Vec<Arc<str>> {
        let begun = SystemClock.now();
        let left = || within.saturating_sub(SystemClock.now() - begun);
        let triggers = self.triggers.values().map(|outlet| outlet as &dyn Closes);
        let sinks = self.sinks.all().map(|outlet| outlet as &dyn Closes);
        let all: Vec<_> = triggers.chain(sinks).collect();
        let late: Vec<_> = all.iter().filter(|outlet| !outlet.drain(left())).collect();
        // Those that are left have one time of grace together, however many hang.
        for outlet in &late {
            outlet.give_up();
        }
        let until = SystemClock.now() + GRACE;
        all.iter().filter(|outlet| !outlet.end(until - SystemClock.now())).map(|outlet| outlet.name()).collect()
    }
}

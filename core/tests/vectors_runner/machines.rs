//! Suites whose cases are a machine and the steps that it is taken through: motion, breaker, retry, budget, triggers.

use super::plain::told;
use super::{Answer, config, detections, each_step, find, get, picture, seconds, size, span, times, timestamp};
use guarita::budget::{BudgetEvent, Reservation, Spend};
use guarita::clock::{Clock, ManualClock, Moment, UnixTime};
use guarita::event::{Firing, Scene, TriggerMachine};
use guarita::frame::FrameMeta;
use guarita::motion::{BackgroundModel, BackgroundModelConfig, Motion};
use guarita::resilience::{BreakerTransition, Permit, RateLimit, RetryDecision, RetryPolicy, RetryTokens};
use guarita::tracking::{Object, ObjectId};
use guarita::{Budget, CameraId, CircuitBreaker, MotionGate, Timestamp, Trigger, TriggerConfig, Zone};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(crate) fn motion(input: &Value) -> Answer {
    match find::<String>(input, "machine").as_deref() {
        Some("background") => background(input),
        _ => gate(input),
    }
}

fn gate(input: &Value) -> Answer {
    let mut gate = MotionGate::new(config(&input["config"])?)?;
    let mut kept = Vec::new();
    Ok(each_step(input, |step| match get::<String>(step, "op").as_str() {
        "observe" => observe(&mut gate, step),
        "reset" => {
            gate.reset();
            Ok(Value::Null)
        }
        "snapshot" => {
            kept = gate.snapshot();
            Ok(Value::Null)
        }
        // Into a gate that has seen nothing yet, perhaps with another config.
        "restore" => {
            let of = if step["config"].is_null() { &input["config"] } else { &step["config"] };
            let mut anew = MotionGate::new(config(of)?)?;
            anew.restore(&damaged(&kept, step))?;
            gate = anew;
            Ok(Value::Null)
        }
        other => panic!("no op {other}"),
    }))
}

/// Shows a gate the frames of a step; what it says of the last one, and how many opened it.
pub(crate) fn observe(gate: &mut MotionGate, step: &Value) -> Answer {
    let mut opened = 0;
    let mut last = None;
    for (turn, at) in times(step) {
        let meta = FrameMeta { pts: timestamp(at), ..FrameMeta::default() };
        let motion = gate.observe(&picture::draw(&step["picture"], turn, meta)?)?;
        opened += u32::from(motion.open);
        last = Some(motion);
    }
    let Motion { open, reason, state, fraction, regions, ignored, overlay_cells, since, .. } = last.expect("a frame");
    Ok(json!({
        "open": open,
        "reason": reason,
        "state": state,
        "fraction": fraction,
        "regions": regions.iter().map(|region| region.to_array()).collect::<Vec<_>>(),
        "ignored": ignored,
        "overlay_cells": overlay_cells,
        "since": seconds(since),
        "opened": opened,
    }))
}

/// Bytes that were kept, as a step says that they came back: whole, cut off, or with a byte that flipped.
pub(crate) fn damaged(kept: &[u8], step: &Value) -> Vec<u8> {
    let mut bytes = kept.to_vec();
    match find::<String>(step, "damage").as_deref() {
        None => {}
        Some("empty") => bytes.clear(),
        Some("cut") => bytes.truncate(bytes.len() / 2),
        Some("flip") => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        Some(other) => panic!("no damage {other}"),
    }
    bytes
}

fn background(input: &Value) -> Answer {
    let parameters: BackgroundModelConfig = config(&input["config"])?;
    let shadow = parameters.shadow_value;
    let mut model = BackgroundModel::new(parameters)?;
    Ok(each_step(input, |step| {
        if get::<String>(step, "op") == "reset" {
            model.reset();
            return Ok(Value::Null);
        }
        let mut mask = Vec::new();
        for (turn, _) in times(step) {
            let frame = picture::draw(&step["picture"], turn, FrameMeta::default())?;
            mask.resize(frame.size().pixels() as usize, 0);
            model.apply(&frame, find(step, "learning_rate"), &mut mask)?;
        }
        let share = |level: u8| mask.iter().filter(|&&byte| byte == level).count() as f64 / mask.len() as f64;
        Ok(json!({ "foreground": share(255), "shadow": share(shadow) }))
    }))
}

pub(crate) fn breaker(input: &Value) -> Answer {
    let changes = Arc::new(Mutex::new(Vec::<BreakerTransition>::new()));
    let told = Arc::clone(&changes);
    let breaker = CircuitBreaker::new(config(&input["config"])?)?
        .with_seed(find(input, "seed").unwrap_or(0))
        .with_listener(move |change| told.lock().unwrap().push(*change));
    let mut permits = BTreeMap::<String, Permit>::new();
    Ok(each_step(input, |step| {
        let (op, now): (String, Timestamp) = (get(step, "op"), timestamp(get(step, "at_s")));
        let mut permit = || permits.remove(&get::<String>(step, "of")).expect("a permit of this name");
        match op.as_str() {
            "acquire" => match breaker.try_acquire(now) {
                Ok(permit) => {
                    permits.insert(get(step, "as"), permit);
                    return Ok(json!({ "allowed": true, "retry_after_s": null, "state": breaker.state(now) }));
                }
                Err(refusal) => {
                    let wait = refusal.retry_after.map(|wait| wait.as_secs_f64());
                    return Ok(json!({ "allowed": false, "retry_after_s": wait, "state": refusal.state }));
                }
            },
            // As an error, which is what a call through the breaker gives.
            "require" => breaker.try_acquire(now)?.ignore(),
            "success" => permit().success(now),
            "failure" => permit().failure(now),
            "ignore" => permit().ignore(),
            "drop" => drop(permit()),
            "call" => {
                for _ in 0..find(step, "times").unwrap_or(1) {
                    let permit = breaker.try_acquire(now)?;
                    let end = now + span(find(step, "took_s").unwrap_or(0.0));
                    if get::<String>(step, "result") == "success" { permit.success(end) } else { permit.failure(end) }
                }
            }
            "force_open" => breaker.force_open(now),
            "disable" => breaker.disable(now),
            "reset" => breaker.reset(now),
            "state" => {}
            "counts" => {
                let counts = breaker.counts(now);
                return Ok(json!({
                    "calls": counts.calls,
                    "failures": counts.failures,
                    "slow": counts.slow,
                    "consecutive_failures": counts.consecutive_failures,
                    "probes_out": counts.probes_out,
                    "refused": counts.refused,
                    "opened": counts.opened,
                }));
            }
            "transitions" => {
                let changes = std::mem::take(&mut *changes.lock().unwrap());
                let one = |change: &BreakerTransition| {
                    json!({
                        "from": change.from,
                        "to": change.to,
                        "why": change.why,
                        "at": seconds(change.at),
                        "open_for": change.open_for.map(|time| time.as_secs_f64()),
                    })
                };
                return Ok(changes.iter().map(one).collect());
            }
            other => panic!("no op {other}"),
        }
        Ok(json!({ "state": breaker.state(now) }))
    }))
}

pub(crate) fn retry(input: &Value) -> Answer {
    if find::<String>(input, "machine").as_deref() == Some("rate_limit") {
        return rate_limit(input);
    }
    let policy = RetryPolicy::new(config(&input["config"])?, find(input, "seed").unwrap_or(0))?;
    let mut held = BTreeMap::<String, RetryTokens>::new();
    Ok(each_step(input, |step| {
        let mut answer = match get::<String>(step, "op").as_str() {
            "next" => {
                let retry_after = find(step, "retry_after_s").map(span);
                let deadline = find(step, "deadline_s").map(timestamp);
                let now = timestamp(find(step, "at_s").unwrap_or(0.0));
                match policy.next(&told(step), get(step, "attempt"), retry_after, now, deadline) {
                    RetryDecision::Again { after, taken } => {
                        held.insert(find(step, "as").unwrap_or_default(), taken);
                        json!({ "again": true, "after_s": after.as_secs_f64(), "why": null })
                    }
                    RetryDecision::GiveUp(why) => json!({ "again": false, "after_s": null, "why": why }),
                }
            }
            "succeeded" => {
                let of = find::<String>(step, "of");
                policy.succeeded(of.and_then(|of| held.remove(&of)).unwrap_or_default());
                json!({})
            }
            other => panic!("no op {other}"),
        };
        answer["tokens"] = json!(policy.tokens());
        Ok(answer)
    }))
}

fn rate_limit(input: &Value) -> Answer {
    let limit = RateLimit::new(config(&input["config"])?)?;
    Ok(each_step(input, |step| {
        let taken = limit.try_acquire(&get::<String>(step, "key"), timestamp(get(step, "at_s")));
        let wait = taken.err().map(|wait| wait.as_secs_f64());
        Ok(json!({ "allowed": wait.is_none(), "retry_after_s": wait, "keys": limit.keys() }))
    }))
}

pub(crate) fn budget(input: &Value) -> Answer {
    let events = Arc::new(Mutex::new(Vec::<BudgetEvent>::new()));
    let told = Arc::clone(&events);
    let budget =
        Budget::new(config(&input["config"])?)?.with_listener(move |event| told.lock().unwrap().push(event.clone()));
    let clock = ManualClock::new(UnixTime::from_secs(find(input, "unix_s").unwrap_or(0)));
    let mut open = BTreeMap::<String, Reservation>::new();
    Ok(each_step(input, |step| {
        clock.advance(timestamp(get(step, "at_s")) - clock.now());
        let now: Moment = clock.moment();
        let [api, camera, tenant] =
            ["api", "camera", "tenant"].map(|key| find::<String>(step, key).unwrap_or_default());
        let spend = Spend { api: &api, camera: &camera, tenant: &tenant, images: find(step, "images").unwrap_or(1) };
        let mut reservation = || open.remove(&get::<String>(step, "of")).expect("a reservation of this name");
        Ok(match get::<String>(step, "op").as_str() {
            "reserve" => {
                let reservation = budget.reserve(&spend, now)?;
                let amount = reservation.amount().as_micros();
                open.insert(get(step, "as"), reservation);
                json!({ "amount": amount })
            }
            "commit" => {
                let reservation = reservation();
                let charged = match find(step, "images") {
                    Some(images) => reservation.commit_images(images, now),
                    None => reservation.commit(now),
                };
                json!({ "charged": charged.as_micros() })
            }
            "release" => {
                reservation().release(now);
                Value::Null
            }
            "drop" => {
                drop(reservation());
                Value::Null
            }
            "estimate" => json!({ "amount": budget.estimate(&spend, now)?.as_micros() }),
            "saved" => {
                budget.saved(&spend, get_saving(step), now);
                Value::Null
            }
            "report" => serde_json::to_value(budget.report(now)).unwrap(),
            "events" => std::mem::take(&mut *events.lock().unwrap()).iter().map(budget_event).collect(),
            other => panic!("no op {other}"),
        })
    }))
}

fn get_saving(step: &Value) -> guarita::budget::Saving {
    get(step, "by")
}

fn budget_event(event: &BudgetEvent) -> Value {
    match event {
        BudgetEvent::Warning { cap, spent, limit } => {
            json!({ "event": "warning", "cap": cap, "used": spent, "limit": limit })
        }
        BudgetEvent::Exhausted { cap, used, limit } => {
            json!({ "event": "exhausted", "cap": cap, "used": used, "limit": limit })
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn triggers(input: &Value) -> Answer {
    let parameters: TriggerConfig = config(&input["config"])?;
    let zones: Vec<Zone> = find(input, "zones").unwrap_or_default();
    let mut trigger = TriggerMachine::new(parameters, &zones)?;
    let camera = CameraId::new("gate");
    let frame = size(find(input, "frame").unwrap_or([100, 100]));
    let unix: i64 = find(input, "unix_s").unwrap_or(0);
    let mut first_seen = BTreeMap::<u64, Timestamp>::new();
    Ok(each_step(input, |step| match get::<String>(step, "op").as_str() {
        "scene" => {
            let found = detections(step, "objects");
            let ids: Vec<u64> =
                find::<Vec<Value>>(step, "objects").unwrap_or_default().iter().map(|one| get(one, "id")).collect();
            let (mut fired, mut last) = (0, Firing::default());
            for (_, at) in times(step) {
                let pts = timestamp(at);
                let objects: Vec<Object> = found
                    .iter()
                    .zip(&ids)
                    .map(|(found, &id)| Object::new(ObjectId(id), found.clone(), *first_seen.entry(id).or_insert(pts)))
                    .collect();
                let mut scene =
                    Scene::new(&camera, pts, frame, &objects).with_time(UnixTime::from_secs(unix + at.floor() as i64));
                if find(step, "looked_at") == Some(false) {
                    scene = scene.unchanged();
                }
                if let Some(firing) = trigger.observe(&scene) {
                    fired += 1;
                    last = firing;
                }
            }
            let objects: Vec<u64> = last.objects.iter().map(|object| object.id.0).collect();
            Ok(json!({ "fired": fired, "why": last.why, "zone": last.zone, "objects": objects }))
        }
        "suppressed" => Ok(json!(trigger.suppressed())),
        other => panic!("no op {other}"),
    }))
}

//! Cases that are a machine and the steps that it is taken through.

use super::plain::told;
use super::{Answer, config, detections, each_step, find, get, picture, size, span, timestamp};
use guarita::budget::{BudgetEvent, Reservation, Saving, Spend};
use guarita::clock::{Moment, UnixTime};
use guarita::event::{Scene, TriggerMachine};
use guarita::frame::FrameMeta;
use guarita::motion::{BackgroundModel, BackgroundModelConfig};
use guarita::resilience::{BreakerTransition, Permit, RateLimit, RetryDecision, RetryPolicy, RetryTokens};
use guarita::tracking::{Object, ObjectId};
use guarita::{Budget, CameraId, CircuitBreaker, MotionGate, Timestamp, Trigger, TriggerConfig, Zone};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(crate) fn gate(input: &Value) -> Answer {
    let mut gate = MotionGate::new(config(&input["config"])?)?;
    let mut kept = Vec::new();
    Ok(each_step(input, |step| {
        match get::<String>(step, "op").as_str() {
            "observe" => {
                let meta = FrameMeta { pts: timestamp(get(step, "at_s")), ..FrameMeta::default() };
                return Ok(json!(gate.observe(&picture::frame(&step["picture"])?.with_meta(meta))?));
            }
            "reset" => gate.reset(),
            "snapshot" => kept = gate.snapshot(),
            // Into a gate that has seen nothing yet, perhaps with another config.
            "restore" => {
                let mut anew = MotionGate::new(config(&step["config"])?)?;
                anew.restore(&damaged(&kept, step))?;
                gate = anew;
            }
            other => panic!("no op {other}"),
        }
        Ok(Value::Null)
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

pub(crate) fn background(input: &Value) -> Answer {
    let parameters: BackgroundModelConfig = config(&input["config"])?;
    let shadow = parameters.shadow_value;
    let mut model = BackgroundModel::new(parameters)?;
    Ok(each_step(input, |step| {
        if get::<String>(step, "op") == "reset" {
            model.reset();
            return Ok(Value::Null);
        }
        let frame = picture::frame(&step["picture"])?;
        let mut mask = vec![0; frame.size().pixels() as usize];
        model.apply(&frame, find(step, "learning_rate"), &mut mask)?;
        let share = |level: u8| mask.iter().filter(|&&byte| byte == level).count() as f64 / mask.len() as f64;
        Ok(json!({ "foreground": share(255), "shadow": share(shadow) }))
    }))
}

pub(crate) fn breaker(input: &Value) -> Answer {
    let changes = Arc::new(Mutex::new(Vec::<BreakerTransition>::new()));
    let told = Arc::clone(&changes);
    let breaker = CircuitBreaker::new(config(&input["config"])?)?
        .with_seed(get(input, "seed"))
        .with_listener(move |change| told.lock().unwrap().push(*change));
    let mut permits = BTreeMap::<String, Permit>::new();
    Ok(each_step(input, |step| {
        let (op, now): (String, Timestamp) = (get(step, "op"), timestamp(get(step, "at_s")));
        let mut permit = || permits.remove(&get::<String>(step, "of")).expect("a permit of this name");
        match op.as_str() {
            "acquire" => drop(permits.insert(get(step, "as"), breaker.try_acquire(now)?)),
            "success" => permit().success(now),
            "failure" => permit().failure(now),
            "ignore" => permit().ignore(),
            "drop" => drop(permit()),
            "force_open" => breaker.force_open(now),
            "disable" => breaker.disable(now),
            "reset" => breaker.reset(now),
            "state" => {}
            "counts" => return Ok(json!(breaker.counts(now))),
            "transitions" => return Ok(json!(std::mem::take(&mut *changes.lock().unwrap()))),
            other => panic!("no op {other}"),
        }
        Ok(json!({ "state": breaker.state(now) }))
    }))
}

pub(crate) fn retry(input: &Value) -> Answer {
    let policy = RetryPolicy::new(config(&input["config"])?, get(input, "seed"))?;
    let mut held = BTreeMap::<String, RetryTokens>::new();
    Ok(each_step(input, |step| {
        let mut answer = match get::<String>(step, "op").as_str() {
            "next" => {
                let (retry_after, deadline) = (find(step, "retry_after_s"), find(step, "deadline_s"));
                let (now, deadline) = (timestamp(get(step, "at_s")), deadline.map(timestamp));
                match policy.next(&told(step), get(step, "attempt"), retry_after.map(span), now, deadline) {
                    RetryDecision::Again { after, taken } => {
                        let count = taken.count();
                        held.insert(get(step, "as"), taken);
                        json!({ "wait_s": after.as_secs_f64(), "tokens": count })
                    }
                    RetryDecision::GiveUp(why) => json!({ "give_up": why }),
                }
            }
            "succeeded" => {
                let of = find::<String>(step, "of");
                policy.succeeded(of.and_then(|of| held.remove(&of)).unwrap_or_default());
                json!({})
            }
            other => panic!("no op {other}"),
        };
        answer["left"] = json!(policy.tokens());
        Ok(answer)
    }))
}

pub(crate) fn rate_limit(input: &Value) -> Answer {
    let limit = RateLimit::new(config(&input["config"])?)?;
    Ok(each_step(input, |step| {
        let taken = limit.try_acquire(&get::<String>(step, "key"), timestamp(get(step, "at_s")));
        Ok(json!({ "wait_s": taken.err().map(|wait| wait.as_secs_f64()), "keys": limit.keys() }))
    }))
}

pub(crate) fn budget(input: &Value) -> Answer {
    let events = Arc::new(Mutex::new(Vec::<BudgetEvent>::new()));
    let told = Arc::clone(&events);
    let budget =
        Budget::new(config(&input["config"])?)?.with_listener(move |event| told.lock().unwrap().push(event.clone()));
    let mut open = BTreeMap::<String, Reservation>::new();
    Ok(each_step(input, |step| {
        let [monotonic, unix]: [f64; 2] = get(step, "now");
        let now = Moment { monotonic: timestamp(monotonic), unix: UnixTime::from_secs(unix.floor() as i64) };
        let asked = &step["spend"];
        let [api, camera, tenant] =
            ["api", "camera", "tenant"].map(|key| find::<String>(asked, key).unwrap_or_default());
        let spend = Spend { api: &api, camera: &camera, tenant: &tenant, images: find(asked, "images").unwrap_or(1) };
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
                budget.saved(&spend, get::<Saving>(step, "by"), now);
                Value::Null
            }
            "report" => serde_json::to_value(budget.report(now)).unwrap(),
            "events" => json!(std::mem::take(&mut *events.lock().unwrap())),
            other => panic!("no op {other}"),
        })
    }))
}

pub(crate) fn trigger(input: &Value) -> Answer {
    let parameters: TriggerConfig = config(&input["config"])?;
    let mut trigger = TriggerMachine::new(parameters, &get::<Vec<Zone>>(input, "zones"))?;
    let (camera, frame) = (CameraId::new("gate"), size(get(input, "frame")));
    Ok(each_step(input, |step| {
        let pts = timestamp(get(step, "at_s"));
        let ids = get::<Vec<Value>>(step, "objects").into_iter().map(|one| get::<u64>(&one, "id"));
        let object = |(id, found)| Object::new(ObjectId(id), found, pts);
        let objects: Vec<Object> = ids.zip(detections(step, "objects")).map(object).collect();
        let time = UnixTime::from_secs(get::<f64>(step, "unix_s") as i64);
        let scene = Scene::new(&camera, pts, frame, &objects).with_time(time);
        let scene = if get(step, "looked_at") { scene } else { scene.unchanged() };
        let fired = trigger.observe(&scene);
        Ok(json!({ "fired": fired, "suppressed": trigger.suppressed() }))
    }))
}

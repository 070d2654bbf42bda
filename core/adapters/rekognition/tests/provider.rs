//! `RekognitionProvider` against a server of the tests' own, a proxy that spoils what passes, and moto.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[path = "../../../tests/common/loopback.rs"]
mod loopback;

use guarita::{budget::*, clock::*, detection::*, frame::*, provider::*, resilience::*, *};
use guarita_rekognition::*;
use loopback::{Act, Asked, Fault, FaultProxy, Server};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SECRET: &str = "wJalrXUtnFEMI-not-to-be-seen";

fn config(url: &str) -> RekognitionConfig {
    let retry = RetryConfig { base_s: 0.01, throttle_base_s: 0.01, ..RetryConfig::default() };
    RekognitionConfig {
        region: Some("eu-west-1".into()),
        endpoint: Some(url.into()),
        timeout_s: 5.0,
        retry,
        seed: Some(1),
        ..RekognitionConfig::default()
    }
}

fn open(config: RekognitionConfig) -> RekognitionProvider {
    RekognitionProvider::open(config).unwrap().with_credentials("AKIDTEST", SECRET, None)
}

/// 320×240 with some structure.
fn frame() -> Frame {
    let pixels: Vec<u8> = (0..320 * 240 * 3_u32).map(|k| (k / 7 % 251) as u8).collect();
    Frame::from_owner(pixels, Layout::packed(PixelFormat::Rgb8, Size::new(320, 240)).unwrap()).unwrap()
}

const LABELS: &str = r#"{"LabelModelVersion":"3.0","Labels":[
    {"Name":"Person","Confidence":99.5,"Parents":[],"Aliases":[{"Name":"Human"}],"Instances":[
        {"BoundingBox":{"Left":-0.1,"Top":0.5,"Width":0.35,"Height":0.75},"Confidence":98.5},
        {"BoundingBox":{"Left":0.5,"Top":0.25,"Width":0.25,"Height":0.5},"Confidence":97.5}]},
    {"Name":"Man","Confidence":96.0,"Parents":[{"Name":"Person"}],"Instances":[
        {"BoundingBox":{"Left":0.5,"Top":0.25,"Width":0.25,"Height":0.5},"Confidence":96.0}]},
    {"Name":"Car","Confidence":90.0,"Parents":[{"Name":"Vehicle"},{"Name":"Transportation"}],"Instances":[
        {"BoundingBox":{"Left":0.9,"Top":0.9,"Width":0.5,"Height":0.5},"Confidence":88.0}]},
    {"Name":"Street","Confidence":80.0,"Parents":[{"Name":"City"}],"Instances":[]}]}"#;
const TEXT: &str = r#"{"TextModelVersion":"3.1","TextDetections":[
    {"DetectedText":"NO ENTRY","Type":"LINE","Id":0,"Confidence":93.0,
     "Geometry":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.5,"Height":0.1},"Polygon":[{"X":0.1,"Y":0.1}]}},
    {"DetectedText":"NO","Type":"WORD","Id":1,"ParentId":0,"Confidence":94.0,
     "Geometry":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.1}}}]}"#;
const FACES: &str = r#"{"FaceDetails":[
    {"BoundingBox":{"Left":0.4,"Top":-0.05,"Width":0.2,"Height":0.3},"Confidence":99.9,"Pose":{"Roll":1.5,"Yaw":2.0,"Pitch":3.0}},
    {"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.3},"Confidence":20.0}]}"#;

/// Rekognition as documented.
fn rekognition(_: usize, asked: &Asked) -> Act {
    match asked.operation() {
        "DetectLabels" => Act::json(LABELS),
        "DetectText" => Act::json(TEXT),
        "DetectFaces" => Act::json(FACES),
        _ => Act::error(400, "UnknownOperationException"),
    }
}

fn boxes(found: &Detections) -> Vec<(&str, [f32; 4])> {
    found.iter().map(|item| (&*item.label.name, item.bbox.to_array().map(f32::round))).collect()
}

#[test]
fn labels_text_and_faces() {
    let server = Server::start(rekognition);
    let provider = open(RekognitionConfig {
        include_labels: vec!["Person".into(), "Car".into()],
        max_labels: 25,
        ..config(&server.url())
    });
    let ask = |want| provider.detect(Request::new([frame()]).with_want(want).with_min_confidence(0.75)).unwrap();

    let answer = ask(Want::Labels);
    let found = &answer.detections[0];
    assert_eq!(
        boxes(found),
        [
            ("person", [0.0, 120.0, 80.0, 240.0]),
            ("person", [160.0, 60.0, 240.0, 180.0]),
            ("car", [288.0, 216.0, 320.0, 240.0]),
        ]
    );
    assert_eq!((found.items[0].label.id, found.items[2].label.id), (0, 2));
    assert!((found.items[0].confidence - 0.985).abs() < 1e-6);
    assert_eq!(found.items[2].parents, ["Vehicle".into(), "Transportation".into()]);
    assert_eq!(found.image_labels.len(), 1);
    assert_eq!((&*found.image_labels[0].label.name, found.image_labels[0].label.id), ("street", Label::UNNUMBERED));
    assert_eq!(found.image_labels[0].parents, ["City".into()]);
    assert_eq!(answer.model_version.as_deref(), Some("3.0"));
    assert_eq!((answer.cost, answer.calls), (MicroDollars::from_micros(1_000), 1));
    assert_eq!(answer.answer.to_string(), "rekognition (asked)");

    let answer = ask(Want::Text);
    assert_eq!(boxes(&answer.detections[0]), [("text", [32.0, 24.0, 192.0, 48.0])]);
    assert_eq!(answer.detections[0].items[0].text.as_deref(), Some("NO ENTRY"));
    assert_eq!(answer.model_version.as_deref(), Some("3.1"));

    let answer = ask(Want::Faces);
    assert_eq!(boxes(&answer.detections[0]), [("face", [128.0, 0.0, 192.0, 60.0])]);
    assert_eq!(answer.model_version, None);

    let asked = server.asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    let labels = asked[0].json();
    assert_eq!(asked[0].header("x-amz-target"), Some("RekognitionService.DetectLabels"));
    assert_eq!(labels["MinConfidence"], 75.0);
    assert_eq!(labels["MaxLabels"], 25);
    assert_eq!(labels["Settings"]["GeneralLabels"]["LabelInclusionFilters"], serde_json::json!(["Person", "Car"]));
    let authorization = asked[0].header("authorization").unwrap();
    assert!(authorization.contains("AKIDTEST") && authorization.contains("/eu-west-1/rekognition/aws4_request"));
    let sent = Frame::decode(&asked[0].picture(), &DecodeOptions::default()).unwrap();
    assert_eq!((sent.size(), sent.format()), (Size::new(320, 240), PixelFormat::Rgb8));
    let health = provider.health();
    assert!(
        health.live && health.ready && health.in_flight == 0 && health.latency.is_some() && health.last_error.is_none()
    );
}

#[test]
fn words_instead_of_lines() {
    let server = Server::start(rekognition);
    let provider = open(RekognitionConfig { text: TextUnit::Word, ..config(&server.url()) });
    let answer = provider.detect(Request::new([frame()]).with_want(Want::Text)).unwrap();
    assert_eq!(answer.detections[0].items[0].text.as_deref(), Some("NO"));
    assert_eq!(server.asked.lock().unwrap()[0].json()["Filters"]["WordFilter"]["MinConfidence"], 50.0);
}

#[test]
fn a_part_of_the_frame_is_sent_and_its_boxes_come_back() {
    let server = Server::start(rekognition);
    let provider = open(config(&server.url()));
    // 40×20 is scaled up to 160×80 to be sent.
    let region = BoundingBox::from_xyxy(100.0, 50.0, 140.0, 70.0);
    let answer = provider.detect(Request::new([frame()]).with_regions([region])).unwrap();
    let found = &answer.detections[0];
    assert_eq!(boxes(found)[0], ("person", [100.0, 60.0, 110.0, 70.0]));
    assert_eq!(boxes(found)[1], ("person", [120.0, 55.0, 130.0, 65.0]));
    assert_eq!(found.frame, Size::new(320, 240));
    let sent = Frame::decode(&server.asked.lock().unwrap()[0].picture(), &DecodeOptions::default()).unwrap();
    assert_eq!(sent.size(), Size::new(160, 80));
    let refusing = open(RekognitionConfig { small: SmallPicture::Refuse, ..config(&server.url()) });
    let error = refusing.detect(Request::new([frame()]).with_regions([region])).unwrap_err();
    assert_eq!((error.code(), server.count()), (ErrorCode::InvalidArgument, 1));
}

#[test]
fn a_file_is_sent_as_it_is_where_nothing_is_to_do() {
    let server = Server::start(rekognition);
    let provider = open(config(&server.url()));
    provider.detect(Request::new([frame()])).unwrap();
    let encoded = server.asked.lock().unwrap()[0].picture();
    // A comment behind the first marker, so that it is no picture that the encoder would make again.
    let original = [&encoded[..2], b"\xFF\xFE\0\x06mine", &encoded[2..]].concat();
    let keep = DecodeOptions { keep_encoded: true, ..DecodeOptions::default() };
    let frame = Frame::decode(&original, &keep).unwrap().with_meta(FrameMeta { seq: 7, ..FrameMeta::default() });
    provider.detect(Request::new([frame])).unwrap();
    assert_eq!(server.asked.lock().unwrap()[1].picture(), original);
}

#[test]
fn each_frame_is_a_call_and_one_that_fails_ends_the_request() {
    let server =
        Server::start(
            |n, asked| if n == 5 { Act::error(400, "InvalidImageFormatException") } else { rekognition(n, asked) },
        );
    let provider = open(config(&server.url()));
    let frames = |n| (0..n).map(|_| frame()).collect::<Vec<_>>();
    let answer = provider.detect(Request::new(frames(3))).unwrap();
    assert_eq!((answer.detections.len(), answer.calls, answer.cost), (3, 3, MicroDollars::from_micros(3_000)));
    assert_eq!(server.count(), 3);
    let error = provider.detect(Request::new(frames(3))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
}

#[test]
fn what_rekognition_answers_and_what_becomes_of_it() {
    for (status, code, expected, calls) in [
        (400, "ThrottlingException", ErrorCode::RateLimited, 3),
        (400, "ProvisionedThroughputExceededException", ErrorCode::RateLimited, 3),
        (500, "InternalServerError", ErrorCode::Unavailable, 3),
        (503, "ServiceUnavailableException", ErrorCode::Unavailable, 3),
        (400, "ImageTooLargeException", ErrorCode::InvalidArgument, 1),
        (400, "InvalidImageFormatException", ErrorCode::InvalidArgument, 1),
        (400, "InvalidParameterException", ErrorCode::InvalidArgument, 1),
        (400, "AccessDeniedException", ErrorCode::PermissionDenied, 1),
        (400, "UnrecognizedClientException", ErrorCode::PermissionDenied, 1),
        (400, "ExpiredTokenException", ErrorCode::PermissionDenied, 1),
        (403, "InvalidSignatureException", ErrorCode::PermissionDenied, 1),
    ] {
        let server = Server::start(move |_, _| Act::error(status, code));
        let provider = open(config(&server.url()));
        for want in Want::ALL {
            let before = server.count();
            let error = provider.detect(Request::new([frame()]).with_want(want)).unwrap_err();
            assert_eq!((error.code(), server.count() - before), (expected, calls), "{code} {want}: {error}");
            assert!(error.to_string().contains(code) && !error.to_string().contains(SECRET), "{error}");
        }
        let spoken = provider.health().last_error.map(|last| last.code);
        assert_eq!(spoken, (expected != ErrorCode::InvalidArgument).then_some(expected), "{code}");
    }
}

#[test]
fn a_wait_until_a_date_is_kept() {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
    let server = Server::start(move |n, asked| match n {
        0 => Act::error(503, "ServiceUnavailable").with("retry-after", &date),
        _ => rekognition(n, asked),
    });
    let began = Instant::now();
    assert_eq!(open(config(&server.url())).detect(Request::new([frame()])).unwrap().calls, 2);
    // The date has whole seconds.
    assert!((1.0..3.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
}

#[test]
fn a_wait_that_is_asked_for_is_kept() {
    let server = Server::start(|n, asked| match n {
        0 => Act::error(400, "ThrottlingException").with("retry-after", "1"),
        1 => Act::error(400, "ThrottlingException").with("x-amz-retry-after", "300"),
        _ => rekognition(n, asked),
    });
    let provider = open(config(&server.url()));
    let began = Instant::now();
    let answer = provider.detect(Request::new([frame()])).unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_300) && took < Duration::from_secs(4), "{took:?}");
    assert_eq!((answer.calls, answer.cost), (3, MicroDollars::from_micros(1_000)), "errors are not billed");
}

#[test]
fn faults_on_the_way() {
    let server = Server::start(rekognition);
    let proxy = FaultProxy::start(server.address);
    let provider = open(RekognitionConfig { timeout_s: 0.7, ..config(&proxy.url()) });
    let ask = || provider.detect(Request::new([frame()]).with_want(Want::Faces));
    let html = "<html><body><h1>Internal Server Error</h1></body></html>";
    // Each once: the second attempt answers. Billed twice where nobody knows what became of the first.
    for (fault, billed) in [
        (Fault::Latency(Duration::from_millis(200)), 0),
        (Fault::Reset, 1),
        (Fault::HalfOpen, 1),
        (Fault::Status(429, "slow down"), 0),
        (Fault::Status(500, html), 0),
        (Fault::Status(502, ""), 0),
        (Fault::Status(200, html), 1),
        (Fault::Status(200, "{}"), 1),
        (Fault::Truncated, 1),
        (Fault::LengthTooLarge, 1),
        (Fault::LengthTooSmall, 1),
    ] {
        proxy.next(std::slice::from_ref(&fault));
        let answer = ask().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        let expected = if matches!(fault, Fault::Latency(_)) { 1 } else { 2 };
        assert_eq!((answer.calls, proxy.count()), (expected, expected as usize), "{fault:?}");
        assert_eq!(answer.cost.as_micros(), 1_000 * (1 + billed), "{fault:?}");
        assert_eq!(boxes(&answer.detections[0]).len(), 1);
    }
    // For good.
    for (fault, code) in [
        (Fault::Reset, ErrorCode::Unavailable),
        (Fault::HalfOpen, ErrorCode::DeadlineExceeded),
        (Fault::Status(429, ""), ErrorCode::RateLimited),
        (Fault::Status(500, html), ErrorCode::Unavailable),
        (Fault::Status(200, html), ErrorCode::Unavailable),
        (Fault::Truncated, ErrorCode::Unavailable),
        (Fault::LengthTooLarge, ErrorCode::Unavailable),
    ] {
        proxy.next(&vec![fault.clone(); 3]);
        let error = ask().unwrap_err();
        assert_eq!((error.code(), error.advice(), proxy.count()), (code, Advice::RetryLater, 3), "{fault:?}: {error}");
    }
    assert_eq!(ask().unwrap().calls, 1, "and back to normal");
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    // Of an error, only the status is needed.
    for (status, code, billed) in [(200, ErrorCode::Unavailable, 3), (429, ErrorCode::RateLimited, 0)] {
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let server = Server::start(move |_, _| Act::Endless(status, Arc::clone(&count)));
        let budget = budget(1_000_000);
        let provider = open(RekognitionConfig { timeout_s: 60.0, ..config(&server.url()) }).with_budget(budget.clone());
        let began = Instant::now();
        let error = provider.detect(Request::new([frame()])).unwrap_err();
        let (took, written) = (began.elapsed(), written.load(Ordering::Relaxed) >> 20);
        println!("{status}: {written} MiB written, {took:?}, {error}");
        assert_eq!((error.code(), server.count()), (code, 3), "{error}");
        assert_eq!(spent(&budget, &provider), (billed * 1_000, 0));
        // Three times 8, and what the system itself holds of each connection.
        assert!(written < 64 && took < Duration::from_secs(20), "{written} MiB in {took:?}");
    }
}

#[test]
fn nobody_there() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = open(config(&format!("http://{address}")));
    let error = provider.detect(Request::new([frame()])).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
    // A region that does not exist has no host.
    let config = RekognitionConfig {
        region: Some("xx-nowhere-7".into()),
        endpoint: None,
        connect_timeout_s: 2.0,
        retry: RetryConfig { attempts: 1, ..RetryConfig::default() },
        ..config("")
    };
    let error = open(config).detect(Request::new([frame()])).unwrap_err();
    assert!(matches!(error.code(), ErrorCode::Unavailable | ErrorCode::DeadlineExceeded), "{error:?}");
    assert!(error.to_string().contains("xx-nowhere-7"), "{error}");
}

#[test]
fn a_deadline_ends_the_wait() {
    let server = Server::start(|_, _| Act::Hang);
    let provider = open(config(&server.url()));
    let began = Instant::now();
    let soon = provider.clock().now() + Duration::from_millis(300);
    let error = provider.detect(Request::new([frame()]).with_deadline(soon)).unwrap_err();
    let took = began.elapsed();
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded, "{error}");
    assert!(took >= Duration::from_millis(290) && took < Duration::from_millis(1_500), "{took:?}");
    let past = provider.clock().now();
    let error = provider.detect(Request::new([frame()]).with_deadline(past)).unwrap_err();
    assert_eq!((error.code(), server.count()), (ErrorCode::DeadlineExceeded, 1));
    // A wait between retries that would end after the deadline is not begun.
    let server = Server::start(|_, _| Act::error(400, "ThrottlingException").with("retry-after", "5"));
    let provider = open(config(&server.url()));
    let began = Instant::now();
    let deadline = provider.clock().now() + Duration::from_secs(2);
    let error = provider.detect(Request::new([frame()]).with_deadline(deadline)).unwrap_err();
    assert_eq!((error.code(), server.count()), (ErrorCode::RateLimited, 1));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn requests_that_make_no_sense_cost_nothing() {
    let server = Server::start(rekognition);
    let provider = open(config(&server.url()));
    for request in [Request::new([]), Request::new([frame()]).with_min_confidence(f32::NAN)] {
        assert_eq!(provider.detect(request).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    assert_eq!(server.count(), 0);
}

#[test]
fn submit_never_blocks_and_dropping_answers_everybody() {
    let server = Server::start(|_, _| Act::Hang);
    let provider = open(RekognitionConfig { max_in_flight: 6, ..config(&server.url()) });
    let large = Frame::from_owner(
        vec![7_u8; 3_840 * 2_160 * 3],
        Layout::packed(PixelFormat::Rgb8, Size::new(3_840, 2_160)).unwrap(),
    )
    .unwrap();
    let mut took = Vec::new();
    let mut pending = Vec::new();
    for _ in 0..6 {
        let (reply, answer) = Reply::channel();
        let began = Instant::now();
        provider.submit(Request::new([large.clone()]), reply);
        took.push(began.elapsed());
        pending.push(answer);
    }
    // Encoding one such picture alone takes ten times as long. The median: a busy machine may stop any one of them.
    took.sort_unstable();
    assert!(took[3] < Duration::from_millis(25), "{took:?}");
    let error = provider.detect(Request::new([frame()])).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Overloaded);
    let health = provider.health();
    assert_eq!((health.in_flight, health.ready), (6, false));
    let until = Instant::now() + Duration::from_secs(20);
    while server.count() < 2 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let began = Instant::now();
    drop(provider);
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    for answer in pending {
        assert_eq!(answer.wait().unwrap_err().code(), ErrorCode::Cancelled);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    println!("submits of a 4K frame: {took:?}");
}

#[test]
fn the_last_one_may_be_dropped_by_its_own_thread() {
    let server = Server::start(rekognition);
    let provider = Arc::new(open(config(&server.url())));
    let (tell, told) = std::sync::mpsc::channel();
    let last = Arc::clone(&provider);
    let request = Request::new([frame()]);
    provider.submit(
        request,
        Reply::new(move |answer| {
            while Arc::strong_count(&last) > 1 {
                std::thread::yield_now();
            }
            drop(last);
            tell.send(answer.map(|answer| answer.calls)).unwrap();
        }),
    );
    drop(provider);
    assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap().unwrap(), 1);
}

#[test]
fn a_reply_that_waits_stops_nobody() {
    let server = Server::start(rekognition);
    let provider = Arc::new(open(config(&server.url())));
    let (tell, told) = std::sync::mpsc::channel();
    // More than there are threads for answers.
    for _ in 0..3 {
        let (provider, tell) = (Arc::clone(&provider), tell.clone());
        let again = Arc::clone(&provider);
        let reply = Reply::new(move |_| tell.send(again.detect(Request::new([frame()])).is_ok()).unwrap());
        provider.submit(Request::new([frame()]), reply);
    }
    assert!((0..3).all(|_| told.recv_timeout(Duration::from_secs(10)).unwrap()));
}

#[test]
fn one_key_is_paid_once() {
    let slow = |n, asked: &Asked| {
        std::thread::sleep(Duration::from_millis(300));
        if n == 1 { Act::error(400, "InvalidParameterException") } else { rekognition(n, asked) }
    };
    let server = Server::start(slow);
    let provider = open(config(&server.url()));
    let request = |key: &str| Request::new([frame()]).with_idempotency_key(key);
    let pending: Vec<_> = (0..8)
        .map(|_| {
            let (reply, answer) = Reply::channel();
            provider.submit(request("a"), reply);
            answer
        })
        .collect();
    let answers: Vec<_> = pending.into_iter().map(|answer| answer.wait().unwrap()).collect();
    assert_eq!(server.count(), 1);
    let cost: MicroDollars = answers.iter().map(|answer| answer.cost).sum();
    assert_eq!((cost.as_micros(), answers.iter().map(|answer| answer.calls).sum::<u32>()), (1_000, 1));
    assert!(answers.iter().all(|answer| answer.detections[0].len() == 3));
    let again = provider.detect(request("a")).unwrap();
    assert_eq!((again.cost, again.calls, server.count()), (MicroDollars::ZERO, 0, 1));
    // A failed one is asked anew.
    assert_eq!(provider.detect(request("b")).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(provider.detect(request("b")).unwrap().cost.as_micros(), 1_000);
    assert_eq!(server.count(), 3);
    // Nobody there: those who join get the error, and do not ask one after the other.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = open(config(&format!("http://{address}")));
    let pending: Vec<_> = (0..4)
        .map(|_| {
            let (reply, answer) = Reply::channel();
            away.submit(request("a"), reply);
            answer
        })
        .collect();
    assert!(pending.into_iter().all(|answer| answer.wait().unwrap_err().code() == ErrorCode::Unavailable));
    // Faces under the same name are another question.
    assert_eq!(provider.detect(request("a").with_want(Want::Faces)).unwrap().calls, 1);
}

#[test]
fn what_was_taken_back_is_not_sent() {
    let server = Server::start(rekognition);
    let provider = open(config(&server.url()));
    let request = Request::new([frame()]);
    assert!(request.cancellation.cancel());
    assert_eq!(provider.detect(request).unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!(server.count(), 0);
    let request = Request::new([frame(), frame()]);
    let cancellation = request.cancellation.clone();
    assert_eq!(provider.detect(request).unwrap().calls, 2);
    assert!(!cancellation.cancel(), "it has begun");
}

#[test]
fn the_rules_of_providers() {
    let server = Server::start(|n, asked| {
        std::thread::sleep(Duration::from_millis(20));
        rekognition(n, asked)
    });
    let url = server.url();
    let make = || Arc::new(open(RekognitionConfig { max_in_flight: 8, ..config(&url) })) as Arc<dyn Provider>;
    let report = guarita::testkit::check_provider(&make, &frame());
    println!("{report}");
    report.into_result().unwrap();
}

#[test]
fn who_joins_outlives_a_shorter_deadline() {
    let server = Server::start(|n, asked| if n == 0 { Act::Hang } else { rekognition(n, asked) });
    let provider = open(config(&server.url()));
    let request = || Request::new([frame()]).with_idempotency_key("a");
    let (reply, first) = Reply::channel();
    provider.submit(request().with_deadline(provider.clock().now() + Duration::from_millis(400)), reply);
    std::thread::sleep(Duration::from_millis(100));
    let second = provider.detect(request()).unwrap();
    assert_eq!(first.wait().unwrap_err().code(), ErrorCode::DeadlineExceeded);
    assert_eq!((second.calls, server.count()), (1, 2));
}

#[derive(Debug)]
struct Slow;

impl Redact for Slow {
    fn regions(&self, _: &Frame) -> Result<Vec<RedactRegion>> {
        std::thread::sleep(Duration::from_millis(300));
        Ok(Vec::new())
    }
}

#[test]
fn who_joins_does_not_inherit_that_another_has_no_time_to_wait() {
    // The other side asks for a wait that only the second has the time for.
    let server = Server::start(|n, asked| match n {
        0 => {
            std::thread::sleep(Duration::from_millis(300));
            Act::error(400, "ThrottlingException").with("retry-after", "5")
        }
        _ => rekognition(n, asked),
    });
    let provider = open(config(&server.url()));
    let hurried = |provider: &RekognitionProvider| {
        let (reply, answer) = Reply::channel();
        let deadline = provider.clock().now() + Duration::from_millis(1_500);
        provider.submit(Request::new([frame()]).with_idempotency_key("a").with_deadline(deadline), reply);
        std::thread::sleep(Duration::from_millis(50));
        answer
    };
    let first = hurried(&provider);
    let second = provider.detect(Request::new([frame()]).with_idempotency_key("a"));
    assert_eq!(first.wait().unwrap_err().code(), ErrorCode::RateLimited);
    assert_eq!((second.unwrap().calls, server.count()), (1, 2));
    // Its turn comes after the first one's deadline.
    let server = Server::start(rekognition);
    let provider = open(RekognitionConfig { max_per_second: Some(0.4), ..config(&server.url()) });
    let provider = provider.with_redact(Arc::new(Slow));
    provider.detect(Request::new([frame()])).unwrap();
    let first = hurried(&provider);
    let second = provider.detect(Request::new([frame()]).with_idempotency_key("a"));
    assert_eq!(first.wait().unwrap_err().code(), ErrorCode::Overloaded);
    assert_eq!(second.unwrap().calls, 1);
}

#[test]
fn a_retry_that_succeeds_gives_its_tokens_back() {
    let server = Server::start(|n, asked| match n % 2 {
        0 => Act::error(500, "InternalServerError"),
        _ => rekognition(n, asked),
    });
    // Enough for one retry.
    let retry = RetryConfig { bucket: 5, retry_cost: 5, ..config("").retry };
    let provider = open(RekognitionConfig { retry, ..config(&server.url()) });
    for _ in 0..4 {
        assert_eq!(provider.detect(Request::new([frame()])).unwrap().calls, 2);
    }
}

#[test]
fn health_says_how_long_the_wait_is() {
    let server = Server::start(|n, asked| {
        std::thread::sleep(Duration::from_millis(100));
        rekognition(n, asked)
    });
    let provider = open(RekognitionConfig { max_in_flight: 1, ..config(&server.url()) });
    provider.detect(Request::new([frame()])).unwrap();
    assert_eq!(provider.health().expected_wait, Duration::ZERO);
    let (reply, answer) = Reply::channel();
    provider.submit(Request::new((0..6).map(|_| frame()).collect::<Vec<_>>()), reply);
    let until = Instant::now() + Duration::from_secs(5);
    let mut longest = Duration::ZERO;
    while provider.health().in_flight > 0 && Instant::now() < until {
        longest = longest.max(provider.health().expected_wait);
        std::thread::sleep(Duration::from_millis(5));
    }
    answer.wait().unwrap();
    // Five wait, each for about a call.
    assert!(longest >= Duration::from_millis(300), "{longest:?}");
    assert_eq!(provider.health().expected_wait, Duration::ZERO);
}

fn budget(per_day: u64) -> Budget {
    let total = Caps { per_day: Some(MicroDollars::from_micros(per_day)), ..Caps::default() };
    Budget::new(BudgetConfig { total, ..BudgetConfig::default() }).unwrap()
}

/// What a budget counts as spent today, and what is held.
fn spent(budget: &Budget, provider: &RekognitionProvider) -> (u64, u64) {
    let today = budget.report(provider.clock().moment()).today;
    (today.spent.as_micros(), today.reserved.as_micros())
}

#[test]
fn without_money_nothing_is_sent() {
    let server = Server::start(rekognition);
    let budget = budget(2_500);
    let provider = open(config(&server.url())).with_budget(budget.clone());
    assert_eq!(provider.capability().price.as_micros(), 1_000);
    let yard = frame().with_meta(FrameMeta { camera: CameraId::new("yard"), ..FrameMeta::default() });
    for _ in 0..2 {
        assert_eq!(provider.detect(Request::new([yard.clone()]).with_tenant("acme")).unwrap().cost.as_micros(), 1_000);
    }
    for _ in 0..3 {
        let error = provider.detect(Request::new([yard.clone()])).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BudgetExhausted, "{error}");
    }
    assert_eq!(server.count(), 2);
    assert_eq!(spent(&budget, &provider), (2_000, 0));
    let report = budget.report(provider.clock().moment());
    let names = |keys: &[KeyReport]| keys.iter().map(|key| key.name.clone()).collect::<Vec<_>>();
    assert!(names(&report.cameras).contains(&"yard".into()) && names(&report.tenants).contains(&"acme".into()));
    assert_eq!(names(&report.apis), ["rekognition:DetectLabels"]);
    assert!(provider.health().last_error.is_none(), "not the provider's fault");
}

#[test]
fn what_may_have_been_billed_counts_as_spent() {
    let server = Server::start(rekognition);
    let proxy = FaultProxy::start(server.address);
    let html = "<html></html>";
    for (faults, billed) in [
        (vec![Fault::Reset; 3], 3),
        (vec![Fault::HalfOpen; 3], 3),
        (vec![Fault::Truncated, Fault::Status(500, html), Fault::Status(500, html)], 1),
        (vec![Fault::Status(429, ""); 3], 0),
        (vec![Fault::Status(503, ""), Fault::Reset, Fault::None], 2),
    ] {
        let budget = budget(1_000_000);
        let provider = open(RekognitionConfig { timeout_s: 0.3, ..config(&proxy.url()) }).with_budget(budget.clone());
        proxy.next(&faults);
        let answer = provider.detect(Request::new([frame()]));
        assert_eq!(spent(&budget, &provider), (billed * 1_000, 0), "{faults:?}");
        assert_eq!(answer.map_or(billed * 1_000, |answer| answer.cost.as_micros()), billed * 1_000);
    }
    // Nobody was there to send a bill.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let budget = budget(1_000_000);
    let provider = open(config(&format!("http://{address}"))).with_budget(budget.clone());
    assert_eq!(provider.detect(Request::new([frame()])).unwrap_err().code(), ErrorCode::Unavailable);
    assert_eq!(spent(&budget, &provider), (0, 0));
}

#[test]
fn calls_that_are_given_up_on_the_wire_count_as_spent() {
    let server = Server::start(|_, _| Act::Hang);
    let budget = budget(1_000_000);
    let provider = open(config(&server.url())).with_budget(budget.clone());
    for n in 1..=8 {
        let soon = provider.clock().now() + Duration::from_millis(150);
        let error = provider.detect(Request::new([frame()]).with_deadline(soon)).unwrap_err();
        assert_eq!((error.code(), spent(&budget, &provider)), (ErrorCode::DeadlineExceeded, (n * 1_000, 0)));
    }
    let (reply, answer) = Reply::channel();
    provider.submit(Request::new([frame(), frame()]), reply);
    while server.count() < 10 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(spent(&budget, &provider), (8_000, 2_000));
    let clock = SystemClock;
    drop(provider);
    assert_eq!(answer.wait().unwrap_err().code(), ErrorCode::Cancelled);
    let until = Instant::now() + Duration::from_secs(5);
    while budget.report(clock.moment()).today.reserved != MicroDollars::ZERO && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(budget.report(clock.moment()).today.spent.as_micros(), 10_000);
}

#[test]
fn masked_pixels_do_not_leave() {
    let server = Server::start(rekognition);
    let zones: Vec<RedactRegion> = vec![
        Polygon::new([[0.25, 0.25], [0.5, 0.25], [0.5, 0.75], [0.25, 0.75]]).unwrap().into(),
        BoundingBox::from_xyxy(200.0, 10.0, 240.0, 30.0).into(),
    ];
    let masked = open(config(&server.url())).with_redact(Arc::new(zones));
    let base = frame();
    let mut other = base.data().unwrap().to_vec();
    for y in 0..240 {
        for x in 0..320 {
            if (80..160).contains(&x) && (60..180).contains(&y) || (200..240).contains(&x) && (10..30).contains(&y) {
                other[(y * 320 + x) * 3..][..3].copy_from_slice(&[255, 255, (x ^ y) as u8]);
            }
        }
    }
    let other = Frame::from_owner(other, base.layout().clone()).unwrap();
    for provider in [&masked, &open(config(&server.url()))] {
        provider.detect(Request::new([base.clone()])).unwrap();
        provider.detect(Request::new([other.clone()])).unwrap();
    }
    let asked = server.asked.lock().unwrap();
    assert_eq!(asked[0].body, asked[1].body, "bodies that differ only under the mask are the same bytes");
    assert_ne!(asked[2].body, asked[3].body, "and the frames do differ");
    let sent = Frame::decode(&asked[0].picture(), &DecodeOptions::default()).unwrap();
    for (xs, ys) in [(84..156, 64..176), (204..236, 12..28)] {
        for y in ys {
            let row = &sent.row(0, y)[xs.start * 3..xs.end * 3];
            assert!(row.iter().all(|&level| level < 24), "row {y}: {row:?}");
        }
    }
}

#[derive(Debug)]
struct Failing(bool);

impl Redact for Failing {
    fn regions(&self, _: &Frame) -> Result<Vec<RedactRegion>> {
        assert!(!self.0, "a hook that panics, on purpose");
        Err(Error::new(ErrorCode::NotFound, "no face model"))
    }
}

#[test]
fn a_redact_hook_that_fails_keeps_the_picture_here() {
    let server = Server::start(rekognition);
    for (panics, code) in [(false, ErrorCode::NotFound), (true, ErrorCode::Internal)] {
        let provider = open(config(&server.url())).with_redact(Arc::new(Failing(panics)));
        for _ in 0..3 {
            assert_eq!(provider.detect(Request::new([frame()])).unwrap_err().code(), code);
        }
    }
    let broken = vec![RedactRegion::from(BoundingBox::from_xyxy(0.0, 0.0, f32::NAN, 1.0))];
    let provider = open(config(&server.url())).with_redact(Arc::new(broken));
    assert_eq!(provider.detect(Request::new([frame()])).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(server.count(), 0);
}

#[test]
fn calls_keep_their_pace() {
    let server = Server::start(rekognition);
    let provider = open(RekognitionConfig { max_per_second: Some(4.0), ..config(&server.url()) });
    let began = Instant::now();
    for _ in 0..8 {
        provider.detect(Request::new([frame()])).unwrap();
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(950) && took < Duration::from_secs(4), "{took:?}");
    let soon = provider.clock().now() + Duration::from_millis(50);
    let pending: Vec<_> = (0..3)
        .map(|_| {
            let (reply, answer) = Reply::channel();
            provider.submit(Request::new([frame()]).with_deadline(soon), reply);
            answer
        })
        .collect();
    let refused = pending.into_iter().filter_map(|answer| answer.wait().err()).map(|error| error.code());
    assert!(refused.into_iter().all(|code| matches!(code, ErrorCode::Overloaded | ErrorCode::DeadlineExceeded)));
}

#[test]
fn the_token_of_a_session_is_sent() {
    let server = Server::start(rekognition);
    let provider = RekognitionProvider::open(config(&server.url())).unwrap();
    provider.with_credentials("AKIDTEST", SECRET, Some("token")).detect(Request::new([frame()])).unwrap();
    assert_eq!(server.asked.lock().unwrap()[0].header("x-amz-security-token"), Some("token"));
}

#[test]
fn who_never_speaks_tls_has_seen_no_picture() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let budget = budget(1_000_000);
    let provider = open(RekognitionConfig { connect_timeout_s: 0.3, ..config(&url) }).with_budget(budget.clone());
    let began = Instant::now();
    assert_eq!(provider.detect(Request::new([frame()])).unwrap_err().code(), ErrorCode::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(spent(&budget, &provider), (0, 0));
}

#[test]
fn secrets_are_not_printed() {
    let provider = RekognitionProvider::open(config("http://127.0.0.1:1")).unwrap();
    let provider = provider.with_credentials("AKIDTEST", SECRET, Some("session-secret"));
    let text = format!("{provider:?} {:?}", provider.detect(Request::new([frame()])).unwrap_err());
    assert!(!text.contains(SECRET) && !text.contains("session-secret") && !text.contains("AKIDTEST"), "{text}");
}

#[test]
fn what_the_other_side_echoes_is_no_secret_and_one_line() {
    let server = Server::start(|_, asked| {
        let head = asked.head.replace("\r\n", "\\r\\n").replace('"', "'");
        let token = asked.header("x-amz-security-token").unwrap();
        let body = format!(r#"{{"__type":"Bad\nAKIDTEST","Message":"{token}\r\n{SECRET} was: {head}"}}"#);
        let answer = Act::json(body);
        let Act::Answer { headers, body, .. } = answer else { return answer };
        Act::Answer { status: 400, headers, body }
    });
    let provider = RekognitionProvider::open(config(&server.url())).unwrap();
    let provider = provider.with_credentials("AKIDTEST", SECRET, Some("IQoJ-session-token"));
    let error = provider.detect(Request::new([frame()])).unwrap_err();
    let text = format!("{error} {error:?} {:?}", provider.health());
    println!("{text}");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(error.to_string().contains("*** was: ") && !error.to_string().contains(char::is_control), "{error}");
    for secret in ["AKIDTEST", SECRET, "IQoJ"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// Runs one of the ignored tests below in a process with these variables and no others.
fn child(test: &str, variables: &[(&str, &str)]) -> String {
    let home = std::env::temp_dir().join(format!("guarita-{}-{test}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", &home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    std::fs::remove_dir_all(&home).unwrap();
    let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(out.status.success(), "{text}");
    text
}

#[test]
fn without_credentials_it_says_where_it_looked() {
    let text = child("child_says_why_it_cannot_sign", &[]);
    for word in ["AWS_ACCESS_KEY_ID", "~/.aws/credentials", "AWS_WEB_IDENTITY_TOKEN_FILE", "container", "instance"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // A file of credentials that cannot be read is not quoted.
    let file = std::env::temp_dir().join(format!("guarita-broken-{}", std::process::id()));
    std::fs::write(&file, format!("[default\naws_secret_access_key = {SECRET}\n")).unwrap();
    let text = child("child_says_why_it_cannot_sign", &[("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap())]);
    assert!(!text.contains(SECRET), "{text}");
    // Half of a pair.
    let text = child("child_says_why_it_cannot_sign", &[("AWS_SECRET_ACCESS_KEY", SECRET)]);
    assert!(!text.contains(SECRET), "{text}");
    std::fs::remove_file(file).unwrap();
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_says_why_it_cannot_sign() {
    let server = Server::start(rekognition);
    let provider = RekognitionProvider::open(config(&server.url())).unwrap();
    let began = Instant::now();
    let error = provider.detect(Request::new([frame()])).unwrap_err();
    println!("{error} {error:?} {:?} {:?}", provider.health(), began.elapsed());
    assert_eq!((error.code(), error.advice(), server.count()), (ErrorCode::PermissionDenied, Advice::FixHost, 0));
    assert!(began.elapsed() < Duration::from_secs(15));
    assert!(!provider.health().ready && provider.health().degraded.is_some());
    // The next one does not look again at once.
    let began = Instant::now();
    assert_eq!(provider.detect(Request::new([frame()])).unwrap_err().code(), ErrorCode::PermissionDenied);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn without_certificates_it_says_so() {
    let file = std::env::temp_dir().join(format!("guarita-no-certificates-{}", std::process::id()));
    std::fs::write(&file, "").unwrap();
    let text = child("child_trusts_nobody", &[("SSL_CERT_FILE", file.to_str().unwrap())]);
    assert!(text.contains("ca-certificates"), "{text}");
    // Nothing on this machine itself needs them.
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "eu-west-1")];
    child("child_signs", &[&keys[..], &[("SSL_CERT_FILE", file.to_str().unwrap())]].concat());
    std::fs::remove_file(file).unwrap();
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_trusts_nobody() {
    for keys in [true, false] {
        let provider = RekognitionProvider::open(config("https://127.0.0.1:1")).unwrap();
        let provider = if keys { provider.with_credentials("AKIDTEST", SECRET, None) } else { provider };
        let error = provider.detect(Request::new([frame()])).unwrap_err();
        println!("{error}");
        assert_eq!((error.code(), error.advice()), (ErrorCode::RuntimeUnavailable, Advice::FixHost), "{error}");
        let health = provider.health();
        assert!(!health.ready && health.degraded.is_some_and(|why| why.contains("ca-certificates")));
        assert_eq!(health.last_error.unwrap().code, ErrorCode::RuntimeUnavailable);
    }
}

#[test]
fn keys_and_region_come_from_the_environment_and_from_a_profile() {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "ap-south-2")];
    let text = child("child_signs", &keys);
    assert!(text.contains("Credential=AKIDENV/") && text.contains("/ap-south-2/rekognition/"), "{text}");
    let file = std::env::temp_dir().join(format!("guarita-profile-{}", std::process::id()));
    let profile =
        format!("[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = {SECRET}\nregion = sa-east-1\n");
    std::fs::write(&file, profile).unwrap();
    let path = file.to_str().unwrap();
    let text = child("child_signs", &[("AWS_CONFIG_FILE", path), ("AWS_SHARED_CREDENTIALS_FILE", path)]);
    assert!(text.contains("Credential=AKIDFILE/") && text.contains("/sa-east-1/rekognition/"), "{text}");
    std::fs::remove_file(file).unwrap();
    let text = child("child_has_no_region", &keys[..2]);
    assert!(text.contains("AWS_REGION"), "{text}");
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_signs() {
    let server = Server::start(rekognition);
    let provider = RekognitionProvider::open(RekognitionConfig { region: None, ..config(&server.url()) }).unwrap();
    provider.detect(Request::new([frame()])).unwrap();
    println!("{}", server.asked.lock().unwrap()[0].header("authorization").unwrap());
}

#[test]
fn keys_that_were_refused_are_looked_for_anew() {
    let file = std::env::temp_dir().join(format!("guarita-renewed-{}", std::process::id()));
    child("child_has_old_keys", &[("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap())]);
    std::fs::remove_file(file).unwrap();
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_has_old_keys() {
    let write = |id: &str| {
        let keys = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {SECRET}\n");
        std::fs::write(std::env::var_os("AWS_SHARED_CREDENTIALS_FILE").unwrap(), keys).unwrap();
    };
    write("AKIDOLD");
    let server = Server::start(|n, asked| match asked.header("authorization").unwrap().contains("AKIDOLD") {
        true => Act::error(400, "ExpiredTokenException"),
        false => rekognition(n, asked),
    });
    let provider = RekognitionProvider::open(config(&server.url())).unwrap();
    let ask = || provider.detect(Request::new([frame()]));
    assert_eq!(ask().unwrap_err().code(), ErrorCode::PermissionDenied);
    write("AKIDNEW");
    assert_eq!(ask().unwrap().calls, 1);
}

#[test]
fn looking_for_keys_may_take_longer_than_a_request_has() {
    let keys = r#"{"AccessKeyId":"AKIDSLOW","SecretAccessKey":"x","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
    let store = Server::start(move |_, _| {
        std::thread::sleep(Duration::from_millis(700));
        Act::json(keys)
    });
    child("child_has_less_time", &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &store.url())]);
    assert_eq!(store.count(), 1);
    let store = Server::start(|_, _| Act::Hang);
    child("child_looks_in_vain", &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &store.url())]);
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_has_less_time() {
    let server = Server::start(rekognition);
    let provider = RekognitionProvider::open(config(&server.url())).unwrap();
    let soon = || Request::new([frame()]).with_deadline(provider.clock().now() + Duration::from_millis(400));
    let answers: Vec<_> = (0..4).map(|_| provider.detect(soon()).map_err(|error| error.code())).collect();
    assert_eq!(answers[0].as_ref().unwrap_err(), &ErrorCode::DeadlineExceeded);
    assert!(answers[3].is_ok(), "{answers:?}");
}

/// Where keys come from, as containers have it: the first time with keys that end so many seconds from now.
fn role_service(ends_in_s: i64, then: impl Fn(&str) -> Act + Send + Sync + 'static) -> Server {
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ends_in_s);
    let keys = format!(r#"{{"AccessKeyId":"AKIDROLE","SecretAccessKey":"x","Token":"t","Expiration":"{ends:.0}"}}"#);
    Server::start(move |n, _| if n == 0 { Act::json(keys.as_str()) } else { then(&keys) })
}

#[test]
fn the_last_keys_are_kept_and_the_role_service_is_left_in_peace() {
    for (what, ends_in_s, test) in [
        ("near their end", 50, "child_is_answered_ten_times"),
        ("after their end, by this machine's clock", -10, "child_is_answered_ten_times"),
        ("after their end, by any clock", -10, "child_is_refused_ten_times"),
        ("with a signature that is refused", 3_600, "child_is_refused_ten_times"),
    ] {
        for down in [true, false] {
            let then = move |keys: &str| if down { Act::error(500, "Down") } else { Act::json(keys) };
            let store = role_service(ends_in_s, then);
            let text = child(test, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &store.url())]);
            // The first, and one look for better ones, which the SDK may repeat where it is told of an error.
            let most = if down { 6 } else { 2 };
            assert!(store.count() <= most, "{what}, down: {down}: {} times\n{text}", store.count());
            // Those that had ended when they came are not looked for again so soon.
            if down && ends_in_s > 0 && test == "child_is_refused_ten_times" {
                assert!(text.contains("others were looked for in vain: no credentials"), "{what}: {text}");
            }
        }
    }
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_is_answered_ten_times() {
    let server = Server::start(rekognition);
    let provider = RekognitionProvider::open(config(&server.url())).unwrap();
    for _ in 0..10 {
        provider.detect(Request::new([frame()])).unwrap();
        assert!(provider.health().ready);
    }
    assert_eq!(server.count(), 10);
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_is_refused_ten_times() {
    let server = Server::start(|_, _| Act::error(403, "InvalidSignatureException"));
    let provider = RekognitionProvider::open(config(&server.url())).unwrap();
    let mut last = String::new();
    for _ in 0..10 {
        let error = provider.detect(Request::new([frame()])).unwrap_err();
        assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
        last = error.to_string();
    }
    println!("{last}");
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_looks_in_vain() {
    let server = Server::start(rekognition);
    // Longer than the answer holds.
    let provider =
        RekognitionProvider::open(RekognitionConfig { credentials_timeout_s: 5.2, ..config(&server.url()) }).unwrap();
    let ask = || provider.detect(Request::new([frame()])).unwrap_err().code();
    assert_eq!(ask(), ErrorCode::PermissionDenied);
    let began = Instant::now();
    assert_eq!((ask(), provider.health().ready), (ErrorCode::PermissionDenied, false));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_has_no_region() {
    let provider =
        RekognitionProvider::open(RekognitionConfig { region: None, ..config("http://127.0.0.1:1") }).unwrap();
    let error = provider.detect(Request::new([frame()])).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidConfig);
    println!("{error}");
}

#[test]
fn configs_that_cannot_be() {
    for (config, word) in [
        (config("http://rekognition.example.com"), "https"),
        (config("nonsense"), "endpoint"),
        (RekognitionConfig { region: Some("Nowhere".into()), ..config("http://127.0.0.1:1") }, "region"),
        (RekognitionConfig { timeout_s: f64::NAN, ..config("http://127.0.0.1:1") }, "timeout_s"),
    ] {
        let error = RekognitionProvider::open(config).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidConfig);
        assert!(error.to_string().contains(word), "{error}");
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// moto_server, ended with the value.
struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start() -> Option<Self> {
        let program =
            std::env::var_os("GUARITA_MOTO").map_or_else(|| repository().join(".venv/bin/moto_server"), PathBuf::from);
        if !program.is_file() {
            println!("SKIPPED: no moto_server at {} (set GUARITA_MOTO, see requirements-moto.txt)", program.display());
            return None;
        }
        // Free a moment ago, and so most likely now.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { child, url: format!("http://127.0.0.1:{port}") };
        let until = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "moto_server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(moto)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn against_moto() {
    let Some(moto) = Moto::start() else { return };
    let provider = open(config(&moto.url));
    let answer = provider.detect(Request::new([frame()])).unwrap();
    let found = &answer.detections[0];
    println!("{answer:#?}");
    assert!(answer.model_version.is_some() && (!found.is_empty() || !found.image_labels.is_empty()));
    assert!(found.iter().all(|item| item.bbox == item.bbox.clipped(found.frame) && item.confidence <= 1.0));
    let answer = provider.detect(Request::new([frame()]).with_want(Want::Text)).unwrap();
    assert!(answer.detections[0].iter().any(|item| item.text.is_some()), "{answer:?}");
    // It has no faces, and says so with a page of HTML.
    let error = provider.detect(Request::new([frame()]).with_want(Want::Faces)).unwrap_err();
    assert_eq!((error.code(), error.advice()), (ErrorCode::Unavailable, Advice::RetryLater), "{error}");
    // The same through a line that fails twice.
    let proxy = FaultProxy::start(moto.url.strip_prefix("http://").unwrap().parse().unwrap());
    proxy.next(&[Fault::Reset, Fault::Truncated]);
    let answer = open(config(&proxy.url())).detect(Request::new([frame()])).unwrap();
    assert_eq!((answer.calls, answer.cost.as_micros()), (3, 3_000));
}

/// `cargo test --release --features rekognition --test rekognition -- --ignored --nocapture figures`
#[test]
#[ignore = "figures, not a judgement"]
fn figures() {
    let size = Size::new(1_920, 1_080);
    let pixels: Vec<u8> =
        (0..size.pixels() * 3).map(|k| ((k / 3 % 1_920) ^ (k / 5_760)) as u8 / 2 + (k % 31) as u8).collect();
    let frame = Frame::from_owner(pixels, Layout::packed(PixelFormat::Rgb8, size).unwrap()).unwrap();
    let server = Server::start(rekognition);
    let provider = open(config(&server.url()));
    let mut prepare: Vec<_> =
        (0..9).map(|_| provider.detect(Request::new([frame.clone()])).unwrap().latency.prepare).collect();
    prepare.sort_unstable();
    let body = server.asked.lock().unwrap()[0].picture().len();
    println!("one 1080p picture made ready: {:?} (median of 9), {body} bytes", prepare[4]);
    let keep = DecodeOptions { keep_encoded: true, ..DecodeOptions::default() };
    let encoded = Frame::decode(&server.asked.lock().unwrap()[0].picture(), &keep).unwrap();
    let latency = provider.detect(Request::new([encoded.clone()])).unwrap().latency;
    println!("sent as it is: {:?}", latency.prepare);
    for (name, frame) in [("encoded anew", &frame), ("sent as it is", &encoded)] {
        let (count, done) = (400, Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        for _ in 0..count {
            loop {
                let done = Arc::clone(&done);
                let (submitted, request) = (Arc::new(AtomicUsize::new(0)), Request::new([frame.clone()]));
                let full = Arc::clone(&submitted);
                let reply = Reply::new(move |answer| match answer {
                    Ok(_) => drop(done.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => {
                        assert_eq!(error.code(), ErrorCode::Overloaded);
                        full.store(1, Ordering::Relaxed);
                    }
                });
                provider.submit(request, reply);
                if submitted.load(Ordering::Relaxed) == 0 {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        while done.load(Ordering::Relaxed) < count {
            std::thread::sleep(Duration::from_millis(1));
        }
        let took = began.elapsed();
        println!("50 in flight, {name}: {:.0} pictures/s", f64::from(count as u32) / took.as_secs_f64());
        server.asked.lock().unwrap().clear();
    }
}

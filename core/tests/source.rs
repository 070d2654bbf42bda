//! Frames of video files against what the program itself lists; bad files; and children that must not stay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "tests may read the environment and wait")]

mod common;
#[path = "common/lab.rs"]
mod lab;

use guarita::source::SourceConfig;
use guarita::{Advice, Error, ErrorCode, Frame, PixelFormat, Size, VideoSource};
use lab::Lab;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::task::Poll;
use std::time::{Duration, Instant};

impl Lab {
    /// Frames at uneven times, in milliseconds: 0, 127, 254, 301, …
    fn uneven(&self, name: &str, size: &str) -> PathBuf {
        let filter = "select='not(mod(n,3))+eq(n,7)',settb=1/1000,setpts='PTS+7*mod(N,5)'";
        let more = format!("-vf {filter} -enc_time_base 1:1000 -c:v ffv1 -pix_fmt yuv420p");
        self.video(name, size, 18, &more)
    }

    /// Time in microseconds and SHA-256 of every frame, as the program lists them itself.
    fn listing(&self, name: &str, filter: &str) -> Vec<(i64, String)> {
        let text = self
            .run(&format!("-i {name} -map 0:v:0 -vf {filter} -enc_time_base 1:1000000 -f framehash -hash sha256 -"));
        let text = String::from_utf8(text).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let fields: Vec<&str> = line.split(',').map(str::trim).collect();
                (fields[2].parse().unwrap(), fields[5].to_owned())
            })
            .collect()
    }

    fn open(&self, name: &str) -> guarita::Result<VideoSource> {
        VideoSource::open(self.path(name), self.config())
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn listed(frames: &[Frame]) -> Vec<(i64, String)> {
    frames.iter().map(|frame| ((frame.meta().pts.as_nanos() + 500) / 1000, sha256(frame.data().unwrap()))).collect()
}

fn frames(source: VideoSource) -> Vec<Frame> {
    source.map(|frame| frame.unwrap()).collect()
}

/// Waits up to five seconds.
fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

#[cfg(target_os = "linux")]
fn runs(process: u32) -> bool {
    // A zombie is still in the list.
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with('Z')))
}

#[test]
fn pixels_and_times_are_those_that_the_program_lists() {
    let Some(lab) = Lab::new("pixels") else { return };
    lab.uneven("uneven.mkv", "65x49");
    lab.video("plain.mp4", "64x48", 10, "-c:v mpeg4 -r 30000/1001");
    lab.video("frames.avi", "322x242", 6, "-c:v mpeg4 -bf 2");
    for name in ["uneven.mkv", "plain.mp4", "frames.avi"] {
        for (format, theirs) in [
            (PixelFormat::Gray8, "gray"),
            (PixelFormat::Rgb8, "rgb24"),
            (PixelFormat::Bgr8, "bgr24"),
            (PixelFormat::Rgba8, "rgba"),
            (PixelFormat::Bgra8, "bgra"),
            (PixelFormat::Nv12, "nv12"),
            (PixelFormat::I420, "yuv420p"),
        ] {
            let source = VideoSource::open(lab.path(name), SourceConfig { format, ..lab.config() }).unwrap();
            let found = frames(source);
            let expected = lab.listing(name, &format!("format={theirs}"));
            assert!(expected.len() > 5, "{name}");
            assert_eq!(listed(&found), expected, "{name} {format}");
            assert!(
                found.iter().enumerate().all(|(n, frame)| frame.meta().seq == n as u64 && frame.format() == format)
            );
        }
    }
    // Sound begins half a second before the picture: the file's start is that of the sound.
    lab.run(
        "-itsoffset 0.5 -i plain.mp4 -f lavfi -i sine=duration=2 -c:v copy -c:a pcm_s16le -map 0:v -map 1:a late.mkv",
    );
    assert_eq!(lab.open("late.mkv").unwrap().next().unwrap().unwrap().meta().pts.as_nanos(), 500_000_000);
    // Exact, to the nanosecond, where the file has milliseconds.
    let times: Vec<i64> =
        frames(lab.open("uneven.mkv").unwrap()).iter().map(|frame| frame.meta().pts.as_nanos()).collect();
    assert_eq!(times[..6], [0, 127, 254, 301, 388, 480].map(|ms| ms * 1_000_000));
    // And to the nearest one where it has 1/30000 s.
    let times: Vec<i64> =
        frames(lab.open("plain.mp4").unwrap()).iter().map(|frame| frame.meta().pts.as_nanos()).collect();
    assert_eq!(times[..3], [0, 33_366_667, 66_733_333]);
}

#[test]
fn a_source_says_what_it_is() {
    let Some(lab) = Lab::new("says") else { return };
    lab.video("a.avi", "64x48", 50, "-c:v mpeg4");
    let source = VideoSource::open(lab.path("a.avi"), SourceConfig { camera: "yard".into(), ..lab.config() }).unwrap();
    assert_eq!(source.name(), lab.path("a.avi").display().to_string());
    assert_eq!(source.size(), Size::new(64, 48));
    assert_eq!(source.duration(), Some(Duration::from_secs(2)));
    assert_eq!(source.frame_rate(), Some(25.0));
    assert_eq!(source.program(), lab.program);
    let found = frames(source);
    assert_eq!(found.len(), 50);
    assert!(found.iter().all(|frame| frame.meta().camera.as_str() == "yard"));
    lab.video("a.m4v", "64x48", 5, "-c:v mpeg4");
    let mut source = lab.open("a.m4v").unwrap();
    assert_eq!(source.by_ref().filter(|frame| frame.is_ok()).count(), 5);
    assert!(source.next().is_none() && source.process_id().is_none());
}

#[test]
fn size_is_chosen_by_the_program() {
    let Some(lab) = Lab::new("size") else { return };
    lab.uneven("a.mkv", "322x243");
    for (width, height, expected) in [
        (Some(100), None, Size::new(100, 76)),
        (None, Some(100), Size::new(132, 100)),
        (Some(65), Some(49), Size::new(65, 49)),
        (Some(640), None, Size::new(640, 482)),
    ] {
        let source = VideoSource::open(lab.path("a.mkv"), SourceConfig { width, height, ..lab.config() }).unwrap();
        assert_eq!(source.size(), expected);
        let theirs = lab.listing("a.mkv", &format!("scale={}:{},format=yuv420p", expected.width, expected.height));
        assert_eq!(listed(&frames(source)), theirs);
    }
}

#[test]
fn fps_leaves_frames_out_and_keeps_the_times_of_the_others() {
    let Some(lab) = Lab::new("fps") else { return };
    lab.uneven("uneven.mkv", "32x32");
    // Matroska rounds 30 frames a second to milliseconds.
    lab.run("-f lavfi -i testsrc=size=32x32:rate=30 -frames:v 90 -c:v ffv1 thirty.mkv");
    for (name, fps, count) in [
        ("thirty.mkv", 30.0, 90),
        ("thirty.mkv", 15.0, 45),
        ("thirty.mkv", 20.0, 60),
        ("thirty.mkv", 7.5, 23),
        ("thirty.mkv", 0.5, 2),
        ("thirty.mkv", 1000.0, 90),
        ("thirty.mkv", 1e-6, 1),
        ("uneven.mkv", 3.0, 7),
    ] {
        let all: Vec<i64> = lab.listing(name, "null").into_iter().map(|(pts, _)| pts).collect();
        let slot = |pts: i64| (pts as f64 / 1e6 * fps + 0.3).floor();
        let mut expected: Vec<i64> = Vec::new();
        for pts in all {
            if expected.last().is_none_or(|&last| slot(pts) > slot(last)) {
                expected.push(pts);
            }
        }
        let source = VideoSource::open(lab.path(name), SourceConfig { fps: Some(fps), ..lab.config() }).unwrap();
        let found: Vec<i64> = source.map(|frame| (frame.unwrap().meta().pts.as_nanos() + 500) / 1000).collect();
        assert_eq!(found, expected, "{name} at {fps}");
        assert_eq!(found.len(), count, "{name} at {fps}");
    }
}

#[test]
fn a_turned_phone_gives_upright_frames() {
    let Some(lab) = Lab::new("turned") else { return };
    let path = lab.video("turned.mp4", "64x48", 3, "-c:v mpeg4");
    let mut bytes = std::fs::read(&path).unwrap();
    // The matrix of the track header: a quarter turn, in place of none.
    let at = bytes.windows(4).position(|window| window == b"tkhd").unwrap() + 44;
    for (k, value) in [0u32, 0x1_0000, 0, 0xFFFF_0000, 0, 0].into_iter().enumerate() {
        bytes[at + 4 * k..at + 4 * k + 4].copy_from_slice(&value.to_be_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let source = lab.open("turned.mp4").unwrap();
    assert_eq!(source.size(), Size::new(48, 64));
    assert_eq!(listed(&frames(source)), lab.listing("turned.mp4", "format=yuv420p"));
}

#[test]
fn colours_are_those_that_frames_are_read_as() {
    let Some(lab) = Lab::new("colours") else { return };
    lab.run("-f lavfi -i color=white:size=64x48 -frames:v 2 -c:v mjpeg -pix_fmt yuvj420p full.avi");
    lab.run("-f lavfi -i color=white:size=64x48 -frames:v 2 -c:v ffv1 -pix_fmt yuv420p studio.mkv");
    lab.run(
        "-f lavfi -i color=red:size=64x48 -frames:v 2 -vf scale=out_color_matrix=bt709:out_range=tv -c:v ffv1 \
         -pix_fmt yuv420p -colorspace bt709 -color_range tv hd.mkv",
    );
    // BT.601 in studio range has white at 235 128 128 and red at 81 90 240; a gray picture has white at 255.
    for (name, format, expected) in [
        ("full.avi", PixelFormat::I420, vec![235, 128, 128]),
        ("full.avi", PixelFormat::Gray8, vec![255]),
        ("studio.mkv", PixelFormat::I420, vec![235, 128, 128]),
        ("studio.mkv", PixelFormat::Gray8, vec![255]),
        ("hd.mkv", PixelFormat::I420, vec![81, 90, 240]),
    ] {
        let source = VideoSource::open(lab.path(name), SourceConfig { format, ..lab.config() }).unwrap();
        for frame in frames(source) {
            let middle: Vec<u8> = (0..expected.len()).map(|plane| frame.row(plane, 10)[10]).collect();
            let near = middle.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 3);
            assert!(near, "{name} {format}: {middle:?} is not {expected:?}");
        }
    }
}

fn refused(result: guarita::Result<VideoSource>) -> Error {
    match result {
        Ok(source) => panic!("opened {}", source.size()),
        Err(error) => error,
    }
}

#[test]
fn bad_files_are_errors_that_say_why() {
    let Some(lab) = Lab::new("bad") else { return };
    let whole = std::fs::read(lab.video("whole.mp4", "64x48", 30, "-c:v mpeg4")).unwrap();
    lab.run("-f lavfi -i sine=duration=1 sound.mp4");
    lab.run("-f lavfi -i sine=duration=1 sound.wav");
    std::fs::write(lab.path("empty.avi"), "").unwrap();
    std::fs::write(lab.path("text.mp4"), "no video\n".repeat(5000)).unwrap();
    std::fs::write(lab.path("noise.mp4"), common::Random(7).bytes(1 << 16)).unwrap();
    // The table of an MP4 stands at its end.
    std::fs::write(lab.path("no_table.mp4"), &whole[..whole.len() / 2]).unwrap();
    std::fs::create_dir(lab.path("folder.mp4")).unwrap();
    for (name, code) in [
        ("missing.mp4", ErrorCode::NotFound),
        ("empty.avi", ErrorCode::DataCorrupt),
        ("text.mp4", ErrorCode::DataCorrupt),
        ("noise.mp4", ErrorCode::DataCorrupt),
        ("no_table.mp4", ErrorCode::DataCorrupt),
        ("folder.mp4", ErrorCode::InvalidArgument),
        ("sound.mp4", ErrorCode::Unsupported),
        ("sound.wav", ErrorCode::Unsupported),
    ] {
        let error = refused(lab.open(name));
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = refused(lab.open("no_table.mp4"));
    assert!(error.to_string().contains("moov atom not found"), "{error}");
    assert_eq!(refused(VideoSource::open("/dev/zero", lab.config())).code(), ErrorCode::Unsupported);
    let error = refused(VideoSource::open(lab.path("whole.mp4"), SourceConfig { fps: Some(f64::NAN), ..lab.config() }));
    assert_eq!(error.code(), ErrorCode::InvalidConfig);
}

#[test]
fn a_damaged_file_gives_its_frames_and_then_one_error() {
    let Some(lab) = Lab::new("damaged") else { return };
    let avi = std::fs::read(lab.video("a.avi", "320x240", 50, "-c:v mpeg4 -g 10")).unwrap();
    let mkv = std::fs::read(lab.video("a.mkv", "320x240", 50, "-c:v mpeg4 -g 10")).unwrap();
    let mp4 = std::fs::read(lab.video("a.mp4", "320x240", 50, "-c:v mpeg4 -g 10 -movflags faststart")).unwrap();
    let mut holed = avi.clone();
    let middle = avi.len() / 2;
    holed[middle..middle + 3000].copy_from_slice(&common::Random(3).bytes(3000));
    for (name, bytes, least) in [
        ("cut.avi", &avi[..middle], 20),
        ("cut.mkv", &mkv[..mkv.len() / 2 + 11], 20),
        ("cut.mp4", &mp4[..mp4.len() / 2], 15),
        ("holed.avi", &holed[..], 40),
    ] {
        std::fs::write(lab.path(name), bytes).unwrap();
        let mut source = lab.open(name).unwrap();
        let mut good = 0;
        let error = loop {
            match source.next() {
                Some(Ok(_)) => good += 1,
                Some(Err(error)) => break error,
                None => panic!("{name}: {good} frames and no error"),
            }
        };
        assert_eq!(error.code(), ErrorCode::DataCorrupt, "{error}");
        assert!(error.to_string().contains(&format!("after {good} frames")), "{error}");
        assert!(good >= least && good <= 50, "{name}: {good}");
        assert!(source.next().is_none() && source.next().is_none());
    }
}

/// Each of those that docs/guide/video.md lists and that a program can write; a name says nothing of what is in a file.
#[test]
fn every_container_is_opened_under_any_name() {
    let Some(lab) = Lab::new("containers") else { return };
    let h264 = "-c:v libx264 -pix_fmt yuv420p";
    for (format, codec) in [
        ("avi", "-c:v mpeg4"),
        ("mp4", h264),
        ("mov", h264),
        ("matroska", h264),
        ("webm", "-c:v libvpx -pix_fmt yuv420p"),
        ("mpegts", h264),
        ("mpeg", "-c:v mpeg2video"),
        ("mpeg1video", "-c:v mpeg1video"),
        ("mpeg2video", "-c:v mpeg2video"),
        ("m4v", "-c:v mpeg4"),
        ("h264", h264),
        ("hevc", "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p"),
        ("ivf", "-c:v libvpx -pix_fmt yuv420p"),
        ("mjpeg", "-c:v mjpeg -pix_fmt yuvj420p"),
        ("flv", "-c:v flv"),
        ("asf", "-c:v wmv2"),
        ("ogg", "-c:v libtheora -pix_fmt yuv420p"),
        ("nut", "-c:v mjpeg -pix_fmt yuvj420p"),
        ("gif", "-c:v gif"),
        ("mxf", "-c:v mpeg2video"),
        ("yuv4mpegpipe", "-pix_fmt yuv420p"),
        ("wtv", "-c:v mpeg2video"),
    ] {
        let encoder = codec.split_whitespace().nth(1).unwrap_or_default();
        let name = format!("{format}.video");
        let written = std::process::Command::new(&lab.program)
            .args([
                "-v",
                "error",
                "-nostdin",
                "-y",
                "-f",
                "lavfi",
                "-i",
                "testsrc=size=320x240:rate=25",
                "-frames:v",
                "10",
            ])
            .args(codec.split_whitespace())
            .args(["-f", format])
            .arg(lab.path(&name))
            .output()
            .unwrap();
        if !written.status.success() {
            println!("{format}: SKIPPED, this ffmpeg cannot write it ({encoder})");
            continue;
        }
        let source = lab.open(&name).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert_eq!(frames(source).len(), 10, "{format}");
    }
}

#[test]
fn pictures_in_a_row_without_a_container() {
    let Some(lab) = Lab::new("mjpeg") else { return };
    lab.run("-f lavfi -i testsrc=size=320x240:rate=25 -frames:v 12 -c:v mjpeg -pix_fmt yuvj420p -f mjpeg whole.mjpeg");
    let whole = std::fs::read(lab.path("whole.mjpeg")).unwrap();
    let times: Vec<i64> =
        frames(lab.open("whole.mjpeg").unwrap()).iter().map(|frame| frame.meta().pts.as_nanos()).collect();
    assert_eq!(times, (0..12).map(|k| k * 40_000_000).collect::<Vec<_>>());
    // Cut in the middle of a picture: what came before it, then an error.
    std::fs::write(lab.path("cut.mjpeg"), &whole[..whole.len() * 2 / 3]).unwrap();
    let mut source = lab.open("cut.mjpeg").unwrap();
    let given: Vec<_> = source.by_ref().collect();
    let (last, before) = given.split_last().unwrap();
    assert!(before.len() >= 6 && before.iter().all(Result::is_ok), "{}", before.len());
    assert_eq!(last.as_ref().unwrap_err().code(), ErrorCode::DataCorrupt);
    // As a host would read a camera that writes into a pipe.
    #[cfg(unix)]
    {
        let status = std::process::Command::new("mkfifo").arg(lab.path("camera")).status().unwrap();
        assert!(status.success());
        let pipe = lab.path("camera");
        let writer = std::thread::spawn(move || std::fs::write(pipe, whole));
        assert_eq!(frames(lab.open("camera").unwrap()).len(), 12);
        writer.join().unwrap().unwrap();
    }
}

#[test]
fn mutated_files_neither_panic_nor_hang() {
    let Some(lab) = Lab::new("mutated") else { return };
    let mut random = common::Random(11);
    for (name, more) in [("a.mp4", "-c:v mpeg4"), ("a.mkv", "-c:v ffv1"), ("a.avi", "-c:v mjpeg -pix_fmt yuvj420p")] {
        let whole = std::fs::read(lab.video(name, "64x48", 5, more)).unwrap();
        for _ in 0..12 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random.below(20) {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            std::fs::write(lab.path(name), bytes).unwrap();
            if let Ok(source) = lab.open(name) {
                let (size, errors) = (source.size(), source.filter(|frame| frame.is_err()).count());
                assert!(errors <= 1 && size.pixels() <= lab.config().max_pixels);
            }
        }
    }
}

#[test]
fn a_path_is_only_a_name() {
    let Some(lab) = Lab::new("names") else { return };
    let video = lab.video("a.avi", "64x48", 5, "-c:v mpeg4");
    let names = [
        "with space.avi",
        "per%cent%03d.avi",
        "co:lon.avi",
        "http:x.avi",
        "concat:a|b.avi",
        "ünï©ode 影.avi",
        "quote'\".avi",
        "star*.avi",
        "a,b;c[d]=e.avi",
        "new\nline.avi",
        "pipe:0.avi",
        "no_extension",
        "picture.png",
        "list.m3u8",
        "back\\slash.avi",
    ];
    for name in names {
        std::fs::copy(&video, lab.path(name)).unwrap();
        let source = lab.open(name).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(frames(source).len(), 5, "{name:?}");
    }
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let name = lab.folder.join(std::ffi::OsStr::from_bytes(b"latin\xE9.avi"));
        std::fs::copy(&video, &name).unwrap();
        assert_eq!(frames(VideoSource::open(&name, lab.config()).unwrap()).len(), 5);
    }
}

/// A "video" that names other files would show them to whoever sees the frames.
#[test]
fn a_file_cannot_make_the_program_read_another_one() {
    let Some(lab) = Lab::new("disclosure") else { return };
    let secret = lab.video("secret.avi", "64x48", 5, "-c:v mpeg4");
    lab.run("-f lavfi -i testsrc=size=64x48 -frames:v 3 secret%03d.png");
    lab.run("-f lavfi -i testsrc=size=64x48 -frames:v 30 -c:v mpeg4 secret.ts");
    let (secret, folder) = (secret.display().to_string(), lab.folder.display().to_string());
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{folder}/secret.ts\n#EXT-X-ENDLIST\n");
    let hidden =
        format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nconcat:http://x|file://{secret}\n#EXT-X-ENDLIST\n");
    let list = format!("ffconcat version 1.0\nfile {secret}\n");
    let sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n";
    let dash = format!(
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         mediaPresentationDuration=\"PT2S\" profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011\"><Period><AdaptationSet \
         mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\"><BaseURL>file://{secret}</BaseURL>\
         </Representation></AdaptationSet></Period></MPD>"
    );
    for content in [&playlist, &hidden, &list, &dash, sdp] {
        for name in ["evil.m3u8", "evil.mp4", "evil.avi", "evil.ffconcat", "evil.mpd", "evil.sdp", "evil"] {
            std::fs::write(lab.path(name), content).unwrap();
            let error = refused(lab.open(name));
            assert!(matches!(error.code(), ErrorCode::Unsupported | ErrorCode::DataCorrupt), "{name}: {error}");
        }
    }
    // A pattern that matches pictures is not expanded, whether a file of that name is there or not.
    assert_eq!(refused(lab.open("secret%03d.png")).code(), ErrorCode::NotFound);
    std::fs::write(lab.path("secret%03d.png"), "x").unwrap();
    assert_eq!(refused(lab.open("secret%03d.png")).code(), ErrorCode::Unsupported);
    for url in [format!("file://{secret}"), format!("subfile://{secret}"), format!("concat://{secret}")] {
        assert_eq!(refused(VideoSource::open(&url, lab.config())).code(), ErrorCode::InvalidArgument);
    }
}

/// A server of one file on this machine: streams are not for cameras yet, but what is opened must work.
#[test]
fn a_url_is_opened_and_its_password_stays_out_of_messages() {
    use std::io::{Read, Write};
    let Some(lab) = Lab::new("url") else { return };
    let bytes = std::fs::read(lab.video("a.mkv", "64x48", 5, "-c:v mpeg4")).unwrap();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let n = stream.read(&mut request).unwrap_or(0);
            let answer = if request[..n].starts_with(b"GET /a.mkv") {
                [format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len()).as_bytes(), &bytes].concat()
            } else {
                b"HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n".to_vec()
            };
            let _ = stream.write_all(&answer);
        }
    });
    let source = VideoSource::open(format!("http://{at}/a.mkv"), lab.config()).unwrap();
    assert_eq!(frames(source).len(), 5);
    for url in [
        format!("http://admin:hunter2@{at}/elsewhere"),
        format!("HTTP://admin:hunter2@{at}/elsewhere"),
        format!("http://{at}/elsewhere?user=admin&password=hunter2"),
        format!("http://{at}/elsewhere?hunter2"),
        format!("http://{at}/user=admin_password=hunter2_channel=1.sdp"),
        format!("http://admin:x/hunter2@{at}/elsewhere"),
        format!("http://admin:1?hunter2@{at}/elsewhere"),
        format!("http://admin:1#hunter2@{at}/elsewhere"),
        format!("http://admin:hunt er2\"hunter2@{at}/elsewhere"),
        "tcp://admin:hunter2@127.0.0.1:1/".into(),
        "Rtsp://admin:hunter2@127.0.0.1:1/cam/realmonitor?channel=1&p=hunter2".into(),
        "rtsp://admin:99999/hunter2@127.0.0.1:1/".into(),
        "rtsp://hunter2@127.0.0.1:1/".into(),
        "rtsp://admin:hunter2/1".into(),
        "rtsps://admin:hunter2@127.0.0.1:1/".into(),
        "rtsp:/admin:hunter2@127.0.0.1:1/".into(),
        "rtsp:admin:hunter2@127.0.0.1:1/".into(),
    ] {
        let error = refused(VideoSource::open(&url, lab.config()));
        assert!(!format!("{error:?}").contains("hunter2"), "{url}: {error:?}");
        use ErrorCode::{DataCorrupt, InvalidArgument, Unavailable, Unsupported};
        assert!(matches!(error.code(), Unavailable | DataCorrupt | Unsupported | InvalidArgument), "{error}");
    }
    let source = VideoSource::open(format!("HTTP://admin:hunter2@{at}/a.mkv?hunter2"), lab.config()).unwrap();
    assert_eq!(source.name(), format!("http://***@{at}/a.mkv?***"));
    assert!(!format!("{source:?}").contains("hunter2"));
}

#[test]
fn limits_are_kept() {
    let Some(lab) = Lab::new("limits") else { return };
    lab.video("a.avi", "320x240", 5, "-c:v mpeg4");
    for config in [
        SourceConfig { max_pixels: 320 * 240 - 1, ..lab.config() },
        // Far too large: the decoder itself refuses, whatever size is asked for.
        SourceConfig { max_pixels: 1000, width: Some(32), ..lab.config() },
        // Made larger than allowed through the aspect ratio.
        SourceConfig { max_pixels: 320 * 240, width: Some(640), ..lab.config() },
    ] {
        let error = refused(VideoSource::open(lab.path("a.avi"), config));
        assert_eq!((error.code(), error.advice()), (ErrorCode::ResourceExhausted, Advice::ChangeInput), "{error}");
        assert!(error.to_string().contains("max_pixels"), "{error}");
    }
    let exact = SourceConfig { max_pixels: 320 * 240, ..lab.config() };
    assert_eq!(frames(VideoSource::open(lab.path("a.avi"), exact).unwrap()).len(), 5);
    #[cfg(target_os = "linux")]
    {
        lab.run("-f lavfi -i color=black:size=7680x4320 -frames:v 4 -c:v mpeg4 large.avi");
        let error = VideoSource::open(lab.path("large.avi"), SourceConfig { max_memory_mib: 64, ..lab.config() })
            .and_then(|source| {
                source.collect::<guarita::Result<Vec<_>>>().map(|frames| panic!("{} frames", frames.len()))
            })
            .map(|_: Vec<Frame>| ())
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::ResourceExhausted, "{error}");
        let enough = SourceConfig { max_memory_mib: 2048, ..lab.config() };
        assert_eq!(frames(VideoSource::open(lab.path("large.avi"), enough).unwrap()).len(), 4);
    }
}

#[test]
fn another_program_is_no_ffmpeg() {
    let Some(lab) = Lab::new("programs") else { return };
    lab.video("a.avi", "64x48", 5, "-c:v mpeg4");
    std::fs::write(lab.path("text"), "no program").unwrap();
    let text = lab.path("text").display().to_string();
    for program in ["/nowhere/ffmpeg", "/", &text, "/bin/true", "/bin/false", "/bin/echo", "/bin/cat"] {
        let config = SourceConfig { ffmpeg: Some(program.into()), ..SourceConfig::default() };
        let error = refused(VideoSource::open(lab.path("a.avi"), config));
        assert_eq!(error.code(), ErrorCode::RuntimeUnavailable, "{program}: {error}");
        assert_eq!(error.advice(), Advice::FixHost);
        assert!(error.to_string().contains(program) && error.to_string().contains("pip install"), "{error}");
    }
}

#[cfg(target_os = "linux")]
mod processes {
    use super::*;
    use std::io::{BufRead, BufReader, Write};

    /// Long enough not to end by itself.
    fn long(lab: &Lab) -> PathBuf {
        lab.video("long.avi", "640x480", 500, "-c:v mjpeg -pix_fmt yuvj420p")
    }

    #[test]
    fn the_child_ends_with_the_source() {
        let Some(lab) = Lab::new("drop") else { return };
        let video = long(&lab);
        let mut source = VideoSource::open(&video, lab.config()).unwrap();
        let process = source.process_id().unwrap();
        assert!(source.next().unwrap().is_ok() && runs(process));
        drop(source);
        assert!(!Path::new(&format!("/proc/{process}")).exists(), "killed but not reaped");

        let process = std::sync::Mutex::new(0);
        let panicked = std::panic::catch_unwind(|| {
            let source = VideoSource::open(&video, lab.config()).unwrap();
            *process.lock().unwrap() = source.process_id().unwrap();
            std::panic::resume_unwind(Box::new(source.size()));
        });
        assert!(panicked.is_err());
        assert!(!runs(process.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)));
    }

    /// The parent-death signal of Linux belongs to the thread that starts a process.
    #[test]
    fn the_child_outlives_the_thread_that_opened_the_source() {
        let Some(lab) = Lab::new("thread") else { return };
        let (video, config) = (long(&lab), lab.config());
        let source = std::thread::spawn(move || VideoSource::open(video, config).unwrap()).join().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(frames(source).len(), 500);
    }

    #[test]
    fn a_wrapper_is_killed_with_what_it_runs() {
        use std::os::unix::fs::PermissionsExt;
        let Some(lab) = Lab::new("wrapper") else { return };
        let wrapper = lab.path("wrapper");
        let pid = lab.path("pid");
        let script = format!("#!/bin/sh\n'{}' \"$@\" &\necho $! > '{}'\nwait\n", lab.program.display(), pid.display());
        std::fs::write(&wrapper, script).unwrap();
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = SourceConfig { ffmpeg: Some(wrapper), ..SourceConfig::default() };
        let mut source = VideoSource::open(long(&lab), config).unwrap();
        assert!(source.next().unwrap().is_ok());
        let inner: u32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        assert!(runs(inner));
        drop(source);
        assert!(soon(|| !runs(inner)));
    }

    #[test]
    fn a_killed_decoder_is_an_error() {
        let Some(lab) = Lab::new("killed") else { return };
        for (signal, code) in [("-KILL", ErrorCode::ResourceExhausted), ("-SEGV", ErrorCode::DataCorrupt)] {
            let mut source = VideoSource::open(long(&lab), lab.config()).unwrap();
            assert!(source.next().unwrap().is_ok());
            let process = source.process_id().unwrap().to_string();
            assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
            let error = source.by_ref().find_map(Result::err).expect("an error");
            assert_eq!(error.code(), code, "{error}");
            assert!(source.next().is_none());
        }
    }

    #[test]
    fn a_slow_reader_stops_the_decoder() {
        let Some(lab) = Lab::new("slow") else { return };
        let source = VideoSource::open(long(&lab), lab.config()).unwrap();
        let process = source.process_id().unwrap();
        let written = || -> u64 {
            let io = std::fs::read_to_string(format!("/proc/{process}/io")).unwrap();
            io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
        };
        let frame = 640 * 480 * 3 / 2;
        let mut last = 0;
        assert!(soon(|| {
            std::thread::sleep(Duration::from_millis(100));
            let now = written();
            std::mem::replace(&mut last, now) == now
        }));
        assert!(last < 6 * frame, "{last} bytes are {} frames", last / frame);
        assert_eq!(frames(source).len(), 500);
    }

    #[test]
    fn a_file_that_stops_is_an_error_in_time() {
        let Some(lab) = Lab::new("stall") else { return };
        let whole = std::fs::read(lab.video("a.mkv", "320x240", 100, "-c:v mjpeg -pix_fmt yuvj420p")).unwrap();
        let pipe = lab.path("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let config = SourceConfig { timeout_s: 0.5, ..lab.config() };
        // Nobody writes.
        let start = Instant::now();
        let error = refused(VideoSource::open(&pipe, config.clone()));
        assert_eq!(error.code(), ErrorCode::DeadlineExceeded, "{error}");
        assert!(start.elapsed() < Duration::from_secs(5));
        // Somebody writes a part and then nothing. The end stays open for reading and writing, so that nobody blocks.
        let mut end = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
        let (more, wait) = std::sync::mpsc::channel::<()>();
        let writer = std::thread::spawn(move || {
            let _ = end.write_all(&whole[..whole.len() / 2]);
            let _ = wait.recv();
        });
        let mut source = VideoSource::open(&pipe, SourceConfig { timeout_s: 3.0, ..config }).unwrap();
        let process = source.process_id().unwrap();
        // One who looks up in between waits no longer in all than one who does not.
        let (mut pending, mut failed) = (0, None);
        while failed.is_none() {
            match source.poll_next(Duration::from_millis(100)) {
                Poll::Pending => pending += 1,
                Poll::Ready(next) => failed = next.unwrap().err(),
            }
        }
        let error = failed.unwrap();
        assert_eq!(error.code(), ErrorCode::DeadlineExceeded, "{error}");
        assert!((29..60).contains(&pending), "{pending}");
        assert!(source.next().is_none() && !runs(process));
        assert!(source.poll_next(Duration::ZERO).is_ready());
        drop(more);
        writer.join().unwrap();
    }

    /// Not a test by itself: the host of the next one, in a process of its own.
    #[test]
    fn host_of_a_source() {
        let Some(video) = std::env::var_os("GUARITA_TEST_VIDEO") else { return };
        let Some(program) = lab::ffmpeg("host") else { return };
        let mut source =
            VideoSource::open(video, SourceConfig { ffmpeg: Some(program), ..SourceConfig::default() }).unwrap();
        assert!(source.next().unwrap().is_ok());
        println!("\ndecoder {}", source.process_id().unwrap());
        std::thread::sleep(Duration::from_secs(60));
    }

    #[test]
    fn the_child_ends_with_a_host_that_is_killed_and_inherits_nothing() {
        let Some(lab) = Lab::new("host") else { return };
        // Also a name that looks like an option, in the working folder.
        std::fs::rename(long(&lab), lab.path("-i")).unwrap();
        let mut host = Command::new("/bin/sh")
            // A file that another library left open without close-on-exec.
            .args(["-c", "exec 9</etc/passwd; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "processes::host_of_a_source", "--nocapture"])
            .env("GUARITA_TEST_VIDEO", "-i")
            .env("GUARITA_FFMPEG", std::path::absolute(&lab.program).unwrap())
            .current_dir(&lab.folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(host.stdout.take().unwrap()).lines();
        let process: u32 = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("decoder ")?.parse().ok())
            .expect("the host opens the video");
        assert!(runs(process));
        // The program duplicates its standard output; each thing counts once.
        let open: BTreeSet<PathBuf> = std::fs::read_dir(format!("/proc/{process}/fd"))
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .collect();
        let ours = lab.path("-i").canonicalize().unwrap();
        let pipes = open.iter().filter(|path| path.to_string_lossy().starts_with("pipe:")).count();
        assert!(open.contains(&ours) && pipes == 2 && open.len() == 4, "{open:?}");
        // Stopped, it cannot notice that its pipe is broken: only the kernel ends it.
        let signal = |name: &str| Command::new("kill").args([name, &process.to_string()]).status().unwrap();
        assert!(signal("-STOP").success());
        host.kill().unwrap();
        host.wait().unwrap();
        let gone = soon(|| !runs(process));
        if !gone {
            signal("-KILL");
        }
        assert!(gone, "the decoder outlives its host");
    }
}

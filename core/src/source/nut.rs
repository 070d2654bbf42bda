//! Reads NUT, the container in which the child sends frames: raw pictures, each with its length and its time.
//!
//! Method: the NUT open container format (version 3, as FFmpeg's `nutenc.c` writes it), with one video stream. The
//! sender decodes hostile files, so that nothing here is trusted: lengths are bounded before memory is taken.
//! Checksums are not looked at; a pipe loses nothing.

use crate::geometry::Size;
use std::io::{ErrorKind, Read};

const FILE_ID: &[u8] = b"nut/multimedia container\0";
const MAIN: u64 = 0x4E4D_7A56_1F5F_04AD;
const STREAM: u64 = 0x4E53_1140_5BF2_F9DB;
const SYNCPOINT: u64 = 0x4E4B_E4AD_EECA_4569;
const INFO: u64 = 0x4E49_AB68_B596_BA78;

/// The longest packet besides frames; real ones have a few hundred bytes.
const MAX_PACKET: u64 = 64 << 10;
const NANOS: i128 = 1_000_000_000;

mod flag {
    pub(super) const CODED_PTS: u64 = 8;
    pub(super) const STREAM_ID: u64 = 16;
    pub(super) const SIZE_MSB: u64 = 32;
    pub(super) const CHECKSUM: u64 = 64;
    pub(super) const RESERVED: u64 = 128;
    pub(super) const SIDE_DATA: u64 = 256;
    pub(super) const HEADER_IDX: u64 = 1024;
    pub(super) const MATCH_TIME: u64 = 2048;
    pub(super) const CODED: u64 = 4096;
    pub(super) const INVALID: u64 = 8192;
}

/// Why no frame could be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The bytes end in the middle of a packet, or cannot be read.
    Cut,
    /// The bytes are not what an `ffmpeg` with our arguments sends.
    Wrong(String),
}

type Result<T> = std::result::Result<T, Fault>;

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(Fault::Wrong(what.into()))
}

/// What a frame code stands for.
#[derive(Clone, Copy, Default)]
struct FrameCode {
    flags: u64,
    size_mul: u64,
    size_lsb: u64,
    pts_delta: i64,
    reserved: u64,
    header_idx: u64,
}

#[derive(Clone, Copy)]
struct TimeBase {
    num: u64,
    den: u64,
}

impl TimeBase {
    fn nanos(self, ticks: i64) -> i64 {
        let nanos = i128::from(ticks) * i128::from(self.num) * NANOS;
        // Times before zero round as those after do.
        let nanos = (nanos + i128::from(self.den / 2)).div_euclid(i128::from(self.den));
        nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

/// Frames out of a pipe.
pub(super) struct Reader<R> {
    input: R,
    codes: Vec<FrameCode>,
    /// Bytes that frames may begin with, and that are then not sent.
    elided: Vec<Vec<u8>>,
    time_bases: Vec<TimeBase>,
    time_base: TimeBase,
    msb_shift: u32,
    last_pts: i64,
    size: Size,
    frame_rate: Option<f64>,
}

impl<R: Read> Reader<R> {
    /// Reads the headers. `None` where there is not one byte.
    pub(super) fn open(mut input: R) -> Result<Option<Self>> {
        let mut id = [0; FILE_ID.len()];
        if !first(&mut input, &mut id[..1])? {
            return Ok(None);
        }
        exact(&mut input, &mut id[1..])?;
        if id != FILE_ID {
            return wrong("not the container that was asked for");
        }
        let one = TimeBase { num: 1, den: 1 };
        let mut reader = Self {
            input,
            codes: Vec::new(),
            elided: vec![Vec::new()],
            time_bases: Vec::new(),
            time_base: one,
            msb_shift: 0,
            last_pts: 0,
            size: Size::new(0, 0),
            frame_rate: None,
        };
        // The first frame stands behind a syncpoint.
        loop {
            let mut code = [0; 8];
            exact(&mut reader.input, &mut code)?;
            if reader.packet(u64::from_be_bytes(code), false)? {
                break;
            }
        }
        if reader.size.pixels() == 0 || reader.codes.len() != 256 {
            return wrong("no stream header before the first frame");
        }
        Ok(Some(reader))
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Frames in a second as the video says; not a measurement.
    pub(super) fn frame_rate(&self) -> Option<f64> {
        self.frame_rate
    }

    /// The next frame, which must have `len` bytes, and its time in nanoseconds; `None` at the end.
    pub(super) fn next(&mut self, len: usize) -> Result<Option<(i64, Vec<u8>)>> {
        loop {
            let mut code = [0; 8];
            if !first(&mut self.input, &mut code[..1])? {
                return Ok(None);
            }
            if code[0] != b'N' {
                return self.frame(code[0], len).map(Some);
            }
            exact(&mut self.input, &mut code[1..])?;
            self.packet(u64::from_be_bytes(code), true)?;
        }
    }

    /// Reads one packet that is no frame; whether it was a syncpoint. Headers are repeated later and then passed over.
    fn packet(&mut self, startcode: u64, running: bool) -> Result<bool> {
        let len = number(&mut self.input)?;
        if !(4..=MAX_PACKET).contains(&len) {
            return wrong(format!("a packet of {len} bytes"));
        }
        // Long packets have a checksum of their header.
        let mut body = vec![0; len as usize + if len > 4096 { 4 } else { 0 }];
        exact(&mut self.input, &mut body)?;
        let mut body = body.as_slice();
        match startcode {
            SYNCPOINT => self.syncpoint(&mut body)?,
            MAIN if !running => self.main_header(&mut body)?,
            STREAM if !running => self.stream_header(&mut body)?,
            INFO if !running => self.info(&mut body)?,
            _ => {}
        }
        Ok(startcode == SYNCPOINT)
    }

    fn main_header(&mut self, body: &mut &[u8]) -> Result<()> {
        let version = number(body)?;
        if version != 3 {
            return wrong(format!("version {version} of the container"));
        }
        let streams = number(body)?;
        if streams != 1 {
            return wrong(format!("{streams} streams"));
        }
        let _max_distance = number(body)?;
        for _ in 0..number(body)? {
            let (num, den) = (number(body)?, number(body)?);
            if num == 0 || den == 0 || num >= 1 << 31 || den >= 1 << 31 {
                return wrong(format!("a time base of {num}/{den}"));
            }
            self.time_bases.push(TimeBase { num, den });
        }
        self.frame_codes(body)?;
        for _ in 0..number(body)? {
            let bytes = bytes(body)?;
            self.elided.push(bytes);
        }
        Ok(())
    }

    fn frame_codes(&mut self, body: &mut &[u8]) -> Result<()> {
        let mut code = FrameCode { size_mul: 1, ..FrameCode::default() };
        while self.codes.len() < 256 {
            code.flags = number(body)?;
            let fields = number(body)?;
            // Fields that are left out keep their value, but for these three.
            (code.size_lsb, code.reserved) = (0, 0);
            let mut count = None;
            for field in 0..fields {
                match field {
                    0 => code.pts_delta = signed(body)?,
                    1 => code.size_mul = number(body)?,
                    2 => drop(number(body)?),
                    3 => code.size_lsb = number(body)?,
                    4 => code.reserved = number(body)?,
                    5 => count = Some(number(body)?),
                    6 => drop(signed(body)?),
                    7 => code.header_idx = number(body)?,
                    _ => drop(number(body)?),
                }
            }
            let count = count.unwrap_or_else(|| code.size_mul.saturating_sub(code.size_lsb));
            if count == 0 && fields > 5 {
                return wrong("an empty run of frame codes");
            }
            for n in 0..count {
                if self.codes.len() == usize::from(b'N') {
                    self.codes.push(FrameCode { flags: flag::INVALID, ..FrameCode::default() });
                }
                if self.codes.len() >= 256 {
                    break;
                }
                self.codes.push(FrameCode { size_lsb: code.size_lsb.saturating_add(n), ..code });
            }
        }
        Ok(())
    }

    fn stream_header(&mut self, body: &mut &[u8]) -> Result<()> {
        let (_id, class) = (number(body)?, number(body)?);
        if class != 0 {
            return wrong("a stream that is no video");
        }
        let _fourcc = bytes(body)?;
        let time_base = number(body)?;
        let Some(&found) = usize::try_from(time_base).ok().and_then(|at| self.time_bases.get(at)) else {
            return wrong("a time base that is not there");
        };
        self.time_base = found;
        self.msb_shift = match number(body)? {
            shift @ 0..=32 => shift as u32,
            shift => return wrong(format!("{shift} low bits of a time")),
        };
        let (_max_pts_distance, _decode_delay, _flags) = (number(body)?, number(body)?, number(body)?);
        let _codec_data = bytes(body)?;
        let (width, height) = (number(body)?, number(body)?);
        match (u32::try_from(width), u32::try_from(height)) {
            (Ok(width), Ok(height)) => self.size = Size::new(width, height),
            _ => return wrong(format!("pictures of {width}×{height}")),
        }
        Ok(())
    }

    fn syncpoint(&mut self, body: &mut &[u8]) -> Result<()> {
        // One number for the time and for the time base that it is in.
        let coded = number(body)?;
        let bases = self.time_bases.len().max(1) as u64;
        let ticks = i64::try_from(coded / bases).unwrap_or(i64::MAX);
        let Some(&from) = self.time_bases.get((coded % bases) as usize) else {
            return wrong("a syncpoint before the headers");
        };
        let to = self.time_base;
        let scaled = i128::from(ticks) * i128::from(from.num) * i128::from(to.den);
        let scaled = scaled.div_euclid(i128::from(from.den) * i128::from(to.num));
        self.last_pts = scaled.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Ok(())
    }

    /// The frame rate is the one thing wanted of it; every value that we ask for is a text.
    fn info(&mut self, body: &mut &[u8]) -> Result<()> {
        let (_stream, _chapter, _start, _len) = (number(body)?, signed(body)?, number(body)?, number(body)?);
        for _ in 0..number(body)? {
            let name = bytes(body)?;
            if signed(body)? != -1 {
                return Ok(());
            }
            let value = bytes(body)?;
            if name == b"r_frame_rate"
                && let Some((num, den)) = String::from_utf8_lossy(&value).split_once('/')
                && let (Ok(num), Ok(den)) = (num.parse::<f64>(), den.parse::<f64>())
            {
                self.frame_rate = Some(num / den).filter(|rate| rate.is_finite() && *rate > 0.0);
            }
        }
        Ok(())
    }

    fn frame(&mut self, code: u8, len: usize) -> Result<(i64, Vec<u8>)> {
        let mut code = self.codes.get(usize::from(code)).copied().unwrap_or_default();
        let input = &mut self.input;
        if code.flags & flag::CODED != 0 {
            code.flags ^= number(input)?;
        }
        let has = |wanted: u64| code.flags & wanted != 0;
        if has(flag::INVALID) || has(flag::SIDE_DATA) {
            return wrong("a frame of an unknown kind");
        }
        if has(flag::STREAM_ID) && number(input)? != 0 {
            return wrong("a frame of another stream");
        }
        let pts = if has(flag::CODED_PTS) {
            let coded = i64::try_from(number(input)?).or_else(|_| wrong("a time out of range"))?;
            let low = 1i64 << self.msb_shift;
            if coded < low {
                // Only the low bits are sent: the time nearest to the last one that has them.
                let least = self.last_pts.saturating_sub((low - 1) / 2);
                (coded.wrapping_sub(least) & (low - 1)).saturating_add(least)
            } else {
                coded - low
            }
        } else {
            self.last_pts.saturating_add(code.pts_delta)
        };
        let mut size = code.size_lsb;
        if has(flag::SIZE_MSB) {
            size = size.saturating_add(code.size_mul.saturating_mul(number(input)?));
        }
        if has(flag::MATCH_TIME) {
            signed(input)?;
        }
        if has(flag::HEADER_IDX) {
            code.header_idx = number(input)?;
        }
        let mut reserved = code.reserved;
        if has(flag::RESERVED) {
            reserved = number(input)?;
        }
        for _ in 0..reserved {
            number(input)?;
        }
        if has(flag::CHECKSUM) {
            exact(input, &mut [0; 4])?;
        }
        if size != len as u64 {
            return wrong(format!("a frame of {size} bytes where one has {len}"));
        }
        let Some(start) = usize::try_from(code.header_idx).ok().and_then(|at| self.elided.get(at)) else {
            return wrong("a frame with a beginning that is not there");
        };
        let Some(rest) = len.checked_sub(start.len()) else {
            return wrong("a frame shorter than its beginning");
        };
        let mut pixels = Vec::with_capacity(len);
        pixels.extend_from_slice(start);
        // Into memory that is not zeroed first; the capacity is never exceeded.
        input.take(rest as u64).read_to_end(&mut pixels).map_err(|_| Fault::Cut)?;
        if pixels.len() != len {
            return Err(Fault::Cut);
        }
        self.last_pts = pts;
        Ok((self.time_base.nanos(pts), pixels))
    }
}

/// Reads the first byte of something; false where there is none.
fn first(input: &mut impl Read, byte: &mut [u8]) -> Result<bool> {
    loop {
        match input.read(byte) {
            Ok(n) => return Ok(n > 0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(Fault::Cut),
        }
    }
}

fn exact(input: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    input.read_exact(bytes).map_err(|_| Fault::Cut)
}

/// A number in groups of seven bits, the high ones first (`v` of the format).
fn number(input: &mut impl Read) -> Result<u64> {
    let mut value = 0u64;
    loop {
        let mut byte = [0];
        exact(input, &mut byte)?;
        if value >> 57 != 0 {
            return wrong("a number of over 64 bits");
        }
        value = value << 7 | u64::from(byte[0] & 0x7F);
        if byte[0] & 0x80 == 0 {
            return Ok(value);
        }
    }
}

/// 0, 1, -1, 2, -2, … as 0, 1, 2, 3, 4, … (`s` of the format).
fn signed(input: &mut impl Read) -> Result<i64> {
    let coded = number(input)?;
    let half = (coded >> 1) as i64;
    Ok(if coded & 1 == 0 { -half } else { half.saturating_add(1) })
}

fn bytes(body: &mut &[u8]) -> Result<Vec<u8>> {
    let len = number(body)?;
    let found = usize::try_from(len).ok().and_then(|len| body.split_at_checked(len));
    let Some((bytes, rest)) = found else { return Err(Fault::Cut) };
    *body = rest;
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two gray frames of 4×2 at 0.127 s and 0.254 s (after the offset), as ffmpeg 9 wrote them.
    const SAMPLE: &[u8] = include_bytes!("../../tests/data/two_frames.nut");

    fn all(bytes: &[u8]) -> Result<Vec<(i64, Vec<u8>)>> {
        let mut reader = match Reader::open(bytes)? {
            Some(reader) => reader,
            None => return Ok(Vec::new()),
        };
        let mut frames = Vec::new();
        while let Some(frame) = reader.next(8)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn reads_size_rate_times_and_pixels() {
        let reader = Reader::open(SAMPLE).unwrap().unwrap();
        assert_eq!((reader.size(), reader.frame_rate()), (Size::new(4, 2), Some(25.0)));
        let frames = all(SAMPLE).unwrap();
        let times: Vec<i64> = frames.iter().map(|(pts, _)| pts - 1_000_000_000_000).collect();
        assert_eq!(times, [127_000_000, 254_000_000]);
        assert_eq!(frames[0].1, [7; 8]);
        assert_eq!(frames[1].1, [9; 8]);
    }

    #[test]
    fn a_cut_stream_is_no_end() {
        let whole = all(SAMPLE).unwrap().len();
        assert!(all(&[]).unwrap().is_empty());
        let mut ends = 0;
        for len in 1..SAMPLE.len() {
            match all(&SAMPLE[..len]) {
                // Between packets there is nothing to tell it from an end; the exit of the child does.
                Ok(frames) => {
                    ends += 1;
                    assert!(frames.len() <= whole);
                }
                Err(Fault::Cut) => {}
                Err(Fault::Wrong(what)) => panic!("{len} bytes: {what}"),
            }
        }
        assert!(ends <= 4, "{ends}");
    }

    #[test]
    fn hostile_bytes_neither_panic_nor_take_memory() {
        for at in 0..SAMPLE.len() {
            for value in [0, 1, 0x4E, 0x7F, 0x80, 0xFF] {
                let mut bytes = SAMPLE.to_vec();
                bytes[at] = value;
                if let Ok(frames) = all(&bytes) {
                    assert!(frames.iter().all(|(_, pixels)| pixels.len() == 8));
                }
            }
        }
    }

    #[test]
    fn numbers_and_times() {
        assert_eq!(number(&mut &[0x83, 0xDC, 0xEB, 0x94, 0x00][..]).unwrap(), 1_000_000_000);
        assert!(matches!(number(&mut &[0xFF; 11][..]), Err(Fault::Wrong(_))));
        let signs: Vec<i64> = (0..5u8).map(|byte| signed(&mut &[byte][..]).unwrap()).collect();
        assert_eq!(signs, [0, 1, -1, 2, -2]);
        let third = TimeBase { num: 1, den: 3 };
        assert_eq!((third.nanos(1), third.nanos(2), third.nanos(-3)), (333_333_333, 666_666_667, -1_000_000_000));
    }
}

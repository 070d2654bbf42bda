//! What a JPEG is made of (ITU-T T.81, annex B), read once for all decoders.
//!
//! Only structures are decoded whose pixels were compared with libjpeg-turbo's (`make compare-jpeg`); the others are
//! `Unsupported`, since decoders do not agree about them, and the one used here gives another picture without a word.

use super::tables::Tables;
use super::{progression, standard};
use crate::error::{Error, Result};
use crate::frame::DecodeLimits;
use crate::frame::decode::{check_limits, over_limit};
use crate::geometry::Size;
use image::metadata::Orientation;

/// What the components stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::frame) enum Colors {
    Gray,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::frame) struct Component {
    id: u8,
    /// Samples across and down beside those of the other components, 1..=4.
    pub(in crate::frame) sampling: (usize, usize),
    /// The number of its quantisation table.
    pub(in crate::frame) quantisation: usize,
}

/// A component of a scan, and its Huffman tables.
#[derive(Clone, Copy, Debug)]
pub(in crate::frame) struct Selector {
    pub(super) component: usize,
    pub(in crate::frame) dc_table: u8,
    pub(in crate::frame) ac_table: u8,
}

#[derive(Debug)]
pub(in crate::frame) struct Scan<'a> {
    pub(in crate::frame) selectors: Vec<Selector>,
    /// First and last coefficient, in the order of the stream.
    pub(super) spectrum: (u8, u8),
    /// The bit position of the scan before, and of this one.
    pub(super) approximation: (u8, u8),
    /// Coded units between two restart markers; 0 where there are none.
    pub(in crate::frame) restart: usize,
    /// The coded data, with their restart markers.
    pub(in crate::frame) data: &'a [u8],
    restart_markers: RestartMarkers,
}

/// A JPEG whose structure is one that is decoded.
#[derive(Debug)]
pub(in crate::frame) struct Structure<'a> {
    pub(in crate::frame) size: Size,
    pub(in crate::frame) colors: Colors,
    pub(in crate::frame) orientation: Orientation,
    pub(super) progressive: bool,
    pub(in crate::frame) components: Vec<Component>,
    /// As they are at the first scan.
    pub(in crate::frame) tables: Tables<'a>,
    pub(in crate::frame) scans: Vec<Scan<'a>>,
    /// Segments with tables, and the scan that each one stands before.
    pub(super) table_segments: Vec<(usize, u8, &'a [u8])>,
    /// Where the end marker is; the first one counts, since some phones put a second picture behind it.
    pub(in crate::frame) end: usize,
}

/// Segments with tables in a picture; a progressive one has a few before each scan.
const MOST_TABLE_SEGMENTS: usize = 4096;
/// Blocks in a coded unit of a scan with several components (T.81, B.2.3).
const MOST_BLOCKS: usize = 10;

impl<'a> Structure<'a> {
    /// Reads all segments up to the end marker. Sizes are checked before anything behind the frame header is looked at.
    ///
    /// # Errors
    /// `DataCorrupt` for a picture that is truncated or damaged, `Unsupported` for a structure that is not decoded,
    /// `ResourceExhausted` past a limit.
    pub(in crate::frame) fn read(encoded: &'a [u8], limits: &DecodeLimits) -> Result<Self> {
        let mut reader = Reader::default();
        let mut at = START.len();
        let end = loop {
            let (marker, behind) = next_marker(encoded, at)?;
            if marker == END {
                break behind - 2;
            }
            if let Some(why) = not_decoded(marker) {
                return Err(unsupported(why));
            }
            if !matches!(marker, 0xC0..=0xFE) || matches!(marker, 0xD0..=0xD8 | 0xDC) {
                return Err(damaged(&format!("the marker {marker:02X} where none may be")));
            }
            let body = body(encoded, behind)?;
            at = behind + 2 + body.len();
            if marker == START_OF_SCAN {
                at += reader.scan(encoded, body, at, limits)?;
            } else {
                reader.segment(marker, body, limits)?;
            }
        };
        reader.finish(end)
    }

    /// Whether all components are in one scan, which holds every pixel once.
    pub(in crate::frame) fn is_sequential(&self) -> bool {
        !self.progressive
    }

    /// What a decoder needs of it in a uniform shape, so that nothing else in a file sways the decoder: the frame, tables
    /// and scans, components numbered from 1, and Adobe's marker for their colours. Without an end marker.
    pub(super) fn canonical(&self) -> Vec<u8> {
        let len = self.scans.iter().map(|scan| scan.data.len() + 64).sum::<usize>();
        let mut bytes = Vec::with_capacity(len + 4096);
        bytes.extend(START);
        let transform = match self.colors {
            Colors::Gray => None,
            Colors::Rgb | Colors::Cmyk => Some(0),
            Colors::YCbCr => Some(1),
            Colors::Ycck => Some(2),
        };
        if let Some(transform) = transform {
            add(&mut bytes, APP14, &[b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat());
        }
        let [height, width] = [self.size.height, self.size.width].map(|side| (side as u16).to_be_bytes());
        let mut frame = vec![8, height[0], height[1], width[0], width[1], self.components.len() as u8];
        for (id, component) in (1..).zip(&self.components) {
            let (across, down) = component.sampling;
            frame.extend([id, (across << 4 | down) as u8, component.quantisation as u8]);
        }
        add(&mut bytes, if self.progressive { 0xC2 } else { 0xC0 }, &frame);
        let mut tables = self.table_segments.iter().peekable();
        for (number, scan) in self.scans.iter().enumerate() {
            while let Some((_, marker, body)) = tables.next_if(|(before, ..)| *before == number) {
                add(&mut bytes, *marker, body);
            }
            let mut header = vec![scan.selectors.len() as u8];
            for selector in &scan.selectors {
                header.extend([selector.component as u8 + 1, selector.dc_table << 4 | selector.ac_table]);
            }
            let (high, low) = scan.approximation;
            header.extend([scan.spectrum.0, scan.spectrum.1, high << 4 | low]);
            add(&mut bytes, START_OF_SCAN, &header);
            bytes.extend(scan.data);
        }
        bytes
    }
}

const START: [u8; 2] = [0xFF, 0xD8];
const END: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;
const APP14: u8 = 0xEE;

/// Appends a segment. Bodies are at most as long as those that were read.
fn add(bytes: &mut Vec<u8>, marker: u8, body: &[u8]) {
    bytes.extend([0xFF, marker]);
    bytes.extend((body.len() as u16 + 2).to_be_bytes());
    bytes.extend(body);
}

/// What the markers of codings say that are not decoded.
fn not_decoded(marker: u8) -> Option<&'static str> {
    Some(match marker {
        0xC3 => "lossless coding",
        0xC5..=0xC7 | 0xDE | 0xDF => "hierarchical coding",
        0xC9..=0xCF => "arithmetic coding",
        0xC8 | 0xF0..=0xFD => "an extension of JPEG",
        _ => return None,
    })
}

pub(super) fn damaged(what: &str) -> Error {
    Error::data_corrupt(format!("the JPEG is damaged: {what}"))
}

fn truncated() -> Error {
    Error::data_corrupt("the JPEG is truncated: it ends before its end marker")
}

pub(super) fn unsupported(what: &str) -> Error {
    Error::unsupported(format!("this kind of JPEG is not decoded: {what}"))
}

/// The next marker, and where what belongs to it begins.
fn next_marker(encoded: &[u8], at: usize) -> Result<(u8, usize)> {
    // One stray byte between two segments is padding; several are damage.
    let mut at = if encoded.get(at) == Some(&0xFF) { at } else { at + 1 };
    match encoded.get(at) {
        None => return Err(truncated()),
        Some(0xFF) => {}
        Some(_) => return Err(damaged("bytes between its segments")),
    }
    while encoded.get(at) == Some(&0xFF) {
        at += 1;
    }
    encoded.get(at).map(|&marker| (marker, at + 1)).ok_or_else(truncated)
}

/// The body of the segment whose length stands here.
fn body(encoded: &[u8], at: usize) -> Result<&[u8]> {
    let length = encoded.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(truncated)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length < 2 {
        return Err(damaged("a segment shorter than its length"));
    }
    encoded.get(at + 2..at + length).ok_or_else(truncated)
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct RestartMarkers {
    count: usize,
    out_of_order: bool,
}

/// The coded data that begin here, how far it is to what follows, and their restart markers. One behind the last coded unit,
/// which some encoders write, is left out.
fn coded_data(encoded: &[u8], start: usize) -> Result<(&[u8], usize, RestartMarkers)> {
    let rest = encoded.get(start..).unwrap_or_default();
    let mut markers = RestartMarkers::default();
    let mut last_restart = None;
    for at in memchr::memchr_iter(0xFF, rest) {
        match rest.get(at + 1) {
            // Stuffing; fill bytes before a marker.
            Some(0x00 | 0xFF) => {}
            Some(marker @ 0xD0..=0xD7) => {
                markers.out_of_order |= usize::from(marker - 0xD0) != markers.count % 8;
                markers.count += 1;
                last_restart = Some(at);
            }
            Some(_) => {
                let fill = rest[..at].iter().rev().take_while(|&&byte| byte == 0xFF).count();
                let mut length = at - fill;
                if let Some(restart) = last_restart.filter(|&restart| restart + 2 == length) {
                    length = restart;
                    markers.count -= 1;
                }
                return Ok((&rest[..length], at - fill, markers));
            }
            None => return Err(truncated()),
        }
    }
    Err(truncated())
}

struct FrameHeader {
    size: Size,
    progressive: bool,
    components: Vec<Component>,
}

/// What was read up to now.
#[derive(Default)]
struct Reader<'a> {
    frame: Option<FrameHeader>,
    tables: Tables<'a>,
    at_first_scan: Option<Tables<'a>>,
    table_segments: Vec<(usize, u8, &'a [u8])>,
    scans: Vec<Scan<'a>>,
    jfif: bool,
    /// The transform that Adobe's marker names.
    adobe: Option<u8>,
    orientation: Option<Orientation>,
}

impl<'a> Reader<'a> {
    fn segment(&mut self, marker: u8, body: &'a [u8], limits: &DecodeLimits) -> Result<()> {
        match marker {
            0xC0..=0xC2 => {
                if self.frame.is_some() {
                    return Err(damaged("a second frame header"));
                }
                self.frame = Some(frame_header(marker == 0xC2, body, limits)?);
            }
            0xC4 | 0xDB | 0xDD => {
                if marker == 0xDB && !self.scans.is_empty() {
                    return Err(unsupported("quantisation tables that change between scans"));
                }
                if self.table_segments.len() == MOST_TABLE_SEGMENTS {
                    return Err(damaged("too many tables"));
                }
                self.tables.read(marker, body).ok_or_else(|| damaged("a table that is not one"))?;
                self.table_segments.push((self.scans.len(), marker, body));
            }
            // What stands behind the first scan says nothing about colours: libjpeg has settled them there.
            _ if !self.scans.is_empty() => {}
            // The lengths are those that libjpeg asks for.
            0xE0 => self.jfif |= body.len() >= 14 && body.starts_with(b"JFIF\0"),
            APP14 if body.len() >= 12 && body.starts_with(b"Adobe") => self.adobe = Some(body[11]),
            0xE1 if self.orientation.is_none() => {
                self.orientation = body.strip_prefix(b"Exif\0\0").and_then(Orientation::from_exif_chunk);
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads a scan, whose data begin at `start`; gives how far it is to what follows them.
    fn scan(&mut self, encoded: &'a [u8], body: &[u8], start: usize, limits: &DecodeLimits) -> Result<usize> {
        let Some(frame) = &self.frame else { return Err(damaged("a scan before the frame header")) };
        if self.scans.len() == limits.max_scans {
            let most = limits.max_scans;
            let message = format!("the JPEG has over {most} scans (limit max_scans)");
            return Err(over_limit("max_scans", most as u64, message));
        }
        let wrong = || damaged("a scan header that does not fit the frame");
        let (&count, rest) = body.split_first().ok_or_else(wrong)?;
        let (pairs, parameters) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(wrong)?;
        let (pairs, _) = pairs.as_chunks::<2>();
        let &[first, last, approximation] = parameters else { return Err(wrong()) };
        let selectors = pairs.iter().map(|&[id, tables]| {
            let component = frame.components.iter().position(|component| component.id == id).ok_or_else(wrong)?;
            Ok(Selector { component, dc_table: tables >> 4, ac_table: tables & 15 })
        });
        let selectors: Vec<Selector> = selectors.collect::<Result<_>>()?;
        if selectors.is_empty() || last > 63 || first > last {
            return Err(wrong());
        }
        let (data, length, restart_markers) = coded_data(encoded, start)?;
        let scan = Scan {
            selectors,
            spectrum: (first, last),
            approximation: (approximation >> 4, approximation & 15),
            restart: self.tables.restart,
            data,
            restart_markers,
        };
        if !frame.progressive && !self.tables.are_there_for(&scan.selectors) {
            self.tables.or_standard();
            self.table_segments.insert(0, (0, 0xC4, &standard::TABLES));
        }
        self.at_first_scan.get_or_insert(self.tables);
        self.scans.push(scan);
        Ok(length)
    }

    fn finish(self, end: usize) -> Result<Structure<'a>> {
        let Some(frame) = self.frame else { return Err(damaged("it has no frame header")) };
        let Some(tables) = self.at_first_scan else { return Err(damaged("it has no scan")) };
        check_components(&frame.components)?;
        check_scans(&frame, &self.scans)?;
        if frame.components.iter().any(|component| tables.quantisation[component.quantisation].is_none()) {
            return Err(damaged("a quantisation table is missing"));
        }
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        Ok(Structure {
            size: frame.size,
            colors: colors(&ids, self.jfif, self.adobe)?,
            orientation: self.orientation.unwrap_or(Orientation::NoTransforms),
            progressive: frame.progressive,
            components: frame.components,
            tables,
            scans: self.scans,
            table_segments: self.table_segments,
            end,
        })
    }
}

fn frame_header(progressive: bool, body: &[u8], limits: &DecodeLimits) -> Result<FrameHeader> {
    let wrong = || damaged("a frame header that is not one");
    let (&[precision, h1, h0, w1, w0, count], rest) = body.split_first_chunk().ok_or_else(wrong)?;
    let (triples, left) = rest.as_chunks::<3>();
    if count == 0 || triples.len() != usize::from(count) || !left.is_empty() {
        return Err(wrong());
    }
    if precision != 8 {
        return Err(unsupported(&format!("{precision} bits a sample")));
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(unsupported(&format!("{count} components")));
    }
    let size = Size::new(u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into());
    let channels = if count == 1 { 1 } else { 3 };
    // With several scans the decoder keeps a 16-bit coefficient for every sample until the last one.
    let working = if progressive { 2 * u64::from(count) } else { 0 };
    check_limits(size, channels + working, limits)?;
    let components = triples.iter().map(|&[id, sampling, quantisation]| {
        let sampling = (usize::from(sampling >> 4), usize::from(sampling & 15));
        let fits = matches!(sampling, (1..=4, 1..=4)) && quantisation < 4;
        fits.then_some(Component { id, sampling, quantisation: quantisation.into() }).ok_or_else(wrong)
    });
    Ok(FrameHeader { size, progressive, components: components.collect::<Result<_>>()? })
}

/// The first component has the most samples, and the others have all of them, a half or a quarter, in each direction. Where
/// it has four downwards, the others have one.
fn check_components(components: &[Component]) -> Result<()> {
    let Some((first, others)) = components.split_first() else { return Ok(()) };
    let (across, down) = first.sampling;
    let fits = |other: &Component| {
        let (x, y) = other.sampling;
        across.is_multiple_of(x) && down.is_multiple_of(y) && (down < 4 || (x, y) == (1, 1))
    };
    if across == 3 || down == 3 || (across, down) == (4, 4) || !others.iter().all(fits) {
        let all = components.iter().map(|component| format!("{}×{}", component.sampling.0, component.sampling.1));
        return Err(unsupported(&format!("components of {} samples", all.collect::<Vec<_>>().join(", "))));
    }
    let mut ids: Vec<u8> = components.iter().map(|component| component.id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() == components.len() { Ok(()) } else { Err(damaged("two components of one name")) }
}

fn check_scans(frame: &FrameHeader, scans: &[Scan<'_>]) -> Result<()> {
    if frame.progressive {
        progression::check(scans, frame.components.len())?;
    } else {
        match scans {
            [scan] if scan.selectors.len() == frame.components.len() => {}
            [first, ..] if first.selectors.len() == frame.components.len() => {
                return Err(damaged("a scan begins inside the only one"));
            }
            _ => return Err(unsupported("baseline coding with a scan for each component")),
        }
    }
    for scan in scans {
        if !scan.selectors.is_sorted_by(|one, next| one.component < next.component) {
            return Err(unsupported("components in another order than in the frame header"));
        }
        let units = units(frame, scan)?;
        let due = if scan.restart == 0 { 0 } else { units.div_ceil(scan.restart) - 1 };
        let RestartMarkers { count, out_of_order } = scan.restart_markers;
        if count != due || out_of_order {
            return Err(damaged(&format!("{count} restart markers where {due} are due, or in another order")));
        }
    }
    Ok(())
}

/// Coded units of a scan: blocks where it has one component, and else groups of blocks of all of them.
fn units(frame: &FrameHeader, scan: &Scan<'_>) -> Result<usize> {
    let sampling =
        |selector: &Selector| frame.components.get(selector.component).map_or((1, 1), |found| found.sampling);
    let most = frame
        .components
        .iter()
        .fold((1, 1), |most, component| (component.sampling.0.max(most.0), component.sampling.1.max(most.1)));
    let (width, height) = (frame.size.width as usize, frame.size.height as usize);
    if let [only] = &scan.selectors[..] {
        let (across, down) = sampling(only);
        let blocks = |side: usize, samples: usize, most: usize| (side * samples).div_ceil(most).div_ceil(8);
        return Ok(blocks(width, across, most.0) * blocks(height, down, most.1));
    }
    let blocks: usize = scan.selectors.iter().map(sampling).map(|(across, down)| across * down).sum();
    if blocks > MOST_BLOCKS {
        return Err(damaged("a scan with too many blocks in a unit"));
    }
    Ok(width.div_ceil(8 * most.0) * height.div_ceil(8 * most.1))
}

/// What the components stand for, in libjpeg's order: JFIF is always YCbCr; else Adobe's marker says it; else the names of
/// the components do.
fn colors(ids: &[u8], jfif: bool, adobe: Option<u8>) -> Result<Colors> {
    Ok(match (ids, adobe) {
        ([_], _) => Colors::Gray,
        ([_, _, _], _) if jfif => Colors::YCbCr,
        ([_, _, _], Some(0)) => Colors::Rgb,
        ([_, _, _], Some(_)) => Colors::YCbCr,
        (b"RGB", None) => Colors::Rgb,
        ([_, _, _], None) => Colors::YCbCr,
        (_, Some(0)) => Colors::Cmyk,
        (_, Some(_)) => Colors::Ycck,
        // Adobe writes them inverted, others do not, and nothing else tells.
        (_, None) => return Err(unsupported("four inks without Adobe's marker, which says how they are written")),
    })
}

//! Writes small JPEGs of many structures, those that no encoder at hand writes included: samplings, orders of scans, restart
//! intervals, marks of the colours. For tests/jpeg_structures.rs and for `make compare-jpeg`.

use std::array::from_fn;
use std::f64::consts::PI;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Baseline,
    Extended,
    Progressive,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Component {
    pub(crate) id: u8,
    /// Samples across and down beside those of the other components.
    pub(crate) sampling: (usize, usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) components: Vec<usize>,
    pub(crate) spectrum: (usize, usize),
    /// The bit position of the scan before, and of this one.
    pub(crate) approximation: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    Never,
    /// After so many coded units.
    Units(usize),
    /// After each row of units, so that the interval is another one in each scan.
    Rows,
}

/// What a JPEG is made of.
#[derive(Clone, Debug)]
pub(crate) struct Structure {
    pub(crate) size: (usize, usize),
    pub(crate) coding: Coding,
    pub(crate) components: Vec<Component>,
    pub(crate) scans: Vec<Scan>,
    pub(crate) restart: Restart,
    pub(crate) jfif: bool,
    /// The transform in Adobe's marker.
    pub(crate) adobe: Option<u8>,
}

/// Structures of which the same is to be said: all sizes and restart intervals of one order of scans, for example.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) structures: Vec<Structure>,
}

const SIZES: [(usize, usize); 7] = [(1, 1), (8, 8), (17, 15), (33, 31), (45, 37), (100, 5), (5, 100)];
const RESTARTS: [Restart; 4] = [Restart::Never, Restart::Units(1), Restart::Units(3), Restart::Rows];

/// All rows of the sweep.
pub(crate) fn sweep() -> Vec<Row> {
    let mut rows = Vec::new();
    for samplings in samplings() {
        for (coding, order) in orders(samplings.len()) {
            let components: Vec<Component> =
                (1..).zip(&samplings).map(|(id, &sampling)| Component { id, sampling }).collect();
            let scans = scans(order, components.len());
            // What the standard allows in one coded unit.
            let blocks = |scan: &Scan| -> usize {
                scan.components.iter().map(|&c| samplings[c].0 * samplings[c].1).sum::<usize>()
            };
            if scans.iter().any(|scan| scan.components.len() > 1 && blocks(scan) > 10) {
                continue;
            }
            let structures = SIZES.into_iter().flat_map(|size| {
                RESTARTS.map(|restart| Structure {
                    size,
                    coding,
                    components: components.clone(),
                    scans: scans.clone(),
                    restart,
                    jfif: components.len() < 4,
                    adobe: (components.len() == 4).then_some(2),
                })
            });
            let names: Vec<String> = samplings.iter().map(|(across, down)| format!("{across}x{down}")).collect();
            rows.push(Row {
                name: format!("{} {coding:?} {order}", names.join(",")),
                structures: structures.collect(),
            });
        }
    }
    rows.extend(colors());
    rows
}

fn samplings() -> Vec<Vec<(usize, usize)>> {
    let mut all = Vec::new();
    let sides = [1, 2, 4];
    let every = || sides.into_iter().flat_map(|across| sides.map(|down| (across, down)));
    for luma in every() {
        all.push(vec![luma]);
        // Both chroma components alike, and such as differ.
        all.extend(every().map(|chroma| vec![luma, chroma, chroma]));
        all.extend(every().filter(|&chroma| chroma != (1, 1)).map(|chroma| vec![luma, (1, 1), chroma]));
    }
    all.push(vec![(2, 2), (2, 1), (1, 2)]);
    for odd in [(3, 1), (1, 3), (3, 2), (3, 3)] {
        all.extend([vec![odd], vec![odd, (1, 1), (1, 1)]]);
    }
    all.extend([vec![(1, 1); 4], vec![(2, 2), (1, 1), (1, 1), (2, 2)], vec![(2, 1), (1, 1), (1, 1), (2, 1)]]);
    all
}

/// The orders of scans for so many components, by name.
fn orders(components: usize) -> Vec<(Coding, &'static str)> {
    use Coding::{Baseline, Extended, Progressive};
    let mut orders =
        vec![(Baseline, "together"), (Extended, "together"), (Progressive, "plain"), (Progressive, "refined")];
    orders.push((Progressive, "first-only"));
    if components > 1 {
        orders.extend([(Progressive, "dc-apart"), (Baseline, "apart"), (Baseline, "apart-backwards")]);
    }
    if components == 3 {
        orders.extend([(Baseline, "luma+chroma"), (Baseline, "chroma+luma"), (Baseline, "two+one")]);
    }
    orders
}

fn scans(order: &str, count: usize) -> Vec<Scan> {
    let all: Vec<usize> = (0..count).collect();
    let sequential = |components: Vec<usize>| Scan { components, spectrum: (0, 63), approximation: (0, 0) };
    let part = |components: &[usize], first, last, high, low| Scan {
        components: components.to_vec(),
        spectrum: (first, last),
        approximation: (high, low),
    };
    let each = |first, last, high, low| all.iter().map(move |&c| part(&[c], first, last, high, low));
    match order {
        "together" => vec![sequential(all)],
        "plain" => std::iter::once(part(&all, 0, 0, 0, 0)).chain(each(1, 63, 0, 0)).collect(),
        "first-only" => vec![part(&all, 0, 0, 0, 0)],
        "refined" => {
            let first = std::iter::once(part(&all, 0, 0, 0, 1)).chain(each(1, 5, 0, 2)).chain(each(6, 63, 0, 2));
            let more = each(1, 63, 2, 1).chain(std::iter::once(part(&all, 0, 0, 1, 0))).chain(each(1, 63, 1, 0));
            first.chain(more).collect()
        }
        "apart" => each(0, 63, 0, 0).collect(),
        "dc-apart" => each(0, 0, 0, 0).chain(each(1, 5, 0, 0)).chain(each(6, 63, 0, 0)).collect(),
        "apart-backwards" => all.into_iter().rev().map(|c| sequential(vec![c])).collect(),
        "luma+chroma" => vec![sequential(vec![0]), sequential(vec![1, 2])],
        "chroma+luma" => vec![sequential(vec![1, 2]), sequential(vec![0])],
        _ => vec![sequential(vec![0, 1]), sequential(vec![2])],
    }
}

/// All marks that say what three and four components stand for, also where they contradict each other.
fn colors() -> Vec<Row> {
    let names: [&[u8]; 7] = [b"\x01\x02\x03", b"RGB", b"rgb", b"\0\x01\x02", b"BGR", b"\x01\x22\x11", b"CMYK"];
    let mut rows = Vec::new();
    for ids in names {
        for jfif in [true, false] {
            for adobe in [None, Some(0), Some(1), Some(2), Some(9)] {
                let structures = [[(1, 1); 4], [(2, 2), (1, 1), (1, 1), (2, 2)]].into_iter().flat_map(|samplings| {
                    let components: Vec<Component> =
                        ids.iter().zip(samplings).map(|(&id, sampling)| Component { id, sampling }).collect();
                    [(Coding::Baseline, "together"), (Coding::Progressive, "plain")].map(|(coding, order)| Structure {
                        size: (45, 37),
                        coding,
                        components: components.clone(),
                        scans: scans(order, ids.len()),
                        restart: Restart::Never,
                        jfif,
                        adobe,
                    })
                });
                let marks = format!(
                    "{}{}",
                    if jfif { " JFIF" } else { "" },
                    adobe.map_or(String::new(), |n| format!(" Adobe{n}"))
                );
                rows.push(Row {
                    name: format!("colors {}{marks}", ids.escape_ascii()),
                    structures: structures.collect(),
                });
            }
        }
    }
    rows
}

const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// Steps that differ from place to place and from luma to chroma, so that a mix-up is seen.
fn step(component: usize, place: usize) -> usize {
    2 + component.min(1) + place / 8
}

/// The level of a component at a place, both 0..1: smooth, since decoders make missing samples up in different ways, and
/// unlike in every direction and component.
fn level(component: usize, x: f64, y: f64) -> f64 {
    match component {
        0 if (x - 0.3).powi(2) + (y - 0.35).powi(2) < 0.04 => 24.0 + 52.0 * x + 12.0 * y,
        0 => 60.0 + 130.0 * x + 30.0 * y,
        1 => 90.0 + 70.0 * y,
        2 => 170.0 - 60.0 * x + 10.0 * y,
        _ => 200.0 - 100.0 * x * y,
    }
}

struct Plane {
    /// In the order of the stream, quantised.
    blocks: Vec<[i32; 64]>,
    /// Blocks across, those included that fill up the last unit.
    across: usize,
    /// Blocks across and down where the component is alone in a scan.
    alone: (usize, usize),
}

impl Structure {
    /// One of all that can be written; `draw` gives a number under the one that it is given. Nothing keeps sampling, scans and
    /// colours from contradicting each other.
    pub(crate) fn drawn(draw: &mut impl FnMut(usize) -> usize) -> Self {
        let count = [1, 3, 3, 3, 4][draw(5)];
        let ids: [&[u8]; 5] = [b"\x01\x02\x03\x04", b"RGBA", b"\0\x01\x02\x03", b"CMYK", b"\x09\x01\x63\x02"];
        let ids = ids[draw(5)];
        let mut components: Vec<Component> =
            ids[..count].iter().map(|&id| Component { id, sampling: (1 + draw(4), 1 + draw(4)) }).collect();
        // As nearly everybody samples.
        if draw(3) > 0 {
            components.iter_mut().skip(1).for_each(|component| component.sampling = (1, 1));
        }
        let orders = orders(count);
        let (mut coding, mut order) = orders[draw(orders.len())];
        // What the standard allows in one coded unit.
        let blocks: usize = components.iter().map(|component| component.sampling.0 * component.sampling.1).sum();
        if count > 1 && blocks > 10 {
            (coding, order) = (Coding::Baseline, ["apart", "apart-backwards"][draw(2)]);
        }
        Self {
            size: (1 + draw(80), 1 + draw(80)),
            coding,
            scans: scans(order, count),
            components,
            restart: [Restart::Never, Restart::Rows, Restart::Units(1 + draw(20))][draw(3)],
            jfif: draw(2) > 0,
            adobe: [None, Some(0), Some(1), Some(2)][draw(4)],
        }
    }

    fn most(&self) -> (usize, usize) {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max().unwrap_or(1);
        (most(|component| component.sampling.0), most(|component| component.sampling.1))
    }

    /// Coded units of several components, across and down.
    fn units(&self) -> (usize, usize) {
        let most = self.most();
        (self.size.0.div_ceil(8 * most.0), self.size.1.div_ceil(8 * most.1))
    }

    fn plane(&self, number: usize) -> Plane {
        let (most, units) = (self.most(), self.units());
        let sampling = self.components[number].sampling;
        let width = (self.size.0 * sampling.0).div_ceil(most.0);
        let height = (self.size.1 * sampling.1).div_ceil(most.1);
        let (across, down) = (units.0 * sampling.0, units.1 * sampling.1);
        // Rounded, so that every machine writes the same bytes.
        let wave: [[f64; 8]; 8] = from_fn(|x| {
            from_fn(|u| {
                let norm = if u == 0 { 0.5f64.sqrt() } else { 1.0 };
                (norm * ((2 * x + 1) as f64 * u as f64 * PI / 16.0).cos() * 1e6).round() / 1e6
            })
        });
        let block = |k: usize| {
            let (left, top) = (k % across * 8, k / across * 8);
            // What lies behind the edge is as the edge.
            let at = |from: usize, side: usize| (from.min(side - 1) as f64 + 0.5) / side as f64;
            let levels: [[f64; 8]; 8] =
                from_fn(|y| from_fn(|x| level(number, at(left + x, width), at(top + y, height)) - 128.0));
            let rows: [[f64; 8]; 8] = from_fn(|y| from_fn(|u| (0..8).map(|x| levels[y][x] * wave[x][u]).sum::<f64>()));
            from_fn(|place| {
                let (v, u) = (ZIGZAG[place] / 8, ZIGZAG[place] % 8);
                let sum: f64 = (0..8).map(|y| rows[y][u] * wave[y][v]).sum();
                (sum / 4.0 / step(number, place) as f64).round() as i32
            })
        };
        Plane {
            blocks: (0..across * down).map(block).collect(),
            across,
            alone: (width.div_ceil(8), height.div_ceil(8)),
        }
    }

    /// The bytes of the file.
    pub(crate) fn write(&self) -> Vec<u8> {
        let planes: Vec<Plane> = (0..self.components.len()).map(|number| self.plane(number)).collect();
        let mut out = vec![0xFF, 0xD8];
        if self.jfif {
            segment(&mut out, 0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        }
        if let Some(transform) = self.adobe {
            segment(&mut out, 0xEE, &[b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat());
        }
        for table in 0..2 {
            let steps = (0..64).map(|place| step(table, place) as u8);
            segment(&mut out, 0xDB, &std::iter::once(table as u8).chain(steps).collect::<Vec<_>>());
        }
        let [h, w] = [self.size.1, self.size.0].map(|side| (side as u16).to_be_bytes());
        let mut frame = vec![8, h[0], h[1], w[0], w[1], self.components.len() as u8];
        for (number, component) in self.components.iter().enumerate() {
            let (across, down) = component.sampling;
            frame.extend([component.id, (across << 4 | down) as u8, u8::from(number > 0)]);
        }
        segment(&mut out, [0xC0, 0xC1, 0xC2][self.coding as usize], &frame);
        // Codes of one length: the number of the symbol. No code is all ones.
        for (class, bits, symbols) in [(0u8, DC_BITS, 12u8), (0x10, AC_BITS, 255)] {
            let mut table = vec![class];
            table.extend((1..=16).map(|length| if length == bits { symbols } else { 0 }));
            table.extend(0..symbols);
            segment(&mut out, 0xC4, &table);
        }
        for scan in &self.scans {
            self.write_scan(scan, &planes, &mut out);
        }
        out.extend([0xFF, 0xD9]);
        out
    }

    fn write_scan(&self, scan: &Scan, planes: &[Plane], out: &mut Vec<u8>) {
        let units = match scan.components[..] {
            [only] => planes[only].alone,
            _ => self.units(),
        };
        let every = match self.restart {
            Restart::Never => usize::MAX,
            Restart::Units(units) => units,
            Restart::Rows => units.0,
        };
        if every < usize::MAX {
            segment(out, 0xDD, &(every as u16).to_be_bytes());
        }
        let mut header = vec![scan.components.len() as u8];
        header.extend(scan.components.iter().flat_map(|&number| [self.components[number].id, 0]));
        let (high, low) = scan.approximation;
        header.extend([scan.spectrum.0 as u8, scan.spectrum.1 as u8, (high << 4 | low) as u8]);
        segment(out, 0xDA, &header);
        let mut bits = Bits::default();
        let mut last = vec![0; planes.len()];
        for unit in 0..units.0 * units.1 {
            if unit > 0 && unit % every == 0 {
                bits.fill_up();
                bits.bytes.extend([0xFF, 0xD0 + ((unit / every - 1) % 8) as u8]);
                last.fill(0);
            }
            let (x, y) = (unit % units.0, unit / units.0);
            for &number in &scan.components {
                let plane = &planes[number];
                let (across, down) = if scan.components.len() == 1 { (1, 1) } else { self.components[number].sampling };
                for k in 0..across * down {
                    let at = (y * down + k / across) * plane.across + x * across + k % across;
                    self.write_block(scan, &plane.blocks[at], &mut last[number], &mut bits);
                }
            }
        }
        bits.fill_up();
        out.extend(bits.bytes);
    }

    fn write_block(&self, scan: &Scan, block: &[i32; 64], last: &mut i32, bits: &mut Bits) {
        let ((first, end), (high, low)) = (scan.spectrum, scan.approximation);
        if first == 0 && high == 0 {
            let level = block[0] >> low;
            let size = size_of(level - *last);
            bits.put(size, DC_BITS);
            bits.put_signed(level - *last, size);
            *last = level;
        } else if first == 0 {
            bits.put((block[0] >> low) as u32 & 1, 1);
        }
        if first == 0 && self.coding == Coding::Progressive {
            return;
        }
        // Towards zero, unlike the first coefficient.
        let coefficient = |place: usize| block[place].signum() * (block[place].abs() >> low);
        let mut run = 0;
        if high == 0 {
            for place in first.max(1)..=end {
                let value = coefficient(place);
                if value == 0 {
                    run += 1;
                    continue;
                }
                while run > 15 {
                    bits.put(0xF0, AC_BITS);
                    run -= 16;
                }
                bits.put(run << 4 | size_of(value), AC_BITS);
                bits.put_signed(value, size_of(value));
                run = 0;
            }
            if run > 0 {
                bits.put(0, AC_BITS);
            }
            return;
        }
        // One bit more of what is known, and those that this bit makes known (T.81, G.1.2.3).
        let newest = (first..=end).rev().find(|&place| coefficient(place).abs() == 1).unwrap_or(0);
        let mut corrections: Vec<u32> = Vec::new();
        for (place, value) in block.iter().enumerate().take(end + 1).skip(first) {
            let size = coefficient(place).unsigned_abs();
            if size == 0 {
                run += 1;
                continue;
            }
            while run > 15 && place <= newest {
                bits.put(0xF0, AC_BITS);
                corrections.drain(..).for_each(|bit| bits.put(bit, 1));
                run -= 16;
            }
            if size > 1 {
                corrections.push(size & 1);
                continue;
            }
            bits.put(run << 4 | 1, AC_BITS);
            bits.put(u32::from(*value > 0), 1);
            corrections.drain(..).for_each(|bit| bits.put(bit, 1));
            run = 0;
        }
        if run > 0 || !corrections.is_empty() {
            bits.put(0, AC_BITS);
            corrections.drain(..).for_each(|bit| bits.put(bit, 1));
        }
    }
}

const DC_BITS: u32 = 5;
const AC_BITS: u32 = 9;

/// Appends a segment.
pub(crate) fn segment(out: &mut Vec<u8>, marker: u8, body: &[u8]) {
    out.extend([0xFF, marker]);
    out.extend((body.len() as u16 + 2).to_be_bytes());
    out.extend(body);
}

fn size_of(value: i32) -> u32 {
    32 - value.unsigned_abs().leading_zeros()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    byte: u8,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        for bit in (0..bits).rev() {
            self.byte = self.byte << 1 | (value >> bit & 1) as u8;
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.byte);
                if self.byte == 0xFF {
                    self.bytes.push(0);
                }
                (self.byte, self.count) = (0, 0);
            }
        }
    }

    /// A number of so many bits; negative ones begin with a zero (T.81, F.1.2.1).
    fn put_signed(&mut self, value: i32, size: u32) {
        let raw = if value < 0 { value - 1 } else { value };
        self.put(raw as u32 & ((1 << size) - 1), size);
    }

    fn fill_up(&mut self) {
        while self.count > 0 {
            self.put(1, 1);
        }
    }
}

/// FNV-1a, 64 bits: the same everywhere.
#[derive(Clone, Copy)]
pub(crate) struct Hash(pub(crate) u64);

impl Hash {
    pub(crate) const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

/// What guarita makes of a picture: whole, and at 1/1, 1/2, 1/4 and 1/8 in gray.
pub(crate) struct Decoded {
    pub(crate) whole: guarita::Frame,
    pub(crate) reduced: [guarita::Frame; 4],
}

impl Decoded {
    /// # Errors
    /// What guarita says; in words where the ways to decode do not agree.
    pub(crate) fn of(encoded: &[u8]) -> Result<guarita::Result<Self>, String> {
        let options = guarita::DecodeOptions::default();
        let whole = guarita::Frame::decode(encoded, &options);
        let width = whole.as_ref().map_or(100, |frame| frame.size().width);
        let reduced = [1, 2, 4, 8].map(|by| guarita::Frame::decode_reduced(encoded, &options, width.div_ceil(by)));
        let code = |result: &guarita::Result<guarita::Frame>| result.as_ref().err().map(guarita::Error::code);
        if let Some(other) = reduced.iter().find(|small| code(small) != code(&whole)) {
            return Err(format!("whole: {:?}, reduced: {:?}", code(&whole), code(other)));
        }
        Ok(whole.and_then(|whole| {
            let [full, half, quarter, eighth] = reduced;
            Ok(Self { whole, reduced: [full?, half?, quarter?, eighth?] })
        }))
    }
}

impl Decoded {
    /// Where the small pictures do not show what the whole one shows, in words: their mean brightness is another one.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let gray = |pixel: &[u8]| match *pixel {
            [red, green, blue] => 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue),
            _ => f64::from(pixel[0]),
        };
        let channels = if self.whole.format() == guarita::PixelFormat::Gray8 { 1 } else { 3 };
        let size = self.whole.size();
        let (width, height) = (size.width as usize, size.height as usize);
        let row = |y: usize| &self.whole.plane(0)[y * width * channels..(y + 1) * width * channels];
        for small in &self.reduced {
            // A narrow picture is smaller than it was asked to be.
            let scaled =
                |by: usize| guarita::Size::new(size.width.div_ceil(by as u32), size.height.div_ceil(by as u32));
            let Some(by) = [8, 4, 2, 1].into_iter().find(|&by| scaled(by) == small.size()) else {
                return Some(format!("{} of {size}", small.size()));
            };
            let across = small.size().width as usize;
            // Whole cells only: behind the edge of the picture there is more than it shows.
            for (y, line) in small.plane(0).chunks(across).enumerate().take(height / by) {
                for (x, &pixel) in line.iter().enumerate().take(width / by) {
                    let cells =
                        (y * by..(y + 1) * by).flat_map(|y| row(y)[x * by * channels..].chunks(channels).take(by));
                    let expected = cells.map(gray).sum::<f64>() / (by * by) as f64;
                    if (expected - f64::from(pixel)).abs() > ALIKE {
                        return Some(format!("1/{by} at {x}, {y}: {pixel}, not {expected:.0}"));
                    }
                }
            }
        }
        None
    }
}

/// Levels that a small picture may be off the whole one: red, green and blue that left their range were cut there.
const ALIKE: f64 = 24.0;

impl Row {
    /// What becomes of all its pictures, in a word: the code of the error, or a hash of all pixels.
    ///
    /// # Errors
    /// In words where they do not all come to the same end.
    pub(crate) fn verdict(&self) -> Result<String, String> {
        let mut hash = Hash::new();
        let mut codes = std::collections::BTreeSet::new();
        for structure in &self.structures {
            match Decoded::of(&structure.write())? {
                Ok(Decoded { whole, reduced }) => {
                    codes.insert(None);
                    hash.add(whole.plane(0));
                    reduced.iter().for_each(|small| hash.add(small.plane(0)));
                }
                Err(error) => {
                    codes.insert(Some(error.code()));
                }
            }
        }
        match codes.iter().collect::<Vec<_>>()[..] {
            [None] => Ok(format!("{:016x}", hash.0)),
            [Some(code)] => Ok(code.to_string()),
            _ => Err(format!("some decode, some do not: {codes:?}")),
        }
    }
}

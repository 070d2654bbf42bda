/// The coded data of a scan without their stuffing, cut at the restart markers.
#[derive(Debug)]
pub(super) struct Segments {
    bytes: Vec<u8>,
    /// Where each one begins and ends; behind the end lie [`PADDING`] zeros.
    ranges: Vec<(usize, usize)>,
}

/// A reader takes eight bytes at a time.
const PADDING: usize = 8;

impl Segments {
    /// `None` where there is a marker that does not belong there, or the restart markers are not `expected` pieces in
    /// their order.
    pub(super) fn cut(scan: &[u8], expected: usize) -> Option<Self> {
        let mut bytes = Vec::with_capacity(scan.len() + PADDING * expected.min(scan.len() / 2 + 1));
        let mut ranges = Vec::with_capacity(expected.min(scan.len() / 2 + 1));
        let (mut start, mut from) = (0, 0);
        for at in memchr::memchr_iter(0xFF, scan) {
            match *scan.get(at + 1)? {
                0x00 => {
                    bytes.extend_from_slice(scan.get(from..=at)?);
                    from = at + 2;
                }
                marker @ 0xD0..=0xD7 if usize::from(marker - 0xD0) == ranges.len() % 8 => {
                    bytes.extend_from_slice(scan.get(from..at)?);
                    ranges.push((start, bytes.len()));
                    bytes.extend_from_slice(&[0; PADDING]);
                    (start, from) = (bytes.len(), at + 2);
                }
                _ => return None,
            }
        }
        bytes.extend_from_slice(scan.get(from..)?);
        ranges.push((start, bytes.len()));
        bytes.extend_from_slice(&[0; PADDING]);
        (ranges.len() == expected).then_some(Self { bytes, ranges })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Bits<'_>> {
        self.ranges.iter().filter_map(|&(start, end)| {
            let data = self.bytes.get(start..end + PADDING)?;
            Some(Bits { data, at: 0, buffer: 0, count: 0 })
        })
    }
}

/// Reads bits from the highest of each byte; zeros behind the end.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the top; below `count` of them may stand some more, which are read again.
    buffer: u64,
    count: u32,
}

impl Bits<'_> {
    /// Makes at least 56 bits ready.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let next = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>());
        let next = next.map_or(0, |bytes| u64::from_be_bytes(*bytes));
        self.buffer |= next >> self.count;
        self.at += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
    }

    /// The next `count` bits, 1..=32.
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> usize {
        (self.buffer >> (64 - count)) as usize
    }

    /// Goes on; at most as many bits as are ready.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.count -= count;
    }

    /// Goes on by `count` bits, of which the last `size`, 0..=15, are a number as a JPEG writes them: the lower half of
    /// all is negative (ITU-T T.81, figure F.12).
    #[inline(always)]
    pub(super) fn skip_signed(&mut self, count: u32, size: u32) -> i32 {
        // In two steps, since nothing may be shifted by 64.
        let raw = ((self.buffer << (count - size) >> 1) >> (63 - size)) as i32;
        self.skip(count);
        let half = (1 << size) >> 1;
        if raw < half { raw - 2 * half + 1 } else { raw }
    }

    /// Bits that were read.
    pub(super) fn position(&self) -> usize {
        self.at * 8 - self.count as usize
    }

    /// Whether no more was read than there is.
    pub(super) fn complete(&self) -> bool {
        self.position() <= (self.data.len() - PADDING) * 8
    }
}

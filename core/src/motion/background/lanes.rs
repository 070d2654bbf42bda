//! What the kernel needs of a processor: a few operations on sixteen pixels at once.
//!
//! The kernel is written once, against [`Lanes`]; every implementation rounds as IEEE 754 says, operation by operation,
//! so that all of them compute the same masks to the bit.

/// Pixels that lie together in the state of a model, and that one operation works on.
pub(super) const BLOCK: usize = 16;

/// [`BLOCK`] pixels side by side. A value of the type is the proof that the processor can do it.
pub(super) trait Lanes: Copy + Send + Sync {
    /// Over how many turns the pixels of a block are spread; `part` gives the lanes of one of them.
    const PARTS: usize = 1;
    #[inline(always)]
    fn part(self, _part: usize) -> Self {
        self
    }

    /// One number a pixel.
    type F: Copy;
    /// Yes or no a pixel.
    type M: Copy;

    fn splat(self, value: f32) -> Self::F;
    fn load(self, from: &[f32; BLOCK]) -> Self::F;
    fn store(self, value: Self::F, to: &mut [f32; BLOCK]);
    fn load_u8(self, from: &[u8; BLOCK]) -> Self::F;
    /// Whole numbers 0..255.
    fn store_u8(self, value: Self::F, to: &mut [u8; BLOCK]);

    /// Three interleaved channels as three rows.
    #[inline(always)]
    fn split(self, pixels: &[u8; 3 * BLOCK]) -> [[u8; BLOCK]; 3] {
        std::array::from_fn(|c| std::array::from_fn(|k| pixels[3 * k + c]))
    }

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;

    fn less(self, a: Self::F, b: Self::F) -> Self::M;
    fn equal(self, a: Self::F, b: Self::F) -> Self::M;
    fn none(self) -> Self::M;
    fn and(self, a: Self::M, b: Self::M) -> Self::M;
    /// `a` and not `b`.
    fn without(self, a: Self::M, b: Self::M) -> Self::M;
    fn or(self, a: Self::M, b: Self::M) -> Self::M;
    fn any(self, a: Self::M) -> bool;
    /// `yes` where the mask is set, `no` elsewhere.
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F;
}

/// Plain arrays, which the compiler turns into whatever vectors the target has: half a block at a time, since sixteen
/// numbers of everything are more than small processors have registers for.
#[derive(Clone, Copy)]
pub(super) struct Portable {
    pub(super) part: usize,
}

const HALF: usize = BLOCK / 2;

/// Plain loops over the numbers of half a block.
macro_rules! each {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty = |$k:ident| $body:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $ty),*) -> [$ret; HALF] {
                std::array::from_fn(|$k| $body)
            }
        )*
    };
}

fn mask(yes: bool) -> u32 {
    if yes { u32::MAX } else { 0 }
}

impl Lanes for Portable {
    type F = [f32; HALF];
    type M = [u32; HALF];

    const PARTS: usize = 2;

    #[inline(always)]
    fn part(self, part: usize) -> Self {
        Self { part }
    }

    each! {
        splat(value: f32) -> f32 = |_k| value;
        add(a: Self::F, b: Self::F) -> f32 = |k| a[k] + b[k];
        sub(a: Self::F, b: Self::F) -> f32 = |k| a[k] - b[k];
        mul(a: Self::F, b: Self::F) -> f32 = |k| a[k] * b[k];
        div(a: Self::F, b: Self::F) -> f32 = |k| a[k] / b[k];
        // As the instructions of x86 have it: the second one where either is not a number.
        min(a: Self::F, b: Self::F) -> f32 = |k| if a[k] < b[k] { a[k] } else { b[k] };
        max(a: Self::F, b: Self::F) -> f32 = |k| if a[k] > b[k] { a[k] } else { b[k] };
        abs(a: Self::F) -> f32 = |k| a[k].abs();
        less(a: Self::F, b: Self::F) -> u32 = |k| mask(a[k] < b[k]);
        equal(a: Self::F, b: Self::F) -> u32 = |k| mask(a[k] == b[k]);
        none() -> u32 = |_k| 0;
        and(a: Self::M, b: Self::M) -> u32 = |k| a[k] & b[k];
        without(a: Self::M, b: Self::M) -> u32 = |k| a[k] & !b[k];
        or(a: Self::M, b: Self::M) -> u32 = |k| a[k] | b[k];
        select(mask: Self::M, yes: Self::F, no: Self::F) -> f32 =
            |k| f32::from_bits(yes[k].to_bits() & mask[k] | no[k].to_bits() & !mask[k]);
    }

    #[inline(always)]
    fn load(self, from: &[f32; BLOCK]) -> Self::F {
        from.as_chunks().0[self.part]
    }

    #[inline(always)]
    fn load_u8(self, from: &[u8; BLOCK]) -> Self::F {
        from.as_chunks::<HALF>().0[self.part].map(f32::from)
    }

    #[inline(always)]
    fn store(self, value: Self::F, to: &mut [f32; BLOCK]) {
        to.as_chunks_mut().0[self.part] = value;
    }

    #[inline(always)]
    fn store_u8(self, value: Self::F, to: &mut [u8; BLOCK]) {
        to.as_chunks_mut().0[self.part] = value.map(|value| value as i32 as u8);
    }

    #[inline(always)]
    fn any(self, a: Self::M) -> bool {
        a.iter().fold(0, |all, &bits| all | bits) != 0
    }
}

//! Everything that reads bytes of others, as functions of bytes: [`TARGETS`]. cargo-fuzz runs them under libFuzzer
//! (`fuzz_targets`), and `tests/mutations.rs` with seeded mutations where that cannot be built.
//!
//! A target panics where a promise is broken. A panic that the library catches is a fault too: a host that is built with
//! `panic = "abort"` does not survive it.
//!
//! Parsers that core keeps to itself are compiled here from core's own files.

mod seeds;
mod targets;

#[path = "../../tests/common/jpeg.rs"]
#[allow(dead_code, reason = "the tests of core use other parts")]
mod jpeg;
#[path = "../../src/model/literal.rs"]
mod literal;
#[path = "../../src/source/nut.rs"]
#[allow(dead_code, reason = "core uses other parts")]
mod nut;

/// Where core has it.
mod geometry {
    pub(crate) use guarita::Size;
}

/// A function of bytes, and what to begin with.
pub struct Target {
    /// As the binaries of cargo-fuzz are called.
    pub name: &'static str,
    /// What became of the bytes, in words that are alike where it was alike.
    pub run: fn(&[u8]) -> String,
    /// Bytes that come far.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of the format.
    pub words: &'static [&'static [u8]],
}

const JPEG: &[&[u8]] = &[
    b"\xFF\xD8",
    b"\xFF\xD9",
    b"\xFF\xC0",
    b"\xFF\xC1",
    b"\xFF\xC2",
    b"\xFF\xC4",
    b"\xFF\xC9",
    b"\xFF\xDA",
    b"\xFF\xDB",
    b"\xFF\xDD\0\x04\0\x01",
    b"\xFF\xD0",
    b"\xFF\xD1",
    b"\xFF\xE0",
    b"\xFF\xEE\0\x0EAdobe",
    b"Exif\0\0",
    b"\x11",
    b"\x22",
    b"\x21",
    b"\x41",
];
const JSON: &[&[u8]] =
    &[b"null", b"true", b"-1", b"1e400", b"\"\"", b"[]", b"{}", b",", b":", b"0.5", b"18446744073709551616", b"NaN"];

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "jpeg_whole", run: targets::jpeg_whole, seeds: seeds::jpeg, words: JPEG },
    Target { name: "jpeg_small", run: targets::jpeg_small, seeds: seeds::jpeg_small, words: JPEG },
    Target { name: "jpeg_structures", run: targets::jpeg_structures, seeds: seeds::draws, words: &[] },
    Target {
        name: "png",
        run: targets::png,
        seeds: seeds::png,
        words: &[b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"IEND", b"iCCP", b"eXIf", b"acTL", b"fcTL"],
    },
    Target {
        name: "model",
        run: targets::model,
        seeds: seeds::models,
        words: &[
            b"names",
            b"task",
            b"detect",
            b"imgsz",
            b"stride",
            b"{0: 'person'}",
            b"boxes",
            b"scores",
            b"NonMaxSuppression",
        ],
    },
    Target {
        name: "spec_file",
        run: targets::spec_file,
        seeds: seeds::spec_files,
        words: &[
            b"family", b"labels", b"[rows]", b"[ssd]", b"order", b"units", b"[input]", b"mean", b"std", b"= ", b"'''",
        ],
    },
    Target {
        name: "literal",
        run: targets::literal,
        seeds: seeds::literals,
        words: &[
            b"{", b"}", b"[", b"]", b"(", b")", b": ", b", ", b"'", b"\"", b"\\x41", b"\\N{", b"None", b"True", b"1_0",
            b"1e9", b"r'", b"'''",
        ],
    },
    Target {
        name: "nut",
        run: targets::nut,
        seeds: seeds::nut,
        words: &[b"NM", b"NS", b"NK", b"NX", b"\xFF\xFF\xFF\x7F"],
    },
    Target {
        name: "journal",
        run: targets::journal,
        seeds: seeds::journals,
        words: &[b"guaritaB", b"\xFF\xFF\xFF\xFF\x0F"],
    },
    Target {
        name: "gate_snapshot",
        run: targets::gate_snapshot,
        seeds: seeds::gate_snapshots,
        words: &[b"guaritaM", b"\0\0\xC0\x7F"],
    },
    Target {
        name: "checkpoint",
        run: targets::checkpoint,
        seeds: seeds::checkpoints,
        words: &[b"guaritaP", b"\xFF\xFF\xFF\xFF\x0F"],
    },
    Target { name: "config", run: targets::config, seeds: seeds::configs, words: JSON },
    Target {
        name: "polygon",
        run: targets::polygon,
        seeds: seeds::polygons,
        words: &[&[0, 0, 0x80, 0x3F], &[0, 0, 0, 0x3F], &[0, 0, 0xC0, 0x7F], &[1, 0, 0x80, 0x3F], &[0, 0, 0, 0x80]],
    },
];

/// The binary of a target: libFuzzer's, which brings its own `main`.
#[macro_export]
macro_rules! libfuzzer {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            let target = $crate::TARGETS.iter().find(|target| target.name == stringify!($name));
            (target.expect("a target").run)(bytes);
        });

        #[cfg(not(fuzzing))]
        fn main() {
            eprintln!("libFuzzer runs this: `make fuzz`, or `cargo fuzz run -s none {}` in core", stringify!($name));
            std::process::exit(2);
        }
    };
}

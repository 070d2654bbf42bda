//! Our pixels are OpenCV's, to the bit: resize, letterbox and NV12 conversion of the same noise, compared by hash.
#![allow(clippy::unwrap_used, reason = "a test")]

use guarita::frame::Layout;
use guarita::imaging::{ChannelOrder, InputTransform, Preprocessor, Resize, TensorLayout};
use guarita::{Frame, PixelFormat, Size};
use sha2::{Digest, Sha256};

/// Width, height; the first 16 digits of the SHA-256 of the letterboxed 64×64 picture, of the picture stretched to
/// 50×40, and of the NV12 picture stretched likewise (even sizes only). Printed by data/make_resize_hashes.py with
/// OpenCV 5.0.0.
const OPENCV: &[(u32, u32, &str, &str, &str)] = &[
    (192, 108, "38bb0f70467e408c", "1da18cf6663431ec", "b85632d8f31d38d9"),
    (81, 108, "cf48646f052aeb26", "14eb13eb7532be02", ""),
    (64, 64, "593669a92f072d36", "d6d4a9a72cbe6b80", "d5383165ecdcc56c"),
    (33, 57, "ab8d38155dcdd4bb", "6d85414bcc7f79c7", ""),
    (200, 3, "aaac87b7a74a7b3f", "3e8ea49c5088c7bb", ""),
    (128, 96, "055f2afa2e705bad", "bcafc55c367fe7e8", "c59ac5c51cf0e886"),
    (7, 5, "b29b9be88364f27b", "4c0af1975fadb085", ""),
    (97, 64, "0adf7b8b42552e9c", "8a45c8558dfff57f", ""),
];

fn noise(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

fn hash(frame: &Frame, size: Size, resize: Resize) -> String {
    let transform = InputTransform {
        size,
        resize,
        pad: 114,
        color: ChannelOrder::Rgb,
        layout: TensorLayout::Nhwc,
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let mut tensor = vec![0u8; transform.len()];
    let mut preprocessor = Preprocessor::new(transform);
    preprocessor.write(frame, &mut tensor).unwrap();
    // The floating-point tensor has the same levels, by whichever way they were reached.
    let mut planes = InputTransform { layout: TensorLayout::Nchw, ..preprocessor.transform().clone() };
    planes.color = ChannelOrder::Bgr;
    let mut floats = vec![0f32; planes.len()];
    Preprocessor::new(planes).write(frame, &mut floats).unwrap();
    let plane = floats.len() / 3;
    for (k, pixel) in tensor.chunks_exact(3).enumerate() {
        assert_eq!(pixel, [2, 1, 0].map(|c| floats[c * plane + k] as u8), "pixel {k}");
    }
    Sha256::digest(&tensor).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn pixels_equal_opencv_to_the_bit() {
    for &(width, height, boxed, stretched, converted) in OPENCV {
        let size = Size::new(width, height);
        let frame = |format| {
            let layout = Layout::packed(format, size).unwrap();
            Frame::from_owner(noise(layout.byte_len()), layout).unwrap()
        };
        let rgb = frame(PixelFormat::Rgb8);
        assert_eq!(hash(&rgb, Size::new(64, 64), Resize::Letterbox), boxed, "{size} letterboxed");
        assert_eq!(hash(&rgb, Size::new(50, 40), Resize::Stretch), stretched, "{size} stretched");
        if !converted.is_empty() {
            let nv12 = frame(PixelFormat::Nv12);
            assert_eq!(hash(&nv12, Size::new(50, 40), Resize::Stretch), converted, "{size} NV12");
        }
    }
}

#[test]
fn formats_that_hold_the_same_picture_give_the_same_tensor() {
    let size = Size::new(37, 23);
    let rgb = noise(37 * 23 * 3);
    let pixels = |order: &dyn Fn(&[u8]) -> Vec<u8>| rgb.chunks_exact(3).flat_map(order).collect::<Vec<u8>>();
    let hash_of = |format, bytes: Vec<u8>| {
        let frame = Frame::from_owner(bytes, Layout::packed(format, size).unwrap()).unwrap();
        hash(&frame, Size::new(64, 64), Resize::Letterbox)
    };
    let wanted = hash_of(PixelFormat::Rgb8, rgb.clone());
    assert_eq!(hash_of(PixelFormat::Bgr8, pixels(&|p| vec![p[2], p[1], p[0]])), wanted);
    assert_eq!(hash_of(PixelFormat::Rgba8, pixels(&|p| vec![p[0], p[1], p[2], 77])), wanted);
    assert_eq!(hash_of(PixelFormat::Bgra8, pixels(&|p| vec![p[2], p[1], p[0], 77])), wanted);
    let gray = noise(37 * 23);
    let spread = gray.iter().flat_map(|&level| [level; 3]).collect();
    assert_eq!(hash_of(PixelFormat::Gray8, gray), hash_of(PixelFormat::Rgb8, spread));
}

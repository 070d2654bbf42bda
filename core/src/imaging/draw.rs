//! Boxes and words on a picture, for people to look at.

use super::rows;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{BoundingBox, Size};
use embedded_graphics::geometry::{OriginDimensions, Point, Size as EgSize};
use embedded_graphics::mono_font::{MonoTextStyle, iso_8859_1::FONT_9X15_BOLD};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StrokeAlignment};
use embedded_graphics::text::{Baseline, Text};
use std::convert::Infallible;
use std::path::Path;

/// A colour, as red, green and blue 0..255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// A colour for a class; neighbouring numbers get colours that are easy to tell apart.
    pub fn for_class(class_id: u32) -> Self {
        // Steps of the golden angle round the colour circle, at a brightness on which black words can be read.
        let hue = (class_id.wrapping_mul(137_508) % 360_000) as f32 / 60_000.0;
        let (sector, part) = (hue.floor(), hue.fract());
        let (high, low) = (255.0, 70.0);
        let (up, down) = (low + (high - low) * part, high - (high - low) * part);
        let (r, g, b) = match sector as u32 {
            0 => (high, up, low),
            1 => (down, high, low),
            2 => (low, high, up),
            3 => (low, down, high),
            4 => (up, low, high),
            _ => (high, low, down),
        };
        Self(r as u8, g as u8, b as u8)
    }
}

/// An RGB picture to draw on.
#[derive(Clone, Debug)]
pub struct Canvas {
    size: Size,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A copy of a frame of any format, in RGB.
    pub fn from_frame(frame: &Frame) -> Self {
        let size = frame.size();
        let mut pixels = Vec::with_capacity(size.pixels() as usize * 3);
        let mut scratch = rows::Converted::default();
        for y in 0..size.height {
            rows::append_rgb(frame, y, 0..size.width as usize, &mut scratch, &mut pixels);
        }
        Self { size, pixels }
    }

    /// A canvas in one colour.
    pub fn new(size: Size, color: Color) -> Self {
        Self { size, pixels: [color.0, color.1, color.2].repeat(size.pixels() as usize) }
    }

    /// The same picture in another size; smaller pixels are weighted means of those that they stand for.
    pub fn resized(&self, size: Size) -> Self {
        let Size { width, height } = self.size;
        match image::ImageBuffer::<image::Rgb<u8>, _>::from_raw(width, height, self.pixels.as_slice()) {
            Some(picture) => {
                let filter = image::imageops::FilterType::Triangle;
                let resized = image::imageops::resize(&picture, size.width, size.height, filter);
                Self { size, pixels: resized.into_raw() }
            }
            // There are as many pixels as the size says, always.
            None => Self::new(size, Color(0, 0, 0)),
        }
    }

    /// Copies a picture onto this one, its top left corner at (`x`, `y`); what lies outside is left out.
    pub fn paste(&mut self, picture: &Self, x: i32, y: i32) {
        let (left, right) = (x.clamp(0, self.size.width as i32), x.saturating_add(picture.size.width as i32));
        let count = (right.clamp(left, self.size.width as i32) - left) as usize * 3;
        if count == 0 {
            return;
        }
        let skipped = (left - x) as usize;
        for (row, y) in (0..picture.size.height as usize).zip(y..self.size.height as i32) {
            let Ok(y) = usize::try_from(y) else { continue };
            let from = (row * picture.size.width as usize + skipped) * 3;
            let to = (y * self.size.width as usize + left as usize) * 3;
            self.pixels[to..][..count].copy_from_slice(&picture.pixels[from..][..count]);
        }
    }

    /// Draws a box with words above it (inside, where there is no room above). Words may have any Latin-1 letter.
    pub fn draw_box(&mut self, bbox: &BoundingBox, words: &str, color: Color) {
        let Self { size, .. } = *self;
        let bbox = bbox.clipped(size);
        if !bbox.is_finite() {
            return;
        }
        let ink = Rgb888::new(color.0, color.1, color.2);
        let (x, y) = (bbox.x1.round() as i32, bbox.y1.round() as i32);
        let (w, h) = (bbox.width().round().max(1.0) as u32, bbox.height().round().max(1.0) as u32);
        // One step larger for every 800 pixels, so that words stay readable on a picture that is shown scaled down.
        let scale = size.width.max(size.height).div_ceil(800).max(1);
        let outline = PrimitiveStyleBuilder::new()
            .stroke_color(ink)
            .stroke_width(2 * scale)
            .stroke_alignment(StrokeAlignment::Inside)
            .build();
        let drawn = Rectangle::new(Point::new(x, y), EgSize::new(w, h)).into_styled(outline).draw(self);
        let font = &FONT_9X15_BOLD;
        let (word_w, word_h) =
            (words.chars().count() as u32 * font.character_size.width + 4, font.character_size.height + 2);
        let above = y - (word_h * scale) as i32;
        let left = x.min(size.width as i32 - (word_w * scale) as i32).max(0);
        let mut tag = Magnified { canvas: self, origin: Point::new(left, if above >= 0 { above } else { y }), scale };
        let words_drawn = Rectangle::new(Point::zero(), EgSize::new(word_w, word_h))
            .into_styled(PrimitiveStyle::with_fill(ink))
            .draw(&mut tag)
            .and_then(|()| {
                let style = MonoTextStyle::new(font, Rgb888::BLACK);
                Text::with_baseline(words, Point::new(2, 1), style, Baseline::Top).draw(&mut tag).map(|_| ())
            });
        match drawn.and(words_drawn) {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The pixels: rows of red, green, blue, without padding.
    pub fn rgb(&self) -> &[u8] {
        &self.pixels
    }

    /// Writes the picture as a PNG file.
    ///
    /// # Errors
    /// `NotFound` or `PermissionDenied` where the file cannot be made, `DataCorrupt` where the disk fails.
    pub fn save_png(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let Size { width, height } = self.size;
        let color = image::ExtendedColorType::Rgb8;
        image::save_buffer_with_format(path, &self.pixels, width, height, color, image::ImageFormat::Png).map_err(
            |error| match error {
                image::ImageError::IoError(error) => Error::io("write the picture", path, error),
                other => Error::internal(format!("cannot encode {}: {other}", path.display())).with_source(other),
            },
        )
    }

    fn fill(&mut self, x: i32, y: i32, side: u32, color: Rgb888) {
        let inside = |at: i32, most: u32| at.clamp(0, most as i32) as usize;
        let (width, height) = (self.size.width, self.size.height);
        let columns = inside(x, width)..inside(x.saturating_add(side as i32), width);
        for y in inside(y, height)..inside(y.saturating_add(side as i32), height) {
            let row = &mut self.pixels[y * width as usize * 3..][..width as usize * 3];
            for pixel in row[columns.start * 3..columns.end * 3].chunks_exact_mut(3) {
                pixel.copy_from_slice(&[color.r(), color.g(), color.b()]);
            }
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> EgSize {
        EgSize::new(self.size.width, self.size.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        pixels.into_iter().for_each(|Pixel(at, color)| self.fill(at.x, at.y, 1, color));
        Ok(())
    }
}

/// A part of a canvas on which each drawn pixel becomes a square.
struct Magnified<'a> {
    canvas: &'a mut Canvas,
    origin: Point,
    scale: u32,
}

impl OriginDimensions for Magnified<'_> {
    fn size(&self) -> EgSize {
        OriginDimensions::size(self.canvas)
    }
}

impl DrawTarget for Magnified<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            let at = self.origin + at * self.scale as i32;
            self.canvas.fill(at.x, at.y, self.scale, color);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Layout, PixelFormat};

    fn gray(w: u32, h: u32) -> Canvas {
        let size = Size::new(w, h);
        let layout = Layout::packed(PixelFormat::Gray8, size).unwrap();
        Canvas::from_frame(&Frame::copy_from(&vec![100; size.pixels() as usize], layout).unwrap())
    }

    #[test]
    fn a_box_is_drawn_inside_its_edges_and_words_above_it() {
        let mut canvas = gray(100, 80);
        canvas.draw_box(&BoundingBox::from_xyxy(10.0, 30.0, 60.0, 70.0), "é", Color(1, 2, 3));
        let at = |x: usize, y: usize| &canvas.rgb()[(y * 100 + x) * 3..][..3];
        assert_eq!((at(10, 30), at(59, 69)), (&[1, 2, 3][..], &[1, 2, 3][..]));
        assert_eq!((at(60, 70), at(35, 50), at(9, 50)), (&[100; 3][..], &[100; 3][..], &[100; 3][..]));
        assert_eq!(at(10, 20), &[1, 2, 3]);
        assert!(canvas.rgb().chunks(3).any(|pixel| pixel == [0, 0, 0]), "words are black");
    }

    #[test]
    fn a_picture_is_resized_and_pasted_where_there_is_room() {
        let white = Canvas::new(Size::new(40, 20), Color(255, 255, 255)).resized(Size::new(4, 2));
        assert_eq!((white.size(), white.rgb()), (Size::new(4, 2), &[255; 24][..]));
        for (x, y, inside) in [(0, 0, 8), (-2, 1, 4), (6, 7, 2), (-9, 0, 0), (99, 99, 0), (i32::MIN, i32::MAX, 0)] {
            let mut canvas = Canvas::new(Size::new(8, 8), Color(0, 0, 0));
            canvas.paste(&white, x, y);
            assert_eq!(canvas.rgb().iter().filter(|&&level| level == 255).count(), inside * 3, "at {x}, {y}");
        }
    }

    #[test]
    fn boxes_beyond_the_edge_or_without_numbers_do_no_harm() {
        let mut canvas = gray(8, 8);
        for bbox in
            [[-1e9, -1e9, 1e9, 1e9], [f32::NAN; 4], [f32::INFINITY; 4], [7.0, 7.0, 8.0, 8.0], [5.0, 5.0, 1.0, 1.0]]
        {
            let [x1, y1, x2, y2] = bbox;
            canvas.draw_box(&BoundingBox::from_xyxy(x1, y1, x2, y2), "a long label", Color::for_class(u32::MAX));
        }
    }
}

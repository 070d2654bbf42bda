//! Rectangles and words on a canvas.

use embedded_graphics::geometry::{Point, Size as EgSize};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, iso_8859_1};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StrokeAlignment};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use guarita::MotionState;
use guarita::imaging::{Canvas, Color};

pub(crate) type Font = MonoFont<'static>;
pub(crate) const SMALL: &Font = &iso_8859_1::FONT_6X13;
pub(crate) const SMALL_BOLD: &Font = &iso_8859_1::FONT_6X13_BOLD;
pub(crate) const MIDDLE: &Font = &iso_8859_1::FONT_9X15;
pub(crate) const LARGE: &Font = &iso_8859_1::FONT_10X20;

pub(crate) const WHITE: Color = Color(255, 255, 255);
pub(crate) const BLACK: Color = Color(24, 26, 30);
pub(crate) const GRAY: Color = Color(104, 110, 120);
pub(crate) const FAINT: Color = Color(226, 229, 234);

/// A rectangle: left, top, width and height in pixels.
pub(crate) type Area = (i32, i32, i32, i32);

fn ink(color: Color) -> Rgb888 {
    Rgb888::new(color.0, color.1, color.2)
}

fn rectangle((x, y, w, h): Area) -> Rectangle {
    Rectangle::new(Point::new(x, y), EgSize::new(w.max(0) as u32, h.max(0) as u32))
}

pub(crate) fn fill(canvas: &mut Canvas, area: Area, color: Color) {
    let Ok(()) = rectangle(area).into_styled(PrimitiveStyle::with_fill(ink(color))).draw(canvas);
}

pub(crate) fn outline(canvas: &mut Canvas, area: Area, width: u32, color: Color) {
    let style = PrimitiveStyleBuilder::new()
        .stroke_color(ink(color))
        .stroke_width(width)
        .stroke_alignment(StrokeAlignment::Inside)
        .build();
    let Ok(()) = rectangle(area).into_styled(style).draw(canvas);
}

/// Joins corners with thin lines, the last one with the first.
pub(crate) fn polygon(canvas: &mut Canvas, corners: &[(i32, i32)], color: Color) {
    let style = PrimitiveStyle::with_stroke(ink(color), 1);
    for (&(x1, y1), &(x2, y2)) in corners.iter().zip(corners.iter().cycle().skip(1)) {
        let Ok(()) = Line::new(Point::new(x1, y1), Point::new(x2, y2)).into_styled(style).draw(canvas);
    }
}

/// Words whose vertical middle is at `y`, and whose left end, middle or right end is at `x`; Latin-1 letters only.
pub(crate) fn words(canvas: &mut Canvas, words: &str, (x, y): (i32, i32), to: Alignment, font: &Font, color: Color) {
    let style = TextStyleBuilder::new().alignment(to).baseline(Baseline::Middle).build();
    let look = MonoTextStyle::new(font, ink(color));
    let Ok(_) = Text::with_text_style(words, Point::new(x, y), look, style).draw(canvas);
}

/// How wide words are in a font, in pixels.
pub(crate) fn width(words: &str, font: &Font) -> i32 {
    words.chars().count() as i32 * (font.character_size.width + font.character_spacing) as i32
}

/// Colours that are told apart by people who see red and green as one (after Okabe and Ito).
pub(crate) fn state_color(state: MotionState) -> Color {
    match state {
        MotionState::Learning => Color(160, 166, 176),
        MotionState::Stable => Color(178, 223, 205),
        MotionState::Moving => Color(0, 114, 178),
        MotionState::LightShift => Color(240, 228, 66),
        MotionState::IrSwitch => Color(204, 121, 167),
        MotionState::CameraMoved => Color(213, 94, 0),
        MotionState::Frozen => Color(86, 180, 233),
        MotionState::Obscured => Color(40, 40, 40),
        _ => Color(255, 0, 255),
    }
}

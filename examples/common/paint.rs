//! Rectangles and words on a canvas.

use embedded_graphics::geometry::{Point, Size as EgSize};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, iso_8859_1};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StrokeAlignment};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use guarita::imaging::{Canvas, Color};
use guarita::motion::MotionState;
use guarita::{BoundingBox, Size};

/// Letters of one width.
pub type Font = MonoFont<'static>;
/// For crowded pictures.
pub const SMALL: &Font = &iso_8859_1::FONT_6X13;
/// For tags.
pub const SMALL_BOLD: &Font = &iso_8859_1::FONT_6X13_BOLD;
/// For captions.
pub const MIDDLE: &Font = &iso_8859_1::FONT_9X15;
/// For titles.
pub const LARGE: &Font = &iso_8859_1::FONT_10X20;

/// Of words on dark ground.
pub const WHITE: Color = Color(255, 255, 255);
/// Of dark ground, and of words on light ground.
pub const BLACK: Color = Color(24, 26, 30);
/// Of what matters less.
pub const GRAY: Color = Color(104, 110, 120);
/// Of lines that only help the eye.
pub const FAINT: Color = Color(226, 229, 234);

/// A rectangle: left, top, width and height in pixels.
pub type Area = (i32, i32, i32, i32);

fn ink(color: Color) -> Rgb888 {
    Rgb888::new(color.0, color.1, color.2)
}

fn rectangle((x, y, w, h): Area) -> Rectangle {
    Rectangle::new(Point::new(x, y), EgSize::new(w.max(0) as u32, h.max(0) as u32))
}

/// A filled rectangle.
pub fn fill(canvas: &mut Canvas, area: Area, color: Color) {
    let Ok(()) = rectangle(area).into_styled(PrimitiveStyle::with_fill(ink(color))).draw(canvas);
}

/// The edge of a rectangle, inside it.
pub fn outline(canvas: &mut Canvas, area: Area, width: u32, color: Color) {
    let style = PrimitiveStyleBuilder::new()
        .stroke_color(ink(color))
        .stroke_width(width)
        .stroke_alignment(StrokeAlignment::Inside)
        .build();
    let Ok(()) = rectangle(area).into_styled(style).draw(canvas);
}

/// Joins corners with lines of this width, the last one with the first.
pub fn polygon(canvas: &mut Canvas, corners: &[(i32, i32)], width: u32, color: Color) {
    let style = PrimitiveStyle::with_stroke(ink(color), width);
    for (&(x1, y1), &(x2, y2)) in corners.iter().zip(corners.iter().cycle().skip(1)) {
        let Ok(()) = Line::new(Point::new(x1, y1), Point::new(x2, y2)).into_styled(style).draw(canvas);
    }
}

/// Colours the pixels for which `inside` holds; `share`, 0..1, is how much of the colour they take.
pub fn tint(canvas: &mut Canvas, inside: impl Fn(i32, i32) -> bool, color: Color, share: f32) {
    let (width, height) = (canvas.size().width as i32, canvas.size().height as i32);
    let mix = |old: u8, new: u8| (f32::from(old) + (f32::from(new) - f32::from(old)) * share).round() as u8;
    for y in 0..height {
        let row = (y * width) as usize * 3;
        let inside = (0..width).filter(|&x| inside(x, y));
        let tinted: Vec<_> = inside
            .filter_map(|x| {
                let old = canvas.rgb().get(row + x as usize * 3..)?.first_chunk::<3>()?;
                let new = Rgb888::new(mix(old[0], color.0), mix(old[1], color.1), mix(old[2], color.2));
                Some(Pixel(Point::new(x, y), new))
            })
            .collect();
        let Ok(()) = canvas.draw_iter(tinted);
    }
}

/// The pixels of a box that was found in a picture, after the picture was moved and then made larger or smaller.
pub fn area(bbox: &BoundingBox, (left, top): (f32, f32), scale: f32, size: Size) -> Area {
    let [x1, x2] = [bbox.x1, bbox.x2].map(|x| (x - left) * scale);
    let [y1, y2] = [bbox.y1, bbox.y2].map(|y| (y - top) * scale);
    let bbox = BoundingBox::from_xyxy(x1, y1, x2, y2).clipped(size);
    let (x, y) = (bbox.x1.round() as i32, bbox.y1.round() as i32);
    (x, y, (bbox.width().round() as i32).max(1), (bbox.height().round() as i32).max(1))
}

/// Draws boxes with words, the one that matters most first. Words keep out of each other's way, and out of what is
/// `taken` already.
pub fn boxes(canvas: &mut Canvas, boxes: &[(Area, String, Color)], taken: &mut Vec<Area>) {
    let size = canvas.size();
    // The first one last, on top of the others; all words above all boxes.
    for (area, _, color) in boxes.iter().rev() {
        outline(canvas, *area, 2, *color);
    }
    for ((x, y, _, box_h), text, color) in boxes {
        let (w, h) = (width(text, SMALL_BOLD) + 6, 13);
        let x = (*x).min(size.width as i32 - w).max(0);
        // Above the box if there is room, else below, inside, or higher up; the first one chooses first.
        let room = [y - h, y + box_h, *y, y - 2 * h, y + box_h + h, y - 3 * h]
            .into_iter()
            .filter(|&top| top >= 0 && top + h <= size.height as i32)
            .find(|&top| taken.iter().all(|&other| apart((x, top, w, h), other)));
        let tag = (x, room.unwrap_or(if *y >= h { y - h } else { *y }), w, h);
        taken.push(tag);
        fill(canvas, tag, *color);
        words(canvas, text, (x + 3, tag.1 + h / 2), Alignment::Left, SMALL_BOLD, Color(0, 0, 0));
    }
}

fn apart(a: Area, b: Area) -> bool {
    a.0 + a.2 <= b.0 || b.0 + b.2 <= a.0 || a.1 + a.3 <= b.1 || b.1 + b.3 <= a.1
}

/// Words whose vertical middle is at `y`, and whose left end, middle or right end is at `x`; Latin-1 letters only.
pub fn words(canvas: &mut Canvas, words: &str, (x, y): (i32, i32), to: Alignment, font: &Font, color: Color) {
    let style = TextStyleBuilder::new().alignment(to).baseline(Baseline::Middle).build();
    let look = MonoTextStyle::new(font, ink(color));
    let Ok(_) = Text::with_text_style(words, Point::new(x, y), look, style).draw(canvas);
}

/// How wide words are in a font, in pixels.
pub fn width(words: &str, font: &Font) -> i32 {
    words.chars().count() as i32 * (font.character_size.width + font.character_spacing) as i32
}

/// Colours that are told apart by people who see red and green as one (after Okabe and Ito).
pub fn state_color(state: MotionState) -> Color {
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

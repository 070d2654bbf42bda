"""Pictures of events: the frame, the camera's zones, the objects that it is about, and why."""

from __future__ import annotations

import colorsys
import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import guarita

from .output import printable
from .recent import RecentFrames

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

    Box = tuple[float, float, float, float]
    Color = tuple[int, int, int]

#: Smaller pictures are enlarged: words would cover them.
LEAST_WIDTH = 640
#: The zone of the event, and the others.
HERE, ELSEWHERE = (255, 213, 64), (150, 200, 230)
WHITE, FAINT, BLACK = (255, 255, 255), (190, 196, 206), (0, 0, 0)


class Pictures:
    """A sink that draws each event into a file of the folder."""

    def __init__(self, folder: Path, zones: Mapping[str, Sequence[guarita.types.Zone]]) -> None:
        self.folder = folder
        self.drawn = 0
        self.recent = {camera: RecentFrames() for camera in zones}
        self._zones = zones

    def __call__(self, event: guarita.Event) -> None:
        frame = self.recent[event.camera].at(event.pts)
        if frame is None:
            raise guarita.NotFound(f"the frame of {event.camera} at {event.pts:.1f} s has gone: events come too fast")
        path = self.folder / file_name(event)
        part = path.with_suffix(".part")
        try:
            # Fast in place of small: PNGs are made while cameras are watched.
            draw(event, frame, self._zones[event.camera]).save(part, format="PNG", compress_level=1)
            os.replace(part, path)
        except OSError as error:
            # As a disk that is full: to draw it again and again helps nobody.
            raise guarita.Internal(f"cannot write {path}: {error}") from error
        self.drawn += 1


def file_name(event: guarita.Event) -> str:
    """By when it happened; the end keeps apart what happened in the same second."""
    parts = (event.camera, event.trigger, f"{event.time:%Y%m%dT%H%M%SZ}", event.id[-6:])
    return "-".join("".join(c if c.isalnum() or c in "-_" else "-" for c in part)[:60] for part in parts) + ".png"


def draw(event: guarita.Event, frame: guarita.Frame, zones: Sequence[guarita.types.Zone]) -> Image:
    from PIL import Image

    # The library's way from any pixel format to RGB.
    picture = Image.fromarray(guarita.Detections(size=frame.size).plot(frame))
    scale = min(4, -(-LEAST_WIDTH // picture.width))
    if scale > 1:
        picture = picture.resize((picture.width * scale, picture.height * scale))
    fonts = Fonts(picture.width)
    taken: list[Box] = []
    # The event's own zone last, above the others.
    for zone in sorted(zones, key=lambda zone: zone["name"] == event.zone):
        picture = _zone(picture, zone, zone["name"] == event.zone, fonts, taken)
    _boxes(picture, event.objects, scale, fonts, taken)
    return _captioned(picture, event, fonts)


class Fonts:
    """Of sizes that fit the picture. Pillow's own font, which is always there, has no letters with accents."""

    #: Of Linux, Windows and macOS.
    NAMES = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "arial.ttf", "Arial.ttf")

    def __init__(self, width: int) -> None:
        unit = max(1.0, width / 960)
        self.line = max(2, round(2 * unit))
        self.small, self.middle, self.large = (_font(self.NAMES, size * unit) for size in (13, 16, 20))


def _font(names: Sequence[str], size: float) -> FreeTypeFont:
    from PIL import ImageFont

    for name in names:
        try:
            return ImageFont.truetype(name, round(size))
        except OSError:
            continue
    return cast("FreeTypeFont", ImageFont.load_default(round(size)))


def _letters(words: str, font: FreeTypeFont) -> str:
    """What the font has: of Pillow's own, which is in no file, letters without accents, and question marks."""
    words = printable(words)
    if isinstance(font.path, str):
        return words
    plain = "".join(c for c in unicodedata.normalize("NFKD", words) if not unicodedata.combining(c))
    return plain.encode("ascii", "replace").decode()


def _zone(picture: Image, zone: guarita.types.Zone, here: bool, fonts: Fonts, taken: list[Box]) -> Image:
    from PIL import Image, ImageDraw

    color = HERE if here else ELSEWHERE
    area = zone["area"]
    points = area.points if isinstance(area, guarita.Polygon) else area
    corners = [(x * (picture.width - 1), y * (picture.height - 1)) for x, y in points]
    tint = Image.new("RGBA", picture.size)
    ImageDraw.Draw(tint).polygon(corners, fill=(*color, 40 if here else 0))
    picture = Image.alpha_composite(picture.convert("RGBA"), tint).convert("RGB")
    pen = ImageDraw.Draw(picture)
    pen.line([*corners, corners[0]], fill=color, width=fonts.line + here, joint="curve")
    # Inside its lowest edge, where people seldom stand.
    width, height = _size(pen, zone["name"], fonts.small)
    lowest = max(y for _, y in corners)
    left = min(x for x, y in corners if y >= lowest - 2)
    place = _inside(picture, (left + 4, lowest - height - 4, left + 4 + width, lowest - 4))
    pen.rectangle(place, fill=BLACK)
    _words(pen, place, zone["name"], fonts.small, color)
    taken.append(place)
    return picture


def _boxes(picture: Image, objects: Sequence[guarita.Object], scale: int, fonts: Fonts, taken: list[Box]) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(picture)
    found = [(one.detection, tuple(side * scale for side in one.detection.bbox)) for one in objects]
    for detection, (left, top, right, bottom) in found:
        area = (left, top, max(left, right - 1), max(top, bottom - 1))
        pen.rectangle(area, outline=color_of(detection.class_id), width=fonts.line)
    # Words above all boxes, each where no other ones are.
    for detection, (left, top, _, bottom) in found:
        words = f"{detection.label} {detection.confidence:.2f}"
        width, height = _size(pen, words, fonts.small)
        rows = (top - height, bottom, *(top - height - k * height for k in range(1, 4)), top)
        places = [_inside(picture, (left, y, left + width, y + height)) for y in rows]
        place = next((place for place in places if not any(_meet(place, other) for other in taken)), places[0])
        taken.append(place)
        pen.rectangle(place, fill=color_of(detection.class_id))
        _words(pen, place, words, fonts.small, BLACK)


def _captioned(picture: Image, event: guarita.Event, fonts: Fonts) -> Image:
    """Below the picture: where, when and which trigger, and why."""
    from PIL import Image, ImageDraw

    large, middle = int(fonts.large.size), int(fonts.middle.size)
    high = round(2.2 * (large + middle))
    whole = Image.new("RGB", (picture.width, picture.height + high), BLACK)
    whole.paste(picture)
    pen = ImageDraw.Draw(whole)
    top = picture.height
    pen.rectangle((0, top, 5, top + high), fill=HERE)
    left, right, first, last = 16, picture.width - 12, top + 1.5 * large, top + high - 0.75 * middle
    time = f"{event.pts:.1f} s"
    title = _cut(
        pen, f"{event.camera}: {event.trigger}", fonts.large, right - left - 2 * pen.textlength(time, fonts.large)
    )
    pen.text((left, first), title, fill=WHITE, font=fonts.large, anchor="ls")
    pen.text((right, first), time, fill=WHITE, font=fonts.large, anchor="rs")
    why = _cut(pen, event.why, fonts.middle, right - left)
    pen.text((left, last), why, fill=FAINT, font=fonts.middle, anchor="lb")
    return whole


def _cut(pen: ImageDraw, words: str, font: FreeTypeFont, room: float) -> str:
    """As much as there is room for."""
    words = _letters(words, font)
    if pen.textlength(words, font) <= room:
        return words
    while words and pen.textlength(words + "...", font) > room:
        words = words[:-1]
    return words + "..."


def color_of(class_id: int) -> Color:
    """Bright, and far from those of its neighbours."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * 0.618034 % 1.0, 0.55, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def _size(pen: ImageDraw, words: str, font: FreeTypeFont) -> tuple[float, float]:
    """What words take, with a margin."""
    return pen.textlength(_letters(words, font), font=font) + 8, font.size * 1.4


def _words(pen: ImageDraw, place: Box, words: str, font: FreeTypeFont, color: Color) -> None:
    middle = (place[1] + place[3]) / 2
    pen.text((place[0] + 4, middle), _letters(words, font), fill=color, font=font, anchor="lm")


def _inside(picture: Image, place: Box) -> Box:
    """Moved into the picture."""
    left, top, right, bottom = place
    x = max(0.0, min(left, picture.width - (right - left))) - left
    y = max(0.0, min(top, picture.height - (bottom - top))) - top
    return left + x, top + y, right + x, bottom + y


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

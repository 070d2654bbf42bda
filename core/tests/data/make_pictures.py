#!/usr/bin/env python3
"""Makes the pictures of this folder: `pip install pillow`, then run it here. Nothing in them comes from elsewhere.

picture.rgb is the source of all of them: 45 x 37 pixels, red, green, blue. The PNG files hold it without loss, in the
ways that decode.rs spells out. Each NAME.jpg has NAME.rgb beside it (gray ones: NAME.luma), which is what libjpeg-turbo, through
Pillow, decodes it to.
"""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).parent
W, H = 45, 37  # No multiple of a block, so that the edges are cut.


def source():
    picture = Image.new("RGB", (W, H))
    picture.putdata([(x * 255 // (W - 1), y * 255 // (H - 1), (x + y) * 255 // (W + H - 2)) for y in range(H) for x in range(W)])
    draw = ImageDraw.Draw(picture)
    draw.ellipse((6, 5, 22, 21), fill=(220, 40, 30))
    draw.rectangle((26, 14, 40, 30), fill=(20, 60, 200))
    draw.line((0, 36, 44, 24), fill=(250, 250, 250), width=2)
    return picture


def save_jpeg(name, picture, **options):
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=90, **options)
    write_jpeg(name, encoded.getvalue())


def write_jpeg(name, encoded):
    (HERE / f"{name}.jpg").write_bytes(encoded)
    decoded = Image.open(io.BytesIO(encoded))
    if decoded.mode == "L":
        (HERE / f"{name}.luma").write_bytes(decoded.tobytes())
    else:
        (HERE / f"{name}.rgb").write_bytes(decoded.convert("RGB").tobytes())


def exif_with_thumbnail(orientation, thumbnail):
    """EXIF with two directories: the orientation, and a thumbnail, which is a whole JPEG with an end marker of its own."""
    first = struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 26)
    at = 26 + 2 + 2 * 12 + 4
    second = struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, at, 0x0202, 4, 1, len(thumbnail), 0)
    return b"Exif\0\0MM\0*\0\0\0\x08" + first + second + thumbnail


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def save_png(name, depth, color, row, extra=(), interlaced=False):
    """`row(xs, y)` gives the packed bytes of the pixels xs of row y."""
    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7: x and y of the first pixel, steps along x and y.
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b"".join(b"\0" + row(range(x, W, dx), line) for x, y, dx, dy in passes if x < W for line in range(y, H, dy))
    header = struct.pack(">IIBBBBB", W, H, depth, color, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    (HERE / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def bits(values):
    text = "".join(str(int(value)) for value in values)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def pngs(picture):
    at = lambda x, y: picture.getpixel((x, y))
    rgb = lambda xs, y: b"".join(bytes(at(x, y)) for x in xs)
    alpha = lambda x: x * 5
    # The low byte is high, so that rounding would give another level than cutting.
    wide = lambda levels: b"".join(bytes([level, 0xF0]) for level in levels)
    reduced = sorted({tuple(level & 0xC0 for level in at(x, y)) for y in range(H) for x in range(W)})
    index = {color: k for k, color in enumerate(reduced)}
    palette = chunk(b"PLTE", b"".join(map(bytes, reduced)))
    indexed = lambda xs, y: bytes(index[tuple(level & 0xC0 for level in at(x, y))] for x in xs)

    save_png("rgb", 8, 2, rgb)
    save_png("interlaced", 8, 2, rgb, interlaced=True)
    save_png("rgba", 8, 6, lambda xs, y: b"".join(bytes((*at(x, y), alpha(x))) for x in xs))
    save_png("gray", 8, 0, lambda xs, y: bytes(at(x, y)[0] for x in xs))
    save_png("gray_alpha", 8, 4, lambda xs, y: b"".join(bytes((at(x, y)[0], alpha(x))) for x in xs))
    save_png("gray1", 1, 0, lambda xs, y: bits(at(x, y)[0] >= 128 for x in xs))
    save_png("gray16", 16, 0, lambda xs, y: wide(at(x, y)[0] for x in xs))
    save_png("gray_alpha16", 16, 4, lambda xs, y: wide(level for x in xs for level in (at(x, y)[0], alpha(x))))
    save_png("rgb16", 16, 2, lambda xs, y: wide(level for x in xs for level in at(x, y)))
    save_png("rgba16", 16, 6, lambda xs, y: wide(level for x in xs for level in (*at(x, y), alpha(x))))
    save_png("palette", 8, 3, indexed, [palette])
    save_png("palette_alpha", 8, 3, indexed, [palette, chunk(b"tRNS", bytes(k for k in range(len(reduced))))])
    save_png("interlaced16", 16, 6, lambda xs, y: wide(level for x in xs for level in (*at(x, y), alpha(x))), interlaced=True)
    # The colour profile unpacks to 4 MiB.
    profile = chunk(b"iCCP", b"bomb\0\0" + zlib.compress(bytes(4 << 20), 9))
    save_png("profile_bomb", 8, 2, rgb, [profile])


def main():
    picture = source()
    (HERE / "picture.rgb").write_bytes(picture.tobytes())
    save_jpeg("baseline", picture, subsampling="4:2:0")
    save_jpeg("full_chroma", picture, subsampling="4:4:4")
    save_jpeg("half_chroma", picture, subsampling="4:2:2")
    save_jpeg("progressive", picture, subsampling="4:2:0", progressive=True)
    save_jpeg("restarts", picture, subsampling="4:2:0", restart_marker_blocks=2)
    save_jpeg("gray", picture.convert("L"))
    save_jpeg("gray_progressive", picture.convert("L"), progressive=True)
    save_jpeg("cmyk", Image.merge("CMYK", (*picture.split(), picture.convert("L").point(lambda level: level // 3))))

    thumbnail = io.BytesIO()
    picture.resize((12, 10)).save(thumbnail, "JPEG", quality=60)
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=90, subsampling="4:4:4")
    exif = exif_with_thumbnail(6, thumbnail.getvalue())
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    write_jpeg("orientation6", body.getvalue()[:2] + segment + body.getvalue()[2:])
    pngs(picture)


if __name__ == "__main__":
    main()

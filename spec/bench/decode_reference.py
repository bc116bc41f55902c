"""Writes spec/data/decode/: small PNG, JPEG and BMP files of every kind that agad reads, and what Pillow makes of them.

    python3 spec/bench/decode_reference.py          (Pillow 13 or later; numpy)

reference.json lists cases {file, options, shape, at}: read(file, options) must be the shape's bytes from `at` on in
expected.bin, planes of 8 bits.  PNG and BMP files are written here by hand, as Pillow cannot write all kinds; where Pillow
reads a kind exactly (8 bits and fewer) its pixels are compared with the ones that were written.
"""
import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

out = pathlib.Path(__file__).parent.parent / "data" / "decode"
out.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(7)
cases, expected = [], bytearray()
FILTERS = {"bilinear": Image.BILINEAR, "area": Image.BOX}


def planes(a):
    a = np.asarray(a)
    return np.ascontiguousarray(a[None] if a.ndim == 2 else a.transpose(2, 0, 1))


def case(file, pixels, **options):
    pixels = planes(pixels)
    assert pixels.dtype == np.uint8
    cases.append({"file": file, "options": options, "shape": list(pixels.shape), "at": len(expected)})
    expected.extend(pixels.tobytes())


def picture(height, width, channels):
    """Smooth waves with some noise: compresses a little, and no two rows or columns are alike."""
    y, x = np.mgrid[0:height, 0:width] / 9.0
    waves = [np.sin(1.3 * x + c) * np.cos(y - 0.7 * c) for c in range(channels)]
    a = 127 + 110 * np.stack(waves, -1) + rng.normal(0, 6, (height, width, channels))
    return np.clip(a, 0, 255).astype(np.uint8)


# ---- PNG: kinds are {name: (colour type, depth)} ----

KINDS = {"grey1": (0, 1), "grey2": (0, 2), "grey4": (0, 4), "grey8": (0, 8), "grey16": (0, 16),
         "rgb8": (2, 8), "rgb16": (2, 16), "palette1": (3, 1), "palette2": (3, 2), "palette4": (3, 4),
         "palette8": (3, 8), "grey_alpha8": (4, 8), "grey_alpha16": (4, 16), "rgba8": (6, 8), "rgba16": (6, 16)}
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def scanlines(a, depth):
    """Rows of samples as bytes, each with the filter type 0 (none) in front."""
    lines = b""
    for row in a.reshape(a.shape[0], -1):
        if depth == 16:
            body = row.astype(">u2").tobytes()
        else:
            bits = (row[:, None].astype(np.uint8) >> np.arange(depth - 1, -1, -1)) & 1
            body = np.packbits(bits.reshape(-1)).tobytes()
        lines += b"\0" + body
    return lines


def png(name, a, colour, depth, interlaced=False, before=b"", after=b""):
    height, width = a.shape[:2]
    parts = [a[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [a]
    body = b"".join(scanlines(p, depth) for p in parts if p.size)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(body, 9))
    (out / name).write_bytes(data + after + chunk(b"IEND", b""))


def eight_bits(a, colour, depth, palette):
    if colour == 3:
        return palette[a[:, :, 0]]
    a = a.astype(np.uint32)
    if colour in (4, 6):
        a = a[:, :, :-1]
    a = (a * 255 + 32895) >> 16 if depth == 16 else a * 255 // (2 ** depth - 1)
    return a.astype(np.uint8)[:, :, 0] if a.shape[2] == 1 else a.astype(np.uint8)


def pillow_agrees(name, pixels, most):
    mode = "RGB" if pixels.ndim == 3 else "L"
    im = Image.open(out / name)
    if im.mode.startswith("I"):
        a = np.asarray(im).astype(np.int64) // 257
    else:
        a = np.asarray(im.convert(mode)).astype(np.int64)
    assert np.abs(a - pixels).max() <= most, name


for kind, (colour, depth) in KINDS.items():
    for interlaced in (False, True):
        name = f"{kind}{'_interlaced' if interlaced else ''}.png"
        palette = rng.integers(0, 256, (min(2 ** depth, 256) if colour == 3 else 1, 3), dtype=np.uint8)
        a = rng.integers(0, 2 ** depth, (9, 13, SAMPLES[colour]))
        png(name, a, colour, depth, interlaced, chunk(b"PLTE", palette.tobytes()) if colour == 3 else b"")
        pixels = eight_bits(a, colour, depth, palette)
        pillow_agrees(name, pixels, 1 if depth == 16 else 0)
        case(name, pixels)
        if not interlaced and depth == 8:
            im = Image.open(out / name)
            case(name, im.convert("RGB"), channels=3)
            case(name, im.convert("RGB").convert("L") if pixels.ndim == 3 else im.convert("L"), channels=1)

# Transparency by colour and by palette entry changes no pixel; EXIF in PNG turns.
a = rng.integers(0, 256, (6, 7, 1))
palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
png("transparent_grey.png", a, 0, 8, before=chunk(b"tRNS", struct.pack(">H", int(a[0, 0, 0]))))
png("transparent_palette.png", a, 3, 8,
    before=chunk(b"PLTE", palette.tobytes()) + chunk(b"tRNS", bytes(range(256))))
rgb = rng.integers(0, 256, (6, 7, 3))
png("transparent_rgb.png", rgb, 2, 8, before=chunk(b"tRNS", struct.pack(">HHH", *map(int, rgb[0, 0]))))
exif = Image.Exif()
exif[0x0112] = 6
png("turned.png", a, 0, 8, before=chunk(b"eXIf", exif.tobytes()[6:]))
for name in ("transparent_grey.png", "transparent_palette.png", "transparent_rgb.png", "turned.png"):
    im = ImageOps.exif_transpose(Image.open(out / name))
    case(name, im.convert("L" if im.mode == "L" else "RGB"))

# ---- JPEG ----

photo, grey = Image.fromarray(picture(13, 21, 3)), Image.fromarray(picture(13, 21, 1)[:, :, 0])


def jpeg(name, im, **how):
    buffer = io.BytesIO()
    im.save(buffer, "JPEG", quality=80, optimize=True, **how)
    (out / name).write_bytes(buffer.getvalue())
    return name


def jpeg_cases(name):
    im = ImageOps.exif_transpose(Image.open(out / name))
    case(name, im if im.mode == "L" else im.convert("RGB"))
    if im.mode != "L":
        case(name, im.convert("L"), channels=1)


for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
    jpeg_cases(jpeg(f"jpeg{subsampling.replace(':', '')}.jpg", photo, subsampling=subsampling))
jpeg_cases(jpeg("progressive.jpg", photo, progressive=True))
jpeg_cases(jpeg("grey.jpg", grey))
jpeg_cases(jpeg("grey_progressive.jpg", grey, progressive=True))
jpeg_cases(jpeg("restarts.jpg", photo, restart_marker_blocks=1))
jpeg_cases(jpeg("rgb.jpg", photo, keep_rgb=True))
inks = Image.fromarray(picture(13, 21, 4), "CMYK")
jpeg_cases(jpeg("cmyk.jpg", inks))
data = bytearray((out / "cmyk.jpg").read_bytes())
adobe = data.index(b"Adobe\0")
assert data[adobe + 11] == 0
data[adobe + 11] = 2  # the same numbers, now read as YCCK
(out / "ycck.jpg").write_bytes(data)
jpeg_cases("ycck.jpg")
for orientation in range(1, 9):
    exif = Image.Exif()
    exif.endian = "<" if orientation % 2 else ">"
    exif[0x010E] = "a picture"
    exif[0x0112] = orientation
    jpeg_cases(jpeg(f"orientation{orientation}.jpg", photo, exif=exif))

# ---- sizes ----

large = picture(47, 61, 3)
png("large.png", large.astype(np.int64), 2, 8)
jpeg("large.jpg", Image.fromarray(picture(96, 128, 3)))
sources = {"large.png": Image.fromarray(large), "large.jpg": Image.open(out / "large.jpg")}
for file, im in sources.items():
    for channels, mode in ((3, "RGB"), (1, "L")):
        for filter, method in FILTERS.items():
            for height, width in ((20, 30), (7, 60), (40, 11), (5, 5), (1, 1), (33, 61)):
                if channels == 3 and height * width > 600:
                    continue
                same = {"channels": channels, "height": height, "width": width, "filter": filter}
                source = im.convert(mode)
                case(file, source.resize((width, height), method), **same)
                case(file, ImageOps.fit(source, (width, height), method), fit="crop", **same)
            if file == "large.png" and channels == 1:
                case(file, im.convert("L").resize((90, 60), method), height=60, width=90, filter=filter, channels=1)
    for filter, method in FILTERS.items():  # 47 x 61 in 24 x 40: 24 x 31; 96 x 128 in 24 x 40: 24 x 32
        width = (im.width * 24 + im.height // 2) // im.height
        board = np.zeros((24, 40), np.uint8)
        left = (40 - width) // 2
        board[:, left:left + width] = np.asarray(im.convert("L").resize((width, 24), method))
        case(file, board, channels=1, height=24, width=40, filter=filter, fit="pad")
board = np.zeros((50, 64), np.uint8)
board[1:48, 1:62] = np.asarray(sources["large.png"].convert("L"))
case("large.png", board, channels=1, height=50, width=64, fit="pad")

# ---- BMP: no row ends with padding, and runs have no end mark, so that a file cut anywhere lacks pixels ----


def header(size, width, height, bits, how, colours, masks):
    if size == 12:
        return struct.pack("<IHHHH", size, width, height, 1, bits)
    body = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, how, 0, 2835, 2835, colours, 0)
    return (body + struct.pack(f"<{len(masks)}I", *masks)).ljust(size if size > 40 else 0, b"\0")


def bmp(name, pixels, rows, bits, *, size=40, palette=(), masks=(), how=None, top_down=False, pillow=True):
    """rows: bytes of each, in the order of the file."""
    height, width = pixels.shape[:2]
    how = 3 if masks else how or 0
    head = header(size, width, -height if top_down else height, bits, how, len(palette), masks)
    colours = b"".join(bytes(c[::-1]) + b"\0" * (size > 12) for c in np.asarray(palette, np.uint8))
    at, body = 14 + len(head) + len(colours), b"".join(rows)
    (out / name).write_bytes(b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at) + head + colours + body)
    if pillow:
        pillow_agrees(name, pixels, 0)
    case(name, pixels.astype(np.uint8))


def packed(a, bits):
    return [np.packbits((r[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)).tobytes() for r in a[::-1]]


def runs(row, bits):
    """A literal of the first six pixels, then runs of one or two (4 bits: two colours in turn)."""
    text = bytes([0, 6]) + packed(row[None, :6], bits)[0].ljust(6 if bits == 8 else 4, b"\0")
    for i in range(6, len(row), 2):
        pair = [int(v) for v in row[i:i + 2]]
        text += bytes([len(pair), pair[0] << 4 | pair[-1]]) if bits == 4 else b"".join(bytes([1, v]) for v in pair)
    return text


for bits, width, n in ((1, 32, 2), (2, 16, 4), (4, 16, 16), (4, 16, 9), (8, 12, 256), (8, 12, 100)):
    index, palette = rng.integers(0, n, (9, width)), rng.integers(0, 256, (n, 3), dtype=np.uint8)
    plain = n == 2 ** bits  # else there are fewer colours than the bits can tell
    for size in (40, 12, 64) if plain else (40,):
        kind = {12: "_os2", 64: "_os2_2"}.get(size, "" if plain else "_short")
        bmp(f"palette{bits}{kind}.bmp", palette[index], packed(index, bits), bits, size=size, palette=palette,
            pillow=bits != 2)
greys = np.arange(256, dtype=np.uint8)
index = rng.integers(0, 256, (5, 12))
bmp("grey8.bmp", index, packed(index, 8), 8, palette=np.stack([greys] * 3, 1))
index = rng.integers(0, 2, (9, 32))
bmp("inverted1.bmp", 255 - 255 * index, packed(index, 1), 1, palette=[[255] * 3, [0] * 3])
for bits in (4, 8):
    index, palette = rng.integers(0, 2 ** bits, (5, 13)), rng.integers(0, 256, (2 ** bits, 3), dtype=np.uint8)
    rows = [runs(r, bits) for r in index[::-1]]
    bmp(f"runs{bits}.bmp", palette[index], [b"\0\0".join(rows)], bits, palette=palette, how=3 - bits // 4)
rgb = rng.integers(0, 256, (5, 12, 3), dtype=np.uint8)
bgr = [r[:, ::-1].tobytes() for r in rgb[::-1]]
bmp("rgb24.bmp", rgb, bgr, 24)
bmp("rgb24_os2.bmp", rgb, bgr, 24, size=12)
bmp("rgb24_top_down.bmp", rgb, bgr[::-1], 24, top_down=True)
bmp("rgb32.bmp", rgb, [np.insert(r[:, ::-1], 3, 9, 1).tobytes() for r in rgb[::-1]], 32)
rgba = [np.insert(r, 3, 9, 1).tobytes() for r in rgb[::-1]]
for size in (56, 108, 124):
    bmp(f"rgba32_{size}.bmp", rgb, rgba, 32, size=size, masks=(0xff, 0xff00, 0xff0000, 0xff000000))
for kind, size, masks in (("555", 40, ()), ("555_masks", 40, (0x7c00, 0x3e0, 0x1f)), ("565", 40, (0xf800, 0x7e0, 0x1f)),
                          ("565_52", 52, (0xf800, 0x7e0, 0x1f))):
    v = rng.integers(0, 65536, (5, 12)).astype("<u2")
    parts = [(v & m) // (m & -m) * 255 // (m // (m & -m)) for m in (np.array(masks or (0x7c00, 0x3e0, 0x1f)))]
    bmp(f"rgb{kind}.bmp", np.stack(parts, 2), [r.tobytes() for r in v[::-1]], 16, size=size, masks=masks)

(out / "expected.bin").write_bytes(expected)
lines = ",\n".join(json.dumps(c, sort_keys=True) for c in cases)
(out / "reference.json").write_text(f"[\n{lines}\n]\n")
size = sum(f.stat().st_size for f in out.iterdir())
print(f"{len(cases)} cases, {len(list(out.iterdir()))} files, {size} bytes")

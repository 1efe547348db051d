"""Pictures as files, made here: small, whole, and each of one colour."""

from __future__ import annotations

import base64
import struct
import zlib


def png(width: int = 12, height: int = 8, colour: tuple[int, int, int] = (255, 0, 0)) -> bytes:
    """A whole PNG file, of one colour."""
    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def image(content: bytes, label: str, **more: str) -> dict[str, str]:
    """As it stands in a recipe."""
    return {"data": base64.b64encode(content).decode(), "label": label, **more}


def images(each: int) -> list[dict[str, str]]:
    """So many that are rather red, and so many that are rather blue."""
    return [
        image(png(10 + at, 8, (255, at, at) if label == "red" else (at, at, 255)), label)
        for at in range(each)
        for label in ("red", "blue")
    ]

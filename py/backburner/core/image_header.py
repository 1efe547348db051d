"""How large a picture is, read from the beginning of its file: before anybody unpacks it.

A few kilobytes can be a picture of gigabytes, and the browser's decoder would make it. So the sizes
of PNG, JPEG, GIF and WebP are read here, as their specifications place them.
"""

from __future__ import annotations

import struct

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""JPEG's markers of a frame's header; the three among them say something else."""


def image_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None for what is no such picture, or ends before it says."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return struct.unpack_from(">II", content, 16)
        if content.startswith((b"GIF87a", b"GIF89a")):
            return struct.unpack_from("<HH", content, 6)
        if content.startswith(b"\xff\xd8"):
            return _jpeg(content)
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            return _webp(content)
    except (struct.error, IndexError):
        pass
    return None


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """Goes from segment to segment: `ff`, a marker, a length, and what is in it."""
    at = 2
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD7:  # filling, and markers without more
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    return None


def _webp(content: bytes) -> tuple[int, int] | None:
    match content[12:16]:
        case b"VP8X":
            sides = content[24:27], content[27:30]
            width, height = (1 + int.from_bytes(each, "little") for each in sides)
        case b"VP8L":
            packed = struct.unpack_from("<I", content, 21)[0]
            width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = (each & 0x3FFF for each in struct.unpack_from("<HH", content, 26))
        case _:
            return None
    return width, height

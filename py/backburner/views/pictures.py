"""Images on canvases."""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import to_js

from backburner.views.dom import new
from backburner.views.tiles import Image, ink


def put(canvas: Any, image: Image) -> None:
    """Draws an image, pixel for pixel; the canvas becomes as large as it."""
    if (canvas.width, canvas.height) != (image.width, image.height):
        canvas.width, canvas.height = image.width, image.height
    pixels = js.Uint8ClampedArray.new(to_js(image.pixels))
    data = js.ImageData.new(pixels, image.width, image.height)
    canvas.getContext("2d").putImageData(data, 0, 0)


def example(pixels: bytes, shape: tuple[int, ...]) -> Any:
    """A new canvas with an example, given as [height, width, channels] bytes."""
    _height, width, channels = shape
    canvas = new("canvas")
    put(canvas, ink(pixels, width, channels))
    return canvas

"""Unpacks the pictures of files in the browser, and brings each to its size."""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import JsException, to_js

from backburner.core.errors import DataError
from backburner.core.images_data import Image, ImagesData


class Decoder:
    """Makes bytes [size, size, channels] of one file after the other, as `data` wants them.

    The browser decodes and scales, so another one may come to other bytes; the data's hash shows
    it. Of a picture that moves the first frame counts; what is transparent becomes white.
    """

    def __init__(self, data: ImagesData) -> None:
        self._size, self._channels = data.size, data.channels
        canvas = js.OffscreenCanvas.new(data.size, data.size)
        options = to_js({"willReadFrequently": True}, dict_converter=js.Object.fromEntries)
        self._canvas = canvas.getContext("2d", options)
        self._canvas.imageSmoothingQuality = "high"

    async def decode(self, image: Image) -> bytes:
        """Raises DataError, naming the file, for one whose beginning was all there is of it."""
        try:
            bitmap = await js.createImageBitmap(js.Blob.new(to_js([to_js(image.content)])))
        except JsException as error:
            raise DataError(
                f"The picture {image.name} cannot be used: it begins as one, but the rest of it "
                "cannot be read. Take the file anew, or leave it out.",
                key="data.images",
                detail=str(error),
            ) from error
        try:
            return self._pixels(bitmap)
        finally:
            bitmap.close()

    def _pixels(self, bitmap: Any) -> bytes:
        """The middle of the picture, as large a square as there is."""
        size, side = self._size, min(bitmap.width, bitmap.height)
        left, top = (bitmap.width - side) / 2, (bitmap.height - side) / 2
        self._canvas.fillStyle = "#fff"
        self._canvas.fillRect(0, 0, size, size)
        self._canvas.drawImage(bitmap, left, top, side, side, 0, 0, size, size)
        rgba = self._canvas.getImageData(0, 0, size, size).data.to_bytes()
        if self._channels == 1:
            # How bright the three colours are to the eye (ITU-R BT.601), in whole numbers.
            colours = zip(rgba[0::4], rgba[1::4], rgba[2::4], strict=True)
            return bytes((299 * r + 587 * g + 114 * b + 500) // 1000 for r, g, b in colours)
        pixels = bytearray(3 * size * size)
        for channel in range(3):
            pixels[channel::3] = rgba[channel::4]
        return bytes(pixels)

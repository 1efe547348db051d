"""What the layers are made of and what they make of a picture: filters and activations as tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import js

from backburner.app.inspection import Inspection
from backburner.core.errors import BackburnerError
from backburner.core.messages import ActivationsRead, FiltersRead, Sheet
from backburner.core.operation import Operation
from backburner.core.options import sizes
from backburner.core.texts import Texts
from backburner.views.asking import Asker
from backburner.views.dom import by_id, new, set_shown, set_text
from backburner.views.notice import Said
from backburner.views.pictures import put
from backburner.views.subjects import Subjects
from backburner.views.tiles import Palette, arranged, colour_from_css, in_colours, pieces
from backburner.views.written import Written

ACROSS = 8
TILE_PX = 44.0
STRIP_PX = 400.0
LARGEST_PIXEL_PX = 20.0

Pieces = dict[str, tuple[Sheet, bytes]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found out last, by layer. No outputs where there was nothing to look at."""

    step: int
    filters: Pieces
    outputs: Pieces

    @property
    def layers(self) -> list[str]:
        """In the order in which they compute."""
        return list(self.outputs or self.filters)


class LayerPictures:
    """`tell` shows what a question was refused with."""

    def __init__(
        self,
        texts: Texts,
        inspection: Inspection,
        subjects: Subjects,
        asker: Asker,
        tell: Callable[[Said], None],
    ) -> None:
        self._texts = texts
        self._inspection = inspection
        self._subjects = subjects
        self._asker = asker
        self._tell = tell
        self._written = Written()
        self._operation: Operation | None = None
        self._seen: Seen | None = None
        self._drawn: tuple[object, ...] = ()
        self._rows: dict[str, _Row] = {}
        self._palette: Palette | None = None

    def install(self) -> None:
        self._subjects.install()

    def recolour(self) -> None:
        """The page's colours are others."""
        self._palette = None

    def draw(self, operation: Operation, pixels: bytes | None, *, may_ask: bool) -> None:
        """Shows what is known, and asks for more where somebody looks."""
        assert operation.model is not None
        if self._operation is None or self._operation.id != operation.id:
            self._seen = None
        self._operation = operation
        self._subjects.draw(operation, operation.model, pixels)
        if may_ask:
            self._asker.put((operation.id, self._subjects.key), operation.step, self._look)
        self._draw_rows()

    async def _look(self) -> None:
        operation, example = self._operation, self._subjects.example
        assert operation is not None
        picture = self._subjects.picture()
        outputs: Pieces = {}
        try:
            filters, kernels = await self._inspection.filters(operation.id)
            if example is not None or picture is not None:
                found, numbers = await self._inspection.activations(
                    operation.id, example=example, given=picture
                )
                outputs = _by_layer(found, numbers)
        except BackburnerError as error:
            # It may have been freed, or lost with its worker, in the same moment.
            if self._operation is not None and self._operation.lives:
                self._tell(error)
            return
        self._seen = Seen(filters.step, _by_layer(filters, kernels), outputs)

    def _draw_rows(self) -> None:
        seen = self._seen
        if self._palette is None:
            self._palette, self._drawn = _palette(), ()
        now = (seen, self._texts.language)
        if now == self._drawn:
            return
        self._drawn = now
        layers = [] if seen is None else seen.layers
        if list(self._rows) != layers:
            self._rows = {name: _Row(name, at) for at, name in enumerate(layers)}
            rows = [row.element for row in self._rows.values()]
            by_id("inside-rows").replaceChildren(*rows)
        step = "" if seen is None else self._texts("inside.at-step", step=seen.step)
        self._written.text("inside-step", step)
        for name, row in self._rows.items():
            assert seen is not None
            row.draw(self._texts, self._palette, seen.filters.get(name), seen.outputs.get(name))


class _Row:
    """One layer: its filters and what it puts out, each one canvas with words about it."""

    def __init__(self, layer: str, at: int) -> None:
        self.element = new("li", class_="layer", data_testid=f"layer-{at}")
        self._filters = _Tiles(layer, f"filters-{at}")
        self._outputs = _Tiles(layer, f"outputs-{at}")
        self.element.append(new("h3", layer), self._filters.element, self._outputs.element)

    def draw(
        self,
        texts: Texts,
        palette: Palette,
        filters: tuple[Sheet, bytes] | None,
        outputs: tuple[Sheet, bytes] | None,
    ) -> None:
        self._filters.draw(palette, filters, _filter_words(texts, filters[0]) if filters else "")
        self._outputs.draw(palette, outputs, _output_words(texts, outputs[0]) if outputs else "")


class _Tiles:
    def __init__(self, layer: str, test_id: str) -> None:
        self.element = new("figure", class_="tiles")
        self._layer = layer
        self._canvas = new("canvas", role="img", data_testid=test_id)
        self._words = new("figcaption")
        self._said = ""
        self._sized: tuple[int, ...] = ()
        self.element.append(self._canvas, self._words)

    def draw(self, palette: Palette, found: tuple[Sheet, bytes] | None, words: str) -> None:
        set_shown(self.element, found is not None)
        if found is None:
            return
        sheet, data = found
        width, numbers = arranged(sheet, data, ACROSS)
        image = in_colours(width, numbers) if sheet.channels == 3 else palette.paint(width, numbers)
        put(self._canvas, image)
        sized = (image.width, sheet.height, sheet.width)
        if sized != self._sized:
            self._sized = sized
            self._size(sheet, image.width)
        if words != self._said:
            self._said = words
            set_text(self._words, words)
            self._canvas.setAttribute("aria-label", f"{self._layer}: {words}")

    def _size(self, sheet: Sheet, width: int) -> None:
        """A picture is about as large as a finger, a row of numbers as wide as there is room."""
        is_row = sheet.shown == 1 and sheet.height == 1
        self._canvas.className = "strip" if is_row else ""
        wanted_px = STRIP_PX if is_row else TILE_PX
        scale = wanted_px / max(sheet.height, sheet.width)
        scale = min(LARGEST_PIXEL_PX, max(1.0, scale))
        self._canvas.style.setProperty("--across", f"{width * scale:.0f}px")


def _by_layer(found: FiltersRead | ActivationsRead, data: bytes) -> Pieces:
    return {sheet.layer: (sheet, part) for sheet, part in pieces(found.sheets, data)}


def _palette() -> Palette:
    """The colours of the scale beside the tiles, as the browser computed them."""
    colours = [
        colour_from_css(str(js.getComputedStyle(by_id(f"scale-{name}")).backgroundColor))
        for name in ("negative", "zero", "positive")
    ]
    return Palette.between(*colours)


def _filter_words(texts: Texts, sheet: Sheet) -> str:
    how_many = "some" if sheet.shown < sheet.count else "all"
    size = sizes((sheet.height, sheet.width))
    return texts(f"inside.filters.{how_many}", shown=sheet.shown, count=sheet.count, size=size)


def _output_words(texts: Texts, sheet: Sheet) -> str:
    match sheet.shape:
        case (height, width, count):
            how_many = "some" if sheet.shown < count else "all"
            size = sizes((height, width))
            words = texts(f"inside.outputs.{how_many}", shown=sheet.shown, count=count, size=size)
            if sheet.every > 1:
                words = f"{words} {texts('inside.outputs.thinned', every=sheet.every)}"
            return words
        case (positions, count):
            return texts("inside.outputs.sequence", positions=positions, count=count)
        case _:
            how_many = "some" if sheet.width < sheet.shape[0] else "all"
            return texts(f"inside.row.{how_many}", shown=sheet.width, count=sheet.shape[0])

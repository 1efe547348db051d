"""How a generation gets the network that it writes with: that of another run, read once.

It keeps none of the weights: a text is small, and a network is not. Once the run that trained it
is cleared, a text that was begun can be read still, and not be gone on with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from backburner import __version__
from backburner.core.beginnings import Beginning
from backburner.core.errors import StorageError
from backburner.core.generation_recipe import GenerateRecipe
from backburner.core.lifecycle import FINAL, Status
from backburner.core.messages import InitTraining, ModelReady, StoredRun
from backburner.core.recipe_head import read_from
from backburner.engine.checkpoint import recipe_sha256
from backburner.worker.archive import Claimed, Provisions
from backburner.worker.bases import Trained, find_trained
from backburner.worker.examples import layer_facts
from backburner.worker.opening import Opened, Opening
from backburner.worker.writing import GenerationRun

EXECUTOR = "stream"
"""Neither tape nor plan: engine/streaming.py."""


class Pen(NamedTuple):
    """What a text is written with."""

    recipe: GenerateRecipe
    found: Trained
    run: GenerationRun


class WritingOpening:
    """One way in worker/kinds.py's table: for the kind of which a text comes."""

    def __init__(self, opening: Opening, order: InitTraining) -> None:
        self._opening = opening
        self._order = order

    async def new(self, wire: dict[str, object]) -> Opened:
        opening, order = self._opening, self._order
        pen = await self._pen(wire)
        pen.run.begin()
        message = _ready(pen)
        record = StoredRun(
            id=opening.key,
            kind=pen.recipe.kind,
            name=order.name,
            recipe=wire,
            status=Status.INITIALIZING.value,
            created=order.created or opening.kitchen.now_s(),
            epochs=pen.recipe.epochs,
            mode=order.mode,
            base=pen.recipe.base,
            after=order.after,
            **_shared(message),
        )
        provisions = Provisions(recipe=wire)
        fence: int | None = None
        try:
            fence = await opening.archive.begin(record, provisions)
        except StorageError as error:
            opening.warn(f"not kept: {error.message}")
        opening.check_wanted()
        return opening.job(pen.run, record, provisions, fence, _nothing_to_learn), message, ()

    async def bring_back(self, claimed: Claimed) -> Opened:
        opening, run = self._opening, claimed.run
        if run.status in FINAL:
            raise StorageError(
                f"The text is {run.status}, and there is nothing more to be written of it. Start "
                "its recipe again for another one.",
            )
        pen = await self._pen(claimed.recipe)
        pen.run.begin(run)
        kept = pen.run.step or None
        message = replace(
            _ready(pen),
            step=pen.run.step,
            kept=kept,
            writing=pen.run.progress(run.text) if run.text else None,
        )
        record = replace(run, mode=self._order.mode, checkpoint=kept, **_shared(message))
        opening.check_wanted()
        provisions = Provisions(recipe=claimed.recipe)
        job = opening.job(pen.run, record, provisions, claimed.fence, _nothing_to_learn)
        return job, message, ()

    async def _pen(self, wire: dict[str, object]) -> Pen:
        opening = self._opening
        key = read_from(wire.get("model"))
        found = await find_trained(key, archive=opening.archive, warn=opening.warn)
        beginning = Beginning(base=found.network, data=None)
        recipe = GenerateRecipe.from_wire(wire, find=lambda _key: beginning)
        kitchen = opening.kitchen
        writer = await kitchen.sampler(found.network, found.weights, recipe.seed)
        opening.check_wanted()
        run = GenerationRun(writer, recipe.generation, kitchen.clock_ms)
        return Pen(recipe, found, run)


def _ready(pen: Pen) -> ModelReady:
    spec = pen.found.network.spec()
    return ModelReady(
        layers=layer_facts(spec),
        parameters=spec.parameter_count,
        input_shape=tuple(spec.input_shape),
        classes=pen.found.network.classes,
        steps=pen.recipe.generation.length,
        epochs=pen.recipe.epochs,
        sizes={},
        examples=(),
        labels=(),
        data_sha256=pen.found.kept.run.data_sha256 or "",
        executor=EXECUTOR,
        recipe_sha256=recipe_sha256(pen.recipe, pen.found.sha256),
        version=__version__,
    )


_SHARED = ("executor", "recipe_sha256", "data_sha256", "version", "parameters")


def _shared(message: ModelReady) -> dict[str, Any]:
    return {name: getattr(message, name) for name in _SHARED}


async def _nothing_to_learn() -> None:
    pass

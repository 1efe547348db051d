"""A training's state between two steps, as one file: enough to go on exactly.

Owns what belongs to it: the parameters, what the optimizer remembers, and where it stands.
Randomness is derived from (seed, purpose, step), and the place in the data from the step, so
neither is stored. No time of day is in it: the same recipe gives, at the same step, the same
bytes. The layout is engine/safetensors.py's, so that other programs can read the weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backburner import __version__
from backburner.core.errors import Damaged, DataError, NewerStorage, RecipeError
from backburner.core.operation import brief_recipe
from backburner.engine import safetensors
from backburner.engine.safetensors import Numbers

FORMAT = "backburner-checkpoint"
SCHEMA = 1
OPTIMIZER = "optimizer/"
"""What stands before the names of the optimizer's arrays: `optimizer/<parameter>/<slot>`."""

FIRST_EXECUTOR = "tape"
"""Files from before there was another do not name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state after `step` steps.

    `state` is what the optimizer remembers, named `<parameter>/<slot>`. `backend`, `kernels`,
    `executor` and `version` say where it was computed: going on elsewhere is allowed, but not
    exact.
    """

    step: int
    optimizer: str
    recipe_sha256: str
    data_sha256: str
    backend: str
    kernels: str
    parameters: Mapping[str, Numbers] = field(repr=False)
    state: Mapping[str, Numbers] = field(repr=False)
    executor: str = FIRST_EXECUTOR
    version: str = __version__

    def to_bytes(self) -> bytes:
        """The file, for `from_bytes`."""
        metadata = {
            "format": FORMAT,
            "schema": str(SCHEMA),
            "step": str(self.step),
            "optimizer": self.optimizer,
            "recipe_sha256": self.recipe_sha256,
            "data_sha256": self.data_sha256,
            "backend": self.backend,
            "kernels": self.kernels,
            "executor": self.executor,
            "version": self.version,
            "weights_sha256": weights_sha256(self.parameters),
        }
        state = {OPTIMIZER + name: numbers for name, numbers in self.state.items()}
        return safetensors.to_bytes({**self.parameters, **state}, metadata)

    @classmethod
    def from_bytes(cls, file: bytes) -> Checkpoint:
        """The checkpoint in a file.

        Raises Damaged for what is torn or is no checkpoint, NewerStorage for one that a newer
        Backburner has written.
        """
        arrays, metadata = safetensors.from_bytes(file)
        if metadata.get("format") != FORMAT:
            raise _damaged("it is no checkpoint of Backburner's")
        schema = _number(metadata, "schema")
        if schema > SCHEMA:
            raise NewerStorage(
                "This checkpoint was written by a newer version of Backburner. It is left as it "
                "is. Reload the page to get the newer version.",
                detail=f"schema {schema}, known {SCHEMA}",
            )
        parameters = {name: each for name, each in arrays.items() if not name.startswith(OPTIMIZER)}
        state = {
            name.removeprefix(OPTIMIZER): each
            for name, each in arrays.items()
            if name.startswith(OPTIMIZER)
        }
        if weights_sha256(parameters) != _text(metadata, "weights_sha256"):
            raise _damaged("its weights are not those that were written")
        return cls(
            step=_number(metadata, "step"),
            optimizer=_text(metadata, "optimizer"),
            recipe_sha256=_text(metadata, "recipe_sha256"),
            data_sha256=_text(metadata, "data_sha256"),
            backend=_text(metadata, "backend"),
            kernels=_text(metadata, "kernels"),
            executor=metadata.get("executor", FIRST_EXECUTOR),
            version=_text(metadata, "version"),
            parameters=parameters,
            state=state,
        )

    def check_belongs_to(self, *, recipe_sha256: str, data_sha256: str, data: str) -> None:
        """Raises DataError for other data (`data` names what is there), RecipeError for another
        recipe.
        """
        if self.data_sha256 != data_sha256:
            raise DataError(
                f"This run was trained on other data: the checkpoint holds data "
                f"{self.data_sha256[:8]}, and this is {data} {data_sha256[:8]}. It cannot go on "
                "exactly; start it as a new run.",
                key="data",
                detail=f"{self.data_sha256} is not {data_sha256}",
            )
        if self.recipe_sha256 != recipe_sha256:
            raise RecipeError(
                "This checkpoint belongs to another recipe, so the run cannot go on from it. "
                "Start it as a new run.",
                detail=f"{self.recipe_sha256} is not {recipe_sha256}",
            )

    def check_fits(
        self, *, parameters: Mapping[str, tuple[int, ...]], state: Mapping[str, tuple[int, ...]]
    ) -> None:
        """Raises Damaged unless the arrays are exactly those that the model has, by shape."""
        for found, expected in ((self.parameters, parameters), (self.state, state)):
            shapes = {name: numbers.shape for name, numbers in found.items()}
            if shapes != dict(expected):
                wrong = sorted(
                    name
                    for name in shapes.keys() | expected.keys()
                    if shapes.get(name) != expected.get(name)
                )
                raise _damaged("its arrays are not those of the model", ", ".join(wrong))


class Recipe(Protocol):
    """Of any kind."""

    def to_wire(self) -> dict[str, object]:
        """All of it as JSON."""


def recipe_sha256(recipe: Recipe, base_sha256: str | None = None) -> str:
    """Of the complete recipe as canonical JSON, without its name.

    Examples that stand in the recipe are left out: the data's own sha256 stands for them. So does
    `base_sha256`, of the weights that it begins with, for the operation that they are from.
    """
    wire = brief_recipe(recipe.to_wire())
    wire.pop("name", None)
    if base_sha256 is not None:
        wire["model"] = {"from": base_sha256}
    text = json.dumps(wire, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def weights_sha256(weights: Mapping[str, Numbers]) -> str:
    """Over a line `name shape` (`conv2d_1/kernel 3x3x1x16`) and the numbers, for each in order."""
    digest = hashlib.sha256()
    for name, numbers in weights.items():
        digest.update(f"{name} {'x'.join(map(str, numbers.shape))}\n".encode())
        digest.update(numbers.data)
    return digest.hexdigest()


def describe_weights(weights: Mapping[str, Numbers]) -> dict[str, Any]:
    """`{"sha256", "tensors": [{"name", "shape", "sha256"}, ...]}`.

    Each tensor's is over its float32, little-endian; the whole one's is `weights_sha256`.
    """
    tensors = [
        {
            "name": name,
            "shape": list(numbers.shape),
            "sha256": hashlib.sha256(numbers.data).hexdigest(),
        }
        for name, numbers in weights.items()
    ]
    return {"sha256": weights_sha256(weights), "tensors": tensors}


def _text(metadata: Mapping[str, str], name: str) -> str:
    if name not in metadata:
        raise _damaged(f"it does not say its {name}")
    return metadata[name]


def _number(metadata: Mapping[str, str], name: str) -> int:
    text = _text(metadata, name)
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise _damaged(f"its {name} is no number", text[:40])
    return int(text)


def _damaged(problem: str, detail: str | None = None) -> Damaged:
    return Damaged(
        f"A checkpoint cannot be used: {problem}. An older one may still be good.", detail=detail
    )

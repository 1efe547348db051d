"""The network that a run begins with, brought back from what is kept of the run that trained it.

That one stays as it is, and whose it is: it is only read. Its adapters, if it has any, are merged,
so that a fine-tuned network can be begun with like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backburner.core.beginnings import FROM
from backburner.core.errors import Damaged, RecipeError, StorageError
from backburner.core.fine_tuning import Base
from backburner.core.kinds import TABLE, no_network
from backburner.core.lifecycle import Status
from backburner.core.model import ModelSpec
from backburner.core.options import show
from backburner.core.trained import check_finished
from backburner.engine.checkpoint import Checkpoint, weights_sha256
from backburner.engine.data import Dataset
from backburner.engine.fine_tuning import fixed_test, merged
from backburner.engine.safetensors import Numbers
from backburner.worker.archive import Archive, Kept
from backburner.worker.ingredients import ingredients_of_kept, recipe_of_kept
from backburner.worker.kitchen import Kitchen

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network as it was trained, its adapters merged. `kept` is the run that trained it."""

    kept: Kept
    network: Base
    weights: Mapping[str, Numbers] = field(repr=False)

    @property
    def sha256(self) -> str:
        """Of its weights."""
        return weights_sha256(self.weights)


async def find_trained(key: str, *, archive: Archive, warn: Warn) -> Trained:
    """The network that the run `key` has trained.

    Raises RecipeError, by the key `model.from`, where there is none, and StorageError where it
    cannot be read any more.
    """
    kept = await archive.look_up(key)
    if kept is None:
        raise RecipeError(
            f"{FROM} is {show(key)}, but nothing is kept of that run any more: it was cleared, or "
            "the browser has removed it. Train it again, or choose another one.",
            key=FROM,
        )
    run = kept.run
    if not TABLE[run.kind].trains:
        raise no_network(run.kind, key)
    check_finished(key, run.name, Status(run.status), run.checkpoint)
    recipe, _, _ = await recipe_of_kept(kept, None, archive=archive)
    spec = recipe.spec()
    checkpoint = await _newest(key, spec, archive, warn)
    plain, weights = merged(spec, checkpoint.parameters)
    classes = recipe.result.classes
    return Trained(kept=kept, network=Base.of(plain, classes), weights=weights)


async def tests_of(found: Trained, *, archive: Archive, kitchen: Kitchen) -> Dataset:
    """The examples that a network was tested on, and is to be tested on for good.

    Raises DataError where they are gone.
    """
    made = await ingredients_of_kept(found.kept, None, archive=archive, kitchen=kitchen)
    task = kitchen.task(made.recipe, made.data, made.start)
    return fixed_test(task.workload.dataset, task.split)


async def _newest(key: str, spec: ModelSpec, archive: Archive, warn: Warn) -> Checkpoint:
    """The newest checkpoint of a run that is whole, and has the weights of its network."""
    parameters = {name: parameter.shape for name, parameter in spec.parameters()}
    for step in await archive.steps(key):
        try:
            checkpoint = Checkpoint.from_bytes((await archive.checkpoint(key, step)).file)
            # What its optimizer remembers is of no use to another run.
            state = {name: numbers.shape for name, numbers in checkpoint.state.items()}
            checkpoint.check_fits(parameters=parameters, state=state)
        except Damaged as error:
            warn(f"the checkpoint of step {step} of {key} was passed over: {error}")
            continue
        return checkpoint
    raise StorageError(
        f"The network of {show(key)} cannot be begun with: no checkpoint of it was found, or they "
        "are damaged. Run its recipe again, or choose another one.",
        key=FROM,
    )

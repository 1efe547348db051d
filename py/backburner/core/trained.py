"""Which of the operations that are known have a network that another one can begin with.

Each refusal names the operation as people know it, and the way out. What is kept of it in truth
only the worker can say; it refuses in its turn (worker/bases.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from backburner.core.beginnings import FROM, Beginning, nothing_trained
from backburner.core.errors import ConfigurationError, RecipeError
from backburner.core.fine_tuning import Base
from backburner.core.kinds import TABLE, no_network, recipe_from_wire
from backburner.core.lifecycle import Status
from backburner.core.operation import Operation
from backburner.core.options import show


def find_in(operations: Mapping[str, Operation], key: str) -> Beginning:
    """The network of the operation `key`. Raises RecipeError, by the key `FROM`."""
    operation = operations.get(key)
    if operation is None:
        return nothing_trained(key)
    if not TABLE[operation.kind].trains:
        raise no_network(operation.kind, key)
    check_finished(key, operation.name, operation.status, operation.checkpoint)
    data = operation.recipe.get("data") if operation.can_be_run_again else None
    return Beginning(
        base=network_of(key, operation.network, operation.recipe),
        data=data if isinstance(data, Mapping) else None,
    )


def network_of(
    key: str, network: Mapping[str, object] | None, recipe: Mapping[str, object]
) -> Base:
    """The network of a run. Older versions did not note it; then its recipe tells, if it can.

    Raises RecipeError where neither does.
    """
    if network is not None:
        return Base.from_wire(network)
    try:
        found = recipe_from_wire(recipe).result
    except ConfigurationError:
        found = None
    if found is None:
        raise RecipeError(
            f"{FROM} is {show(key)}, but that network was trained by an older version of "
            "Backburner, which kept too little of it to go on from. Run its recipe again.",
            key=FROM,
        )
    return found


def check_finished(key: str, name: str, status: str, checkpoint: int | None) -> None:
    """Raises RecipeError for a run that is not completed, or of which nothing was kept."""
    called = f"{show(key)} ({name})" if name else show(key)
    if status != Status.COMPLETED:
        way_out = {
            Status.FAILED: "Run its recipe again, or choose another one.",
            Status.ABORTED: "Run its recipe again, or choose another one.",
            Status.STOPPED: "Resume it, and let it come to its end.",
            Status.INTERRUPTED: "Resume it, and let it come to its end.",
        }
        otherwise = 'Wait until it is completed, or have it followed by this, with "then".'
        raise RecipeError(
            f"{FROM} is {called}, but that run is {status}, and only a completed one can be begun "
            f"with. {way_out.get(Status(status), otherwise)}",
            key=FROM,
        )
    if checkpoint is None:
        raise RecipeError(
            f"{FROM} is {called}, but its network could not be kept, so it is gone. Run its recipe "
            "again, when there is room for it.",
            key=FROM,
        )

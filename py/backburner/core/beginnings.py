"""What a recipe may begin with instead of a new network: one that an operation has trained.

Owns what has to be known of such a network for a recipe to be checked before anything starts, and
what a recipe says of its data when it names none: they are those of the network's own recipe. It
must not know where the network is kept, nor any number of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backburner.core.data_sources import Data, data_from_wire
from backburner.core.errors import DataError, RecipeError
from backburner.core.fine_tuning import Base
from backburner.core.options import show

FROM = "model.from"
"""The key of the recipe that names it."""

PREVIOUS = "previous"
"""What a recipe that follows another one calls its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A trained network, and the `data` of the recipe that made it; None where they are not here.

    They are not where examples stood in a recipe, of which only a summary was kept.
    """

    base: Base
    data: Mapping[str, object] | None

    def read_data(self, recipe: Mapping[str, object], drawings: Mapping[str, int] | None) -> Data:
        """A recipe's `data` as the network takes them; where it has none, those of its own recipe.

        Raises RecipeError and DataError.
        """
        given = recipe.get("data", self.data)
        if given is None and "data" not in recipe:
            raise DataError(
                "data: the examples that the network was trained on stood in its recipe, which is "
                "not here any more. Give the recipe data of its own.",
                key="data",
            )
        if isinstance(given, Mapping):
            given = self.base.with_size(given)
        return self.base.adopt(data_from_wire(given, drawings))


Find = Callable[[str], Beginning]
"""Gives the network of an operation. Raises RecipeError, by the key `FROM`, where there is none."""


def nothing_trained(key: str) -> Beginning:
    """Where no operation is known at all."""
    if key == PREVIOUS:
        raise RecipeError(
            f'{FROM} is "{PREVIOUS}", but no recipe comes before this one. It means the one whose '
            'list "then" it stands in. Write the id of an operation instead.',
            key=FROM,
        )
    raise RecipeError(
        f"{FROM} is {show(key)}, but no trained network is known here under this id. Only the page "
        'that has trained a network can go on from it; in one go both can be said with "then".',
        key=FROM,
    )

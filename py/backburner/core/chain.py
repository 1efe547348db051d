"""A recipe and those that are to follow it (`then`), read and checked before any of them starts.

Owns the order in which they are made operations, which one waits for which, and that what is wrong
with one of them is named by its place in the whole (`then[0].method.rank`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backburner.core.beginnings import PREVIOUS, Beginning, Find, nothing_trained
from backburner.core.errors import ConfigurationError, RecipeError
from backburner.core.kinds import AnyRecipe, no_network, recipe_from_wire
from backburner.core.options import show

THEN = "then"
MOST_LINKS = 100
"""Of one chain: more would be a mistake in whatever wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One recipe of a chain. `after` is the place of the one that it waits for; None: of none."""

    recipe: AnyRecipe
    after: int | None


def chain_from_wire(
    wire: object,
    *,
    drawings: Mapping[str, int] | None = None,
    find: Find = nothing_trained,
) -> tuple[Link, ...]:
    """Reads any JSON value: the recipe itself, and after it all that follow, depth first.

    Each recipe of a list `then` waits for the one that has the list; they do not wait for each
    other. Raises what `recipe_from_wire` does, the key beginning with the recipe's place.
    """
    links: list[Link] = []

    def gather(wire: object, place: str, after: int | None, find: Find) -> None:
        try:
            own, following = _divided(wire)
            if len(links) == MOST_LINKS:
                raise RecipeError(
                    f"A chain may have up to {MOST_LINKS} recipes, and this one has more. Start "
                    "the others when these are done.",
                    key=THEN,
                )
            recipe = recipe_from_wire(own, drawings=drawings, find=find)
        except ConfigurationError as error:
            raise _placed(error, place) from None
        at = len(links)
        links.append(Link(recipe=recipe, after=after))
        for number, each in enumerate(following):
            gather(each, f"{place}{THEN}[{number}].", at, _after(recipe, find))

    gather(wire, "", None, find)
    return tuple(links)


def _divided(wire: object) -> tuple[object, list[object]]:
    """A recipe without those that follow it, and those."""
    if not isinstance(wire, Mapping) or THEN not in wire:
        return wire, []
    following = wire[THEN]
    if not isinstance(following, list | tuple):
        raise RecipeError(
            f"{THEN} is {show(following)}, but it must be a list of recipes: those that are to "
            "follow this one, once it is completed.",
            key=THEN,
        )
    return {name: each for name, each in wire.items() if name != THEN}, list(following)


def _after(recipe: AnyRecipe, find: Find) -> Find:
    """What a recipe knows that follows this one: its result, as "previous", and all else."""

    def found(key: str) -> Beginning:
        if key != PREVIOUS:
            return find(key)
        if recipe.result is None:
            raise no_network(recipe.kind, PREVIOUS)
        return Beginning(base=recipe.result, data=recipe.data.to_wire())

    return found


def _placed(error: ConfigurationError, place: str) -> ConfigurationError:
    """The same refusal, of a recipe that stands at `place` in the whole."""
    if not place:
        return error
    key = f"{place}{error.key}" if error.key else place.removesuffix(".")
    names_itself = error.key is not None and error.message.startswith(error.key)
    words = f"{place}{error.message}" if names_itself else f"{key}: {error.message}"
    return type(error)(words, key=key, detail=error.detail)

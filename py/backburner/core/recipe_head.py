"""What recipes of every kind have: a version, a kind, a name, a seed.

Owns which kinds there are, which keys each may have, and the words of what is refused of these. It
must not know what a kind does with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from backburner.core.errors import RecipeError
from backburner.core.inline_data import LONGEST_NAME
from backburner.core.options import (
    LARGEST_SAFE_INTEGER,
    as_integer,
    integer,
    joined,
    listed,
    read_object,
    refusal,
    show,
    unknown_word,
)

VERSION = 1
SHARED_KEYS = ("recipe", "kind", "name", "seed", "model")
KIND_KEYS: dict[str, tuple[str, ...]] = {
    "train": ("data", "training"),
    "fine-tune": ("data", "method", "training"),
    "generate": ("generation",),
}
"""Every kind of recipe, and the keys that it has beside the shared ones; the first is the default.
"""
KINDS = tuple(KIND_KEYS)
LATER_KINDS = ("monte-carlo", "export")
LATER_RECIPE_KEYS = ("priority", "simulation", "format")

SEED = integer(0, LARGEST_SAFE_INTEGER, "Any such number will do, for example 7.")


def read_keys(wire: object, kind: str) -> dict[str, object]:
    """The keys of a recipe that is of this kind. Raises RecipeError for any other key."""
    if isinstance(wire, Mapping):
        _check_version(wire)
        if kind_of(wire) != kind:
            raise unknown_word(wire.get("kind"), "kind", "kind of recipe", (kind,), ())
        _check_keys(wire, kind)
    return read_object(wire, "", (*SHARED_KEYS, *KIND_KEYS[kind]), LATER_RECIPE_KEYS)


def kind_of(wire: Mapping[str, object]) -> str:
    """The kind that a recipe names. Raises RecipeError for one that is none."""
    kind = wire.get("kind", KINDS[0])
    if not isinstance(kind, str) or kind not in KINDS:
        raise unknown_word(kind, "kind", "kind of recipe", KINDS, LATER_KINDS)
    return kind


def read_name_and_seed(given: Mapping[str, object]) -> _NameAndSeed:
    return {
        "name": _read_name(given.get("name")),
        "seed": SEED.read(given.get("seed", 0), "seed"),
    }


def head_to_wire(kind: str, name: str | None, seed: int) -> dict[str, object]:
    """What every complete recipe begins with; a name that was not given is left out."""
    named = {} if name is None else {"name": name}
    return {"recipe": VERSION, "kind": kind, **named, "seed": seed}


def read_from(model: object, key: str = "model") -> str:
    """The id in `{"from": id}`. Raises RecipeError for anything else."""
    given = read_object(model, key, ("from",))
    found = given.get("from")
    if isinstance(found, str) and found:
        return found
    raise RecipeError(
        f"{key}.from is {show(found)}, but it must be the id of an operation that has trained a "
        'network. In the list under "then" it can be "previous", for the one before.',
        key=f"{key}.from",
    )


class _NameAndSeed(TypedDict):
    name: str | None
    seed: int


def _check_keys(wire: Mapping[str, object], kind: str) -> None:
    """Says of a key of another kind whose it is: the two may have been mixed up."""
    for name in wire:
        owners = [each for each, keys in KIND_KEYS.items() if name in keys]
        if owners and kind not in owners:
            raise RecipeError(
                f"{name}: only a recipe of the kind {listed(map(show, owners))} takes this, and "
                f'this one is of the kind "{kind}". Leave it out, or write "kind": "{owners[0]}".',
                key=name,
            )


def _check_version(wire: Mapping[str, object]) -> None:
    version = wire.get("recipe")
    number = as_integer(version)
    if number == VERSION:
        return
    if version is None:
        problem = 'the recipe does not say which version it is. Write "recipe": 1.'
    elif number is not None and number > VERSION:
        problem = (
            f"this recipe has version {show(version)}, which is newer than this Backburner. It "
            f"knows version {VERSION}. Reload the page to get a newer Backburner."
        )
    else:
        problem = (
            f"{show(version)} is no version of a recipe. This Backburner knows version {VERSION}: "
            f'write "recipe": 1.'
        )
    raise RecipeError(f"recipe: {problem}", key="recipe")


def _read_name(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_NAME:
        raise refusal(
            value,
            joined("", "name"),
            f"it must be a text of up to {LONGEST_NAME} characters",
            "Shorten it, or leave it out.",
        )
    return value

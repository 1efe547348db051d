"""Drawings on the page's side: kept at once, handed over when somebody is there to keep them."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.app.drawings import Drawings
from backburner.core.drawing import SIDE, Bitmap
from backburner.core.errors import ConfigurationError, DataError
from backburner.core.messages import (
    ChangeDrawings,
    Drawing,
    DrawingsChanged,
    DrawingsRead,
    DrawnClass,
    Fault,
    ReadDrawings,
    Refused,
)
from tests.app.makers import Answers, FakeHouse, settled
from tests.core.makers import worker_ready
from tests.loops import on_a_loop

INK = Bitmap((1,) * SIDE)
DOG = DrawnClass(id="c-dog", name="dog")
OLD = Drawing(id="d-old", class_id="c-dog", created=1.0, ink=INK.to_text())


class Shelf:
    """Answers for the kitchen, and remembers what it was told to keep."""

    def __init__(self, *kept: Drawing, classes: tuple[DrawnClass, ...] = ()) -> None:
        self.read = DrawingsRead(classes=classes, drawings=kept)
        self.changes: list[ChangeDrawings] = []
        self.denied = False
        self.others = Answers()

    def __call__(self, order: Any) -> list[Any]:
        match order:
            case ReadDrawings():
                return [self.read]
            case ChangeDrawings():
                if self.denied:
                    return [Refused(error=Fault(name="StorageDenied", message="No storage."))]
                self.changes.append(order)
                return [DrawingsChanged()]
            case _:
                return self.others(order)


async def opened(shelf: Shelf, **house: Any) -> tuple[FakeHouse, Drawings]:
    made = FakeHouse(shelf, **house)
    made.begin()
    await settled()
    return made, made.drawings


@on_a_loop
async def test_what_is_kept_is_there_when_the_kitchen_is() -> None:
    _, drawings = await opened(Shelf(OLD, classes=(DOG,)))
    assert drawings.classes == (DOG,)
    assert drawings.of(DOG) == [OLD]
    assert drawings.counts == {"dog": 1}


@on_a_loop
async def test_a_drawing_is_kept_by_the_kitchen() -> None:
    shelf = Shelf()
    _, drawings = await opened(shelf)
    cat = drawings.add_class("  cat ")
    drawings.keep(cat.id, INK)
    assert drawings.counts == {"cat": 1}
    await settled()
    assert [len(each.keep) for each in shelf.changes] == [0, 1]
    assert shelf.changes[-1].classes == (cat,)
    assert Bitmap.from_text(shelf.changes[-1].keep[0].ink) == INK


@on_a_loop
async def test_what_is_drawn_before_the_kitchen_is_there_is_handed_over() -> None:
    shelf = Shelf(OLD, classes=(DOG,))
    house, drawings = await opened(shelf, starts=False)
    cat = drawings.add_class("cat")
    drawings.keep(cat.id, INK)
    await settled()
    assert shelf.changes == []

    house.worker.say(worker_ready())
    await settled()
    assert drawings.counts == {"dog": 1, "cat": 1}
    assert shelf.changes[-1].classes == (DOG, cat)
    assert sum(len(each.keep) for each in shelf.changes) == 1


@on_a_loop
async def test_what_cannot_be_kept_is_said_and_tried_again() -> None:
    shelf = Shelf()
    shelf.denied = True
    _, drawings = await opened(shelf)
    drawings.add_class("cat")
    await settled()
    assert drawings.problem == "No storage."
    shelf.denied = False
    drawings.add_class("dog")
    await settled()
    assert drawings.problem is None
    assert [len(each.classes) for each in shelf.changes] == [1, 2]


@on_a_loop
async def test_a_removed_drawing_comes_back_to_its_place() -> None:
    shelf = Shelf(OLD, classes=(DOG,))
    _, drawings = await opened(shelf)
    drawings.keep(DOG.id, INK)
    drawings.remove(OLD.id)
    assert drawings.counts == {"dog": 1}
    drawings.bring_back()
    assert drawings.of(DOG)[0] == OLD
    await settled()
    assert (shelf.changes[-2].remove, shelf.changes[-1].keep) == ((OLD.id,), (OLD,))
    drawings.bring_back()
    assert drawings.counts == {"dog": 2}


@on_a_loop
async def test_a_removed_class_comes_back_with_its_drawings() -> None:
    _, drawings = await opened(Shelf(OLD, classes=(DOG,)))
    cat = drawings.add_class("cat")
    drawings.remove_class(DOG.id)
    assert (drawings.counts, drawings.all) == ({"cat": 0}, {})
    drawings.bring_back()
    assert drawings.classes == (DOG, cat)
    assert drawings.counts == {"dog": 1, "cat": 0}


@on_a_loop
async def test_a_class_is_renamed_and_keeps_its_drawings() -> None:
    _, drawings = await opened(Shelf(OLD, classes=(DOG,)))
    drawings.rename(DOG.id, "wolf")
    drawings.rename(DOG.id, "wolf")
    assert drawings.counts == {"wolf": 1}


@on_a_loop
async def test_a_name_must_be_there_and_be_free() -> None:
    _, drawings = await opened(Shelf(OLD, classes=(DOG,)))
    for name, words in ((" ", "needs a name"), ("x" * 201, "200"), ("dog", "already")):
        with pytest.raises(DataError, match=words):
            drawings.add_class(name)
    assert drawings.classes == (DOG,)


@on_a_loop
async def test_a_recipe_is_checked_against_the_drawings_that_there_are() -> None:
    house, drawings = await opened(Shelf())
    recipe = {"recipe": 1, "data": {"source": "drawings"}, "training": {"batch_size": 2}}
    with pytest.raises(ConfigurationError, match="no drawings yet"):
        house.operations.start(recipe)
    cat, dog = drawings.add_class("cat"), drawings.add_class("dog")
    for _ in range(3):
        drawings.keep(cat.id, INK)
    with pytest.raises(ConfigurationError, match='"dog" has 0 examples'):
        house.operations.start(recipe)
    for _ in range(3):
        drawings.keep(dog.id, INK)
    assert house.operations.start(recipe).recipe["data"] == {
        "source": "drawings",
        "size": 16,
        "split": {"train": 0.8, "validation": 0.1, "test": 0.1},
    }


@on_a_loop
async def test_drawings_are_with_the_kitchen_before_a_training_on_them_begins() -> None:
    house, drawings = await opened(Shelf())
    for name in ("cat", "dog"):
        drawn = drawings.add_class(name)
        for _ in range(3):
            drawings.keep(drawn.id, INK)
    house.operations.start(
        {"recipe": 1, "data": {"source": "drawings"}, "training": {"batch_size": 2}}
    )
    await settled()
    tags = [each.message.tag for each in house.worker.orders]
    assert tags.count("CHANGE_DRAWINGS") == 8
    assert "CHANGE_DRAWINGS" not in tags[tags.index("INIT_TRAINING") :]

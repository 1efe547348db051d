"""The visitor's drawings in the worker: kept, made into data, and kept with the runs on them."""

from __future__ import annotations

from typing import Any

from backburner.core.drawing import SIDE, Bitmap
from backburner.core.errors import StorageDenied
from backburner.core.messages import (
    ChangeDrawings,
    ClearRun,
    Dispose,
    Drawing,
    DrawingsChanged,
    DrawingsRead,
    DrawnClass,
    InitTraining,
    ModelReady,
    ReadDrawings,
    Refused,
    StartTraining,
    StopTraining,
)
from backburner.worker.storage import Row
from tests.loops import on_a_loop
from tests.worker.makers import Talk

CAT, DOG = DrawnClass(id="c-1", name="cat"), DrawnClass(id="c-2", name="dog")
RECIPE: dict[str, object] = {
    "recipe": 1,
    "data": {"source": "drawings", "size": 8},
    "training": {"epochs": 400, "batch_size": 2},
}


def drawing(number: int, drawn: DrawnClass) -> Drawing:
    ink = Bitmap((number,) * SIDE).to_text()
    return Drawing(id=f"d-{number}", class_id=drawn.id, created=1_000.0 + number, ink=ink)


CATS = tuple(drawing(number, CAT) for number in (1, 2, 3, 7, 8, 9))
DOGS = tuple(drawing(number, DOG) for number in (4, 5, 6, 10, 11, 12))
ALL = ChangeDrawings(classes=(CAT, DOG), keep=(*DOGS, *CATS))


async def refusal(talk: Talk, order: Any, operation: str | None = "op-1") -> str:
    answer = await talk.ask(order, operation)
    assert isinstance(answer, Refused), answer
    return answer.error.message


async def read(talk: Talk) -> DrawingsRead:
    answer = await talk.ask(ReadDrawings(), None)
    assert isinstance(answer, DrawingsRead)
    return answer


@on_a_loop
async def test_what_was_kept_is_read_by_the_next_worker() -> None:
    talk = Talk()
    assert await read(talk) == DrawingsRead(classes=(), drawings=())
    assert await talk.ask(ALL, None) == DrawingsChanged()
    change = ChangeDrawings(
        classes=(DOG,), remove=tuple(each.id for each in CATS), remove_classes=(CAT.id,)
    )
    await talk.ask(change, None)
    assert await read(Talk(talk.database)) == DrawingsRead(classes=(DOG,), drawings=DOGS)


@on_a_loop
async def test_a_class_of_another_tab_stays_when_this_one_knows_nothing_of_it() -> None:
    here = Talk()
    there = Talk(here.database)
    await here.ask(ChangeDrawings(classes=(CAT,)), None)
    await there.ask(ChangeDrawings(classes=(DOG,)), None)
    assert (await read(here)).classes == (DOG, CAT)
    await there.ask(ChangeDrawings(classes=(), remove_classes=(DOG.id,)), None)
    assert (await read(here)).classes == (CAT,)


@on_a_loop
async def test_a_torn_drawing_costs_no_other() -> None:
    talk = Talk()
    await talk.ask(ALL, None)
    rows = talk.database.stores["drawings"]
    rows["drawing d-4"] = Row(text=rows["drawing d-4"].text + " ", sha256="00" * 32)
    left = [each.id for each in (await read(talk)).drawings]
    assert left == [f"d-{number}" for number in range(1, 13) if number != 4]


@on_a_loop
async def test_a_training_learns_from_the_drawings_class_by_class() -> None:
    talk = Talk()
    await talk.ask(ALL, None)
    ready = await talk.ask(InitTraining(recipe=RECIPE))
    assert isinstance(ready, ModelReady)
    data = talk.kitchen.trainings[0].dataset
    assert (data.classes, data.shape) == (("cat", "dog"), (8, 8, 1))
    assert data.labels == (0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1)
    assert data.inputs[:2] == bytes([4, 0])
    assert data.scale == 1 / 16


@on_a_loop
async def test_without_enough_drawings_the_class_is_named() -> None:
    talk = Talk()
    order = InitTraining(recipe=RECIPE)
    assert "no drawings yet" in await refusal(talk, order)
    await talk.ask(ChangeDrawings(classes=(CAT,), keep=CATS), None)
    assert 'only one class of drawings, "cat"' in await refusal(talk, order)
    await talk.ask(ChangeDrawings(classes=(CAT, DOG), keep=DOGS[:1]), None)
    assert '"dog" has only 1 example' in await refusal(talk, order)


@on_a_loop
async def test_a_run_goes_on_with_the_drawings_that_it_began_with() -> None:
    talk = Talk()
    await talk.ask(ALL, None)
    await talk.ask(InitTraining(recipe=RECIPE))
    began = talk.kitchen.trainings[0].dataset
    talk.send(StartTraining())
    await talk.ask(StopTraining())
    await talk.ask(Dispose())
    await talk.ask(ChangeDrawings(classes=(CAT,), remove=("d-1", "d-4")), None)
    assert isinstance(await talk.ask(InitTraining()), ModelReady)
    assert talk.kitchen.trainings[-1].dataset == began


@on_a_loop
async def test_a_run_whose_drawings_are_gone_is_refused_by_name() -> None:
    talk = Talk()
    await talk.ask(ALL, None)
    await talk.ask(InitTraining(recipe=RECIPE))
    digest = talk.kitchen.trainings[0].dataset.digest
    await talk.ask(Dispose())
    talk.database.stores["datasets"].clear()
    assert f"data {digest[:8]}" in await refusal(talk, InitTraining())


@on_a_loop
async def test_the_data_goes_with_the_last_run_that_used_it() -> None:
    talk = Talk()
    await talk.ask(ALL, None)
    for name in ("op-1", "op-2"):
        await talk.ask(InitTraining(recipe=RECIPE), name)
    assert len(talk.database.stores["datasets"]) == 1
    await talk.ask(ClearRun(), "op-1")
    assert len(talk.database.stores["datasets"]) == 1
    await talk.ask(ClearRun(), "op-2")
    assert talk.database.stores["datasets"] == {}


@on_a_loop
async def test_drawings_that_cannot_be_stored_can_be_learned_from_all_the_same() -> None:
    talk = Talk()
    talk.database.denied = StorageDenied("No storage here.")
    assert "No storage here." in await refusal(talk, ALL, None)
    assert len((await read(talk)).drawings) == 12
    assert isinstance(await talk.ask(InitTraining(recipe=RECIPE)), ModelReady)
    talk.database.denied = None
    await talk.ask(ChangeDrawings(classes=(CAT, DOG)), None)
    assert len((await read(Talk(talk.database))).drawings) == 12

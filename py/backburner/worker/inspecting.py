"""Looks inside a model for the page: its filters, what its layers put out, all of its answers.

Works between the steps of a training and changes nothing of it. Filters and activations are read
at once and made into pictures layer by layer, with a turn for everybody else after each. A whole
part is asked about in batches, and all answers have to be of one moment; so a training under way
stands still meanwhile (`Job.looked_at`), while orders are heard as ever. It costs the training
nothing more: one thread does both, and takes as long for them in whichever order. A copy of the
weights would cost their memory once more, and on a plan, whose weights lie in one place, a copy
there and back for every batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast, get_args

from backburner.core.errors import DataError, InterfaceError
from backburner.core.examination import Answer, Examination
from backburner.core.messages import (
    ActivationsRead,
    ExaminePart,
    ExamplesRead,
    FiltersRead,
    PartExamined,
    ReadActivations,
    ReadExamples,
    ReadFilters,
    Sheet,
)
from backburner.engine.data import Part
from backburner.engine.inspection import (
    Form,
    Piece,
    activation_pieces,
    filter_banks,
    filter_pieces,
)
from backburner.worker.examples import check_index, example_numbers, pixels
from backburner.worker.jobs import Job
from backburner.worker.kitchen import Kitchen
from backburner.worker.trials import in_time


class Inspector:
    """One for all operations. Questions that come together are answered side by side."""

    def __init__(self, kitchen: Kitchen) -> None:
        self._kitchen = kitchen

    async def filters(self, job: Job, order: ReadFilters) -> tuple[FiltersRead, bytes]:
        """The filters of the weights of now. Raises InterfaceError for an unknown form."""
        form, training = _form(order.form), job.training
        step = training.step
        banks = filter_banks(training.spec)
        names = [name for bank in banks for name in bank.names]
        parameters = await in_time(training.executor.read_parameters(names), job.backend)
        sheets, data = await self._gathered(filter_pieces(banks, parameters, form))
        return FiltersRead(step=step, sheets=sheets), data

    async def activations(self, job: Job, order: ReadActivations) -> tuple[ActivationsRead, bytes]:
        """What the layers of now put out for an example. Raises DataError for one that is none."""
        form, training = _form(order.form), job.training
        example = order.input
        if order.example is not None:
            example = example_numbers(training, order.example)
        step = training.step
        outputs = await in_time(training.activations(example), job.backend)
        sheets, data = await self._gathered(activation_pieces(outputs, form))
        return ActivationsRead(step=step, sheets=sheets), data

    async def examine(self, job: Job, order: ExaminePart) -> tuple[PartExamined, bytes]:
        """The answers about every example of a part, all of one step.

        Raises DataError for a part that is none and for a model that has no one answer about an
        example.
        """
        training, part = job.training, _part(order.part)
        if training.spec.positions is not None:
            raise DataError(
                "This model answers at each position of a text, not once for an example, so there "
                "is no table of what it takes for what.",
                key="what",
            )
        async with job.looked_at():
            return await self._examined(job, part)

    def examples(self, job: Job, order: ReadExamples) -> tuple[ExamplesRead, bytes]:
        """The pixels of examples. Raises DataError for an unknown index."""
        for index in order.examples:
            check_index(job.training.dataset, index)
        return ExamplesRead(examples=order.examples), pixels(job.training.dataset, order.examples)

    # --- inside ------------------------------------------------------------------------

    async def _examined(self, job: Job, part: Part) -> tuple[PartExamined, bytes]:
        training, clock_ms = job.training, self._kitchen.clock_ms
        spent_ms, began_ms = 0.0, clock_ms()
        evaluations = training.evaluation(part)
        while True:
            evaluation = await in_time(anext(evaluations), job.backend)
            spent_ms += clock_ms() - began_ms
            if evaluation.done:
                break
            await self._kitchen.turn()
            began_ms = clock_ms()
        answers = tuple(
            Answer(
                index=each.index,
                label=each.label,
                predicted=each.predicted,
                confidence=each.confidence,
            )
            for each in evaluation.predictions
        )
        message = PartExamined(
            part=part,
            step=training.step,
            count=evaluation.count,
            loss=evaluation.loss,
            took_ms=spent_ms,
        )
        return message, Examination(answers).to_bytes()

    async def _gathered(self, pieces: Iterable[Piece]) -> tuple[tuple[Sheet, ...], bytes]:
        """All pieces, made one at a time while others have their turns in between."""
        sheets: list[Sheet] = []
        data: list[bytes] = []
        for sheet, numbers in pieces:
            sheets.append(sheet)
            data.append(numbers)
            await self._kitchen.turn()
        return tuple(sheets), b"".join(data)


def _form(name: str) -> Form:
    if name not in get_args(Form):
        raise InterfaceError(f'There is no form "{name}": there are pictures and numbers.')
    return cast(Form, name)


def _part(name: str) -> Part:
    if name not in get_args(Part):
        raise DataError(
            f'There is no part "{name}": the parts are train, validation and test, and kept in a '
            "fine-tuning.",
            key="part",
        )
    return cast(Part, name)

"""The protocol: every message there and back, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core import messages as m
from backburner.core.backends import Trial
from backburner.core.errors import (
    BadField,
    LocalProtocolError,
    NotJson,
    ProtocolError,
    RemoteProtocolError,
    UnknownTag,
)
from backburner.core.wire import Envelope, decode, encode, request_of

GOLDEN = Path(__file__).parent.parent / "data" / "messages-1.jsonl"

SCORE = m.Score(loss=0.25, accuracy=0.9)
FAULT = m.Fault(name="DataError", message="Too small.", key="data")

# What a field that was added later holds in the older lines' samples.
DEFAULTS: tuple[object, ...] = (None, "", 0, False, [], "worker")

EPOCH_END = m.EpochEnd(epoch=1, step=45, loss=1.0, accuracy=0.5, validation=SCORE)
MODEL_READY = m.ModelReady(
    layers=(m.LayerFacts(name="dense_1", type="dense", shape=(10,), parameters=650),),
    parameters=650,
    input_shape=(8, 8, 1),
    classes=("0", "1"),
    steps=450,
    epochs=10,
    sizes={"train": 1438, "validation": 180, "test": 179},
    examples=(3, 14),
    labels=("0", "1"),
    data_sha256="ab" * 32,
)
PROGRESS = m.TrainingProgressed(
    epoch=1,
    epochs=10,
    step=45,
    steps=450,
    loss=0.5,
    accuracy=0.75,
    samples_per_s=400.5,
    ms_per_step=80.0,
    elapsed_s=3.5,
    eta_s=32.5,
    points=(m.Point(step=44, loss=0.75, accuracy=0.5), m.Point(step=45, loss=0.5, accuracy=1)),
    epoch_ends=(EPOCH_END,),
    validation=SCORE,
)
STOPPED_EARLY = m.StoppedEarly(epoch=6, best_epoch=3, monitor="validation_loss", best=0.25)
STORED_RUN = m.StoredRun(
    id="op-1",
    kind="train",
    name="first",
    recipe={"recipe": 1, "seed": 7},
    status="failed",
    created=1_700_000_000.5,
    epochs=10,
    started=1_700_000_001.0,
    finished=1_700_000_031.0,
    backend="wasm",
    kernels="stock",
    mode="worker",
    progress=PROGRESS,
    last_epoch=EPOCH_END,
    test=SCORE,
    error=FAULT,
    checkpoint=45,
    redone=3,
    data_sha256="ab" * 32,
    parameters=650,
)

SINCE_THE_CHOICE: dict[str, Any] = {
    "backend": "wasm",
    "kernels": "simd",
    "executor": "plan",
    "recipe_sha256": "cd" * 32,
    "version": "0.1.0",
    "inexact": True,
    "measured": (
        Trial(backend="wasm", ms_per_step=3.5, ms_per_evaluation=1.5),
        Trial(backend="webgl", problem="no adapter"),
    ),
    "promised_s": 1.5,
    "promised_bytes": 1_000_000,
}

NETWORK: dict[str, object] = {"layers": [], "input_shape": [8, 8, 1], "classes": ["0", "1"]}
TEXT_FIGURES = m.TextFigures(characters=5, distinct=4, entropy_bits=1.9, surprise_bits=2.5)
WRITING = m.GenerationProgressed(
    characters=120,
    length=200,
    characters_per_s=900.5,
    elapsed_s=0.125,
    eta_s=0.0625,
    statistics=TEXT_FIGURES,
    text="to be",
)
COMPARISON = m.Comparison(
    before=m.OldAndNew(
        old=m.Measured(accuracy=0.95, loss=0.25, count=179),
        new=m.Measured(accuracy=0.0, loss=None, count=6),
    ),
    after=m.OldAndNew(old=m.Measured(accuracy=0.75, loss=0.5, count=179), new=None),
)
SINCE_THE_KINDS: dict[str, Any] = {
    "base": "op-0",
    "after": "op-0",
    "datasets": ("ab" * 32,),
    "network": NETWORK,
    "trained_parameters": 10,
    "comparison": COMPARISON,
    "writing": WRITING,
    "text": "to be",
}
BASELINE = m.Baseline(part="test", unigram=4.5, bigram=3.75)

CAT = m.DrawnClass(id="c-1", name="cat")
DRAWING = m.Drawing(id="d-1", class_id="c-1", created=1_700_000_000.5, ink="0" * 256)
SHEET = m.Sheet(
    layer="conv2d_1", shape=(3, 3, 1, 32), count=32, shown=16, height=3, width=3, most=0.5
)

# One row for every message type: the round-trip test and the golden file both use it.
SAMPLES: list[m.Message] = [
    m.InitTraining(recipe={"recipe": 1, "seed": 7}),
    m.StartTraining(),
    m.StopTraining(),
    m.Pause(),
    m.Resume(),
    m.Predict(input=[[0.0, 0.5], [1.0, 0.25]]),
    m.Predict(example=14),
    m.DescribeWeights(),
    m.Dispose(),
    m.Ping(),
    m.WorkerReady(
        backend="wasm",
        kernels="stock",
        start="plain",
        reason="no snapshot",
        stages={"python": 700},
        python="3.14.0",
        tensorflow="4.22.0",
    ),
    MODEL_READY,
    PROGRESS,
    m.TrainingCompleted(
        test=SCORE,
        guesses=(m.Guess(index=3, label="0", predicted="1", confidence=0.5),),
        elapsed_s=30.0,
    ),
    m.TrainingFailed(error=FAULT),
    m.Paused(step=3),
    m.Resumed(step=3),
    m.Stopped(step=9),
    m.Disposed(),
    m.Pong(
        backend="wasm",
        tensors=26,
        tensor_bytes=1000,
        python_bytes=31_000_000,
        proxies=None,
        models=1,
        running=0,
    ),
    m.PredictionResult(label="1", confidence=0.75, probabilities=(0.25, 0.75)),
    m.WeightsDescribed(
        step=450,
        sha256="cd" * 32,
        tensors=(m.TensorFacts(name="dense_1/bias", shape=(10,), sha256="ef" * 32),),
    ),
    m.Refused(error=FAULT),
    m.WorkerFaulted(message="out of memory", starting=False),
    m.Log(level="info", text="hello"),
    # From here on: what came with checkpoints. The lines above stay as older builds wrote them.
    m.InitTraining(recipe={"recipe": 1}, name="first", created=1_700_000_000.5, mode="main-thread"),
    m.InitTraining(),
    m.StartTraining(checkpoint=45),
    m.StopTraining(abort=True),
    m.ListRuns(),
    m.ReadCurves(),
    m.ClearRun(),
    m.LoadData(source="digits"),
    m.PartReported(part="tensorflow", state="failed", detail="not found"),
    replace(MODEL_READY, step=45, progress=PROGRESS, epoch_ends=(EPOCH_END,)),
    m.TrainingCompleted(test=None, guesses=(), elapsed_s=30.0, checkpoint=450),
    m.TrainingDispossessed(error=FAULT),
    m.Checkpointed(step=45, bytes=12_345, took_ms=1.5),
    m.CheckpointFailed(step=45, error=FAULT),
    m.Paused(step=3, checkpoint=3),
    m.Stopped(step=9, checkpoint=None),
    m.RunsListed(runs=(STORED_RUN,), problem=FAULT),
    m.CurvesRead(epoch_ends=(EPOCH_END,)),
    m.RunCleared(),
    m.DataLoaded(source="digits", examples=1_797),
    m.ReadDrawings(),
    m.ChangeDrawings(classes=(CAT,), keep=(DRAWING,), remove=("d-2",)),
    m.DrawingsRead(classes=(CAT,), drawings=(DRAWING,)),
    m.DrawingsChanged(),
    m.Bench(workload={"input": [6], "layers": []}, options={"rounds": 3}),
    m.BenchResult(
        backend="wasm",
        kernels="stock",
        executor="tape",
        ms_per_step=(3.5, 3.25),
        best_ms=(3.25, 3.0),
        steps=(286, 308),
        phases={"update": 0.5},
        plan=(
            m.PlanCall(
                phase="forward",
                layer="dense_1",
                kernel="conv2d",
                regions=("inputs 32x64", "dense_1 output 32x10"),
                bytes=9472,
                ms=0.25,
            ),
        ),
    ),
    # From here on: what came with the choice of a backend.
    m.InitTraining(recipe={"recipe": 1}, backend="webgl", without=("webgpu",)),
    m.PreparationReported(backend=None, needed_bytes=1_000_000, available_bytes=2**32),
    m.PreparationReported(backend="webgl", needed_bytes=1_000_000, available_bytes=2**32),
    replace(MODEL_READY, **SINCE_THE_CHOICE),
    m.RunsListed(runs=(replace(STORED_RUN, **{**SINCE_THE_CHOICE, "dropped": ("webgl",)}),)),
    # From here on: what came with texts.
    replace(MODEL_READY, **SINCE_THE_CHOICE, baselines=(BASELINE,)),
    m.RunsListed(runs=(replace(STORED_RUN, baselines=(BASELINE,)),)),
    # From here on: what came with early stopping.
    m.TrainingCompleted(test=None, guesses=(), elapsed_s=30.0, stopped_early=STOPPED_EARLY),
    m.RunsListed(runs=(replace(STORED_RUN, stopped_early=STOPPED_EARLY),)),
    # From here on: what came with looking inside.
    m.ReadFilters(form="numbers"),
    m.ReadActivations(input=[[0.0, 0.5], [1.0, 0.25]]),
    m.ReadActivations(example=14),
    m.ExaminePart(part="validation"),
    m.ReadExamples(examples=(14, 3)),
    m.FiltersRead(step=45, sheets=(SHEET,)),
    m.ActivationsRead(step=45, sheets=(SHEET, replace(SHEET, layer="conv2d_2", every=2))),
    m.PartExamined(part="test", step=45, count=179, loss=0.25, took_ms=12.5),
    m.ExamplesRead(examples=(14, 3)),
    # From here on: what came with operations that begin with a trained network.
    m.InitTraining(recipe={"recipe": 1}, after="op-0"),
    m.StartGeneration(),
    m.StartGeneration(checkpoint=120),
    replace(MODEL_READY, kept=0, network=NETWORK, trained_parameters=10),
    replace(MODEL_READY, step=120, kept=120, writing=WRITING),
    WRITING,
    m.GenerationCompleted(text="to be", statistics=TEXT_FIGURES, elapsed_s=0.5, checkpoint=5),
    m.TrainingCompleted(test=SCORE, guesses=(), elapsed_s=30.0, comparison=COMPARISON),
    m.RunsListed(runs=(replace(STORED_RUN, **SINCE_THE_KINDS),)),
]


def test_every_message_type_has_a_sample() -> None:
    assert {type(sample) for sample in SAMPLES} == set(m.BY_TAG.values())
    assert set(m.ANSWERS) == set(m.TO_WORKER)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.tag))
def test_a_message_comes_back_as_it_went(sample: m.Message) -> None:
    sent = Envelope(message=sample, generation=3, request="r1", operation="op-1")
    assert decode(encode(sent)) == sent


def test_every_line_of_the_golden_file_is_read_as_its_sample() -> None:
    # A line that cannot be read any more breaks pages and workers of different builds: raise
    # PROTOCOL_VERSION, keep the old file, and write a new one. A field may be added, if it has
    # a default: then the older lines stay as they are.
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    assert [decode(line).message for line in lines] == SAMPLES


def test_the_wire_format_is_the_one_in_the_golden_file() -> None:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    for sample, line in zip(SAMPLES, lines, strict=True):
        written = json.loads(line)
        sent = json.loads(encode(Envelope(message=sample, generation=1)))
        assert is_sent_so(written["body"], sent["body"]), line
        assert {**sent, "body": None} == {**written, "body": None}


def is_sent_so(written: Any, sent: Any) -> bool:
    """Whether it is what was written, but for fields that came later and hold their default."""
    if isinstance(sent, dict) and isinstance(written, dict):
        added = sent.keys() - written.keys()
        return all(sent[name] in DEFAULTS for name in added) and all(
            name in sent and is_sent_so(each, sent[name]) for name, each in written.items()
        )
    if isinstance(sent, list) and isinstance(written, list):
        return len(sent) == len(written) and all(map(is_sent_so, written, sent))
    return bool(written == sent)


def text(**changes: object) -> str:
    wire: dict[str, object] = {
        "v": 1,
        "tag": "PAUSED",
        "generation": 1,
        "request": "r9",
        "operation": "op-1",
        "body": {"step": 3},
    }
    return json.dumps({**wire, **changes})


@pytest.mark.parametrize(
    ("broken", "error", "key"),
    [
        ("", NotJson, "text"),
        ("[1, 2]", NotJson, "text"),
        ("{" * 10_000, NotJson, "text"),
        (b"{}", NotJson, "text"),
        (None, NotJson, "text"),
        (text(v=2), BadField, "v"),
        (text(tag="PAUSSED"), UnknownTag, "tag"),
        (text(tag=None), UnknownTag, "tag"),
        (text(tag=["PAUSED"]), UnknownTag, "tag"),
        (text(generation="1"), BadField, "generation"),
        (text(request=5), BadField, "request"),
        (text(body=None), BadField, "PAUSED"),
        (text(body={}), BadField, "PAUSED.step"),
        (text(body={"step": "3"}), BadField, "PAUSED.step"),
        (text(body={"step": True}), BadField, "PAUSED.step"),
        (text(body={"step": 1.5}), BadField, "PAUSED.step"),
        (text(body={"step": 3, "stepp": 4}), BadField, "PAUSED.stepp"),
        (text().replace("3", "NaN"), BadField, "PAUSED.step"),
        (text(tag="STOPPED", body=[3]), BadField, "STOPPED"),
        (text(body={"step": 10**400}), BadField, "PAUSED.step"),
        (text(generation=10**400), BadField, "generation"),
        (text(v=10**400), BadField, "v"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    broken: object, error: type[ProtocolError], key: str
) -> None:
    with pytest.raises(error) as refused:
        decode(broken)
    assert refused.value.key == key
    assert isinstance(refused.value, RemoteProtocolError)


def test_an_unknown_tag_is_told_the_nearest_one() -> None:
    with pytest.raises(UnknownTag, match="Did you mean"):
        decode(text(tag="START_TRAININGS"))


def test_a_number_that_json_cannot_carry_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError, match="PREDICT"):
        encode(Envelope(message=m.Predict(input=[float("nan")]), generation=1))
    with pytest.raises(LocalProtocolError):
        encode(Envelope(message=m.Predict(input=[object()]), generation=1))


def test_a_refused_text_still_names_its_request_where_it_can() -> None:
    assert request_of(text(tag="NOPE")) == ("r9", "op-1")
    assert request_of(text(request=1, operation=None)) == (None, None)
    assert request_of("not json") == (None, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(body=JSON, tag=st.sampled_from(sorted(m.BY_TAG)) | st.text(max_size=12))
def test_no_body_gets_past_the_border_half_read(body: object, tag: str) -> None:
    try:
        envelope = decode(text(tag=tag, body=body))
    except ProtocolError:
        return
    assert decode(encode(envelope)) == envelope


def test_what_was_forgotten_is_the_accuracy_that_is_gone() -> None:
    assert COMPARISON.forgotten == pytest.approx(0.2)
    assert replace(COMPARISON, before=None).forgotten is None
    assert replace(COMPARISON, after=m.OldAndNew(old=None, new=None)).forgotten is None

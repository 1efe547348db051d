"""The checkpoint's file: written, read back, and every way in which it can be wrong."""

from __future__ import annotations

import json
import random
import struct
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backburner.core.errors import (
    BackburnerError,
    Damaged,
    DataError,
    NewerStorage,
    RecipeError,
)
from backburner.core.recipe import Recipe
from backburner.engine import safetensors
from backburner.engine.checkpoint import Checkpoint, describe_weights, recipe_sha256
from backburner.engine.safetensors import Numbers

DATA = Path(__file__).parent.parent / "data"


def numbers(*shape: int, start: float = 0.0) -> Numbers:
    count = 1
    for side in shape:
        count *= side
    values = array("f", [start + i / 8 for i in range(count)])
    return Numbers(shape=shape, data=values.tobytes())


PARAMETERS = {
    "conv2d_1/kernel": numbers(3, 3, 1, 2),
    "conv2d_1/bias": numbers(2, start=5),
    "dense_1/kernel": numbers(4, 2, start=-3),
}
STATE = {
    f"{name}/{slot}": numbers(*each.shape, start=9)
    for name, each in PARAMETERS.items()
    for slot in ("m", "v")
}
SHAPES = {name: each.shape for name, each in PARAMETERS.items()}
STATE_SHAPES = {name: each.shape for name, each in STATE.items()}
CHECKPOINT = Checkpoint(
    step=45,
    optimizer="adam",
    recipe_sha256="ab" * 32,
    data_sha256="cd" * 32,
    backend="wasm",
    kernels="stock",
    parameters=PARAMETERS,
    state=STATE,
)


def test_a_checkpoint_comes_back_as_it_was() -> None:
    file = CHECKPOINT.to_bytes()
    assert Checkpoint.from_bytes(file) == CHECKPOINT
    assert CHECKPOINT.to_bytes() == file, "the same state gives the same bytes"


def test_a_file_of_the_first_version_is_still_read() -> None:
    # Written before checkpoints named their executor. It stays as it is for ever.
    found = Checkpoint.from_bytes((DATA / "checkpoint-1.safetensors").read_bytes())
    assert found == replace(CHECKPOINT, version="0.1.0", executor="tape")


def test_the_file_is_what_safetensors_says() -> None:
    file = CHECKPOINT.to_bytes()
    (length,) = struct.unpack("<Q", file[:8])
    assert (8 + length) % 8 == 0
    text = file[8 : 8 + length]
    assert text.startswith(b"{")
    header = json.loads(text)
    metadata = header.pop("__metadata__")
    assert metadata["step"] == "45"
    assert metadata["weights_sha256"] == describe_weights(PARAMETERS)["sha256"]
    assert set(header) == {*PARAMETERS, *(f"optimizer/{name}" for name in STATE)}
    end = 0
    for name, entry in header.items():
        assert entry["dtype"] == "F32"
        assert entry["data_offsets"][0] == end
        end = entry["data_offsets"][1]
        if name in PARAMETERS:
            start = 8 + length + entry["data_offsets"][0]
            assert file[start : 8 + length + end] == PARAMETERS[name].data
    assert 8 + length + end == len(file)


def test_a_file_from_before_there_were_two_executors_is_of_the_tape() -> None:
    file = replace(CHECKPOINT, executor="plan").to_bytes()
    assert Checkpoint.from_bytes(file).executor == "plan"
    header = header_of(file)
    del header["__metadata__"]["executor"]
    older = with_header(file, json.dumps(header).encode())
    assert Checkpoint.from_bytes(older) == replace(CHECKPOINT, executor="tape")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_numbers_are_finite_unless_one_of_them_is_not(wrong: float) -> None:
    large = array("f", [0.0, -3.4e38, 3.4e38, 1e-40])
    assert Numbers(shape=(4,), data=large.tobytes()).are_finite()
    assert Numbers(shape=(0,), data=b"").are_finite()
    for place in range(4):
        large[place], kept = wrong, large[place]
        assert not Numbers(shape=(4,), data=large.tobytes()).are_finite()
        large[place] = kept


def test_arrays_of_one_number_and_of_none_are_arrays_too() -> None:
    arrays = {"one": numbers(), "none": numbers(0, 3), "two": numbers(2)}
    assert safetensors.from_bytes(safetensors.to_bytes(arrays, {})) == (arrays, {})


def test_every_truncation_is_damaged() -> None:
    file = CHECKPOINT.to_bytes()
    for length in range(len(file)):
        with pytest.raises(Damaged):
            Checkpoint.from_bytes(file[:length])
    with pytest.raises(Damaged):
        Checkpoint.from_bytes(file + b"\0")


def test_a_changed_byte_is_refused_or_changes_no_weight() -> None:
    # Without the record's checksum: what the file alone can tell. Its optimizer state has none
    # of its own, and words of its metadata can be other words.
    file = CHECKPOINT.to_bytes()
    randomness = random.Random(7)
    for _ in range(3_000):
        changed = bytearray(file)
        for _ in range(randomness.choice([1, 1, 1, 2, 8])):
            changed[randomness.randrange(len(file))] = randomness.randrange(256)
        try:
            found = Checkpoint.from_bytes(bytes(changed))
        except (Damaged, NewerStorage):
            continue
        assert found.parameters == PARAMETERS


def header_of(file: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<Q", file[:8])
    header: dict[str, Any] = json.loads(file[8 : 8 + length])
    return header


def with_header(file: bytes, text: bytes) -> bytes:
    (length,) = struct.unpack("<Q", file[:8])
    return struct.pack("<Q", len(text)) + text + file[8 + length :]


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "F16"},
        {"dtype": 5},
        {"shape": [4]},
        {"shape": [-1, -2]},
        {"shape": [2.0]},
        {"shape": [True, 2]},
        {"shape": None},
        {"shape": [2**64, 2**64]},
        {"data_offsets": [0, 8]},
        {"data_offsets": [72, 2**70]},
        {"data_offsets": [80, 72]},
        {"data_offsets": [72]},
        {"data_offsets": "72"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_header_that_does_not_describe_the_file_is_damaged(change: dict[str, Any]) -> None:
    file = CHECKPOINT.to_bytes()
    header = header_of(file)
    header["conv2d_1/bias"] = {**header["conv2d_1/bias"], **change}
    with pytest.raises(Damaged):
        Checkpoint.from_bytes(with_header(file, json.dumps(header).encode()))


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"5", b"{", b"[" * 100_000, b"\xff\xfe", b'{"__metadata__": 5}', b'{"a": 1}',
     b'{"__metadata__": {"step": 5}}', b'{"a": {}, "a": {}}', b"{}"],
)  # fmt: skip
def test_a_header_that_is_none_is_damaged(text: bytes) -> None:
    with pytest.raises(Damaged):
        Checkpoint.from_bytes(with_header(CHECKPOINT.to_bytes(), text))
    with pytest.raises(Damaged):
        Checkpoint.from_bytes(struct.pack("<Q", len(text)) + text)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("format", "cake", Damaged),
        ("schema", "2", NewerStorage),
        ("schema", "x", Damaged),
        ("schema", "²", Damaged),
        ("step", "-1", Damaged),
        ("step", "9" * 400, Damaged),
        ("step", None, Damaged),
        ("optimizer", None, Damaged),
        ("weights_sha256", "00" * 32, Damaged),
    ],
)
def test_metadata_that_cannot_be_is_refused(
    name: str, value: str | None, error: type[BackburnerError]
) -> None:
    file = CHECKPOINT.to_bytes()
    header = header_of(file)
    header["__metadata__"][name] = value
    if value is None:
        del header["__metadata__"][name]
    with pytest.raises(error):
        Checkpoint.from_bytes(with_header(file, json.dumps(header).encode()))


def test_other_data_is_refused_by_name_and_before_another_recipe() -> None:
    own = {"recipe_sha256": "ab" * 32, "data_sha256": "cd" * 32, "data": "digits"}
    CHECKPOINT.check_belongs_to(**own)
    for recipe in ("ab" * 32, "99" * 32):
        other = {**own, "recipe_sha256": recipe, "data_sha256": "ef" * 32}
        with pytest.raises(DataError, match=r"holds data cdcdcdcd.*this is digits efefefef"):
            CHECKPOINT.check_belongs_to(**other)
    with pytest.raises(RecipeError, match="another recipe"):
        CHECKPOINT.check_belongs_to(**{**own, "recipe_sha256": "99" * 32})


def test_arrays_that_are_not_the_models_are_damaged() -> None:
    CHECKPOINT.check_fits(parameters=SHAPES, state=STATE_SHAPES)
    lacking = {name: shape for name, shape in SHAPES.items() if name != "conv2d_1/bias"}
    for parameters, state in (
        (lacking, STATE_SHAPES),
        ({**SHAPES, "dense_2/bias": (3,)}, STATE_SHAPES),
        ({**SHAPES, "conv2d_1/bias": (1, 2)}, STATE_SHAPES),
        (SHAPES, {}),
    ):
        with pytest.raises(Damaged):
            CHECKPOINT.check_fits(parameters=parameters, state=state)


def test_a_recipes_sha256_is_of_what_it_computes_and_not_of_its_name() -> None:
    wire: dict[str, Any] = {"recipe": 1, "seed": 7, "training": {"epochs": 2}}
    plain = recipe_sha256(Recipe.from_wire(wire))
    assert recipe_sha256(Recipe.from_wire({**wire, "name": "first"})) == plain
    spelled_out = Recipe.from_wire(Recipe.from_wire(wire).to_wire())
    assert recipe_sha256(spelled_out) == plain
    for other in ({"seed": 8}, {"training": {"epochs": 3}}, {"model": {"preset": "tiny"}}):
        assert recipe_sha256(Recipe.from_wire({**wire, **other})) != plain


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({}, "6ae679e052e97966cb3d7381946734e2f896d4e363d03632588f97fc93106a56"),
        (
            {"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": 1},
            "86873163050fdcb1fe4d8a168fb0c01e7a3a3c8146fc49b47b7a561ae1799bba",
        ),
    ],
    ids=["adam", "sgd"],
)
def test_a_recipe_of_an_older_version_has_the_hash_that_it_had(
    training: dict[str, Any], expected: str
) -> None:
    # It stands in kept checkpoints, and a run with another one is not taken up again.
    layers: list[dict[str, Any]] = [
        {"type": "conv2d", "filters": 4, "kernel_size": 3},
        {"type": "max_pooling2d"},
        {"type": "dropout", "rate": 0.25},
        {"type": "flatten"},
        {"type": "dense", "units": 10},
    ]
    wire = {"recipe": 1, "seed": 7, "model": {"layers": layers}, "training": training}
    assert recipe_sha256(Recipe.from_wire(wire)) == expected


def test_a_checkpoint_names_where_it_was_computed() -> None:
    file = replace(CHECKPOINT, backend="webgl", kernels="simd").to_bytes()
    found = Checkpoint.from_bytes(file)
    assert (found.backend, found.kernels) == ("webgl", "simd")
    assert found.version == "0.1.0"

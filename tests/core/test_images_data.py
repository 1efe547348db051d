"""Pictures from files: their sizes, their classes, and what is refused before it is unpacked."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.errors import DataError, RecipeError
from backburner.core.image_header import image_size
from backburner.core.images_data import ImagesData
from backburner.core.operation import brief_recipe
from backburner.core.recipe import Recipe
from backburner.engine.data import Dataset
from tests.core.images import image, images, png

# A photograph's file begins with segments of other things; this one has a comment before the frame.
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xfe\x00\x06abcd\xff\xff\xc2\x00\x11\x08" + struct.pack(">HH", 480, 640) + b"\x03"
)
WEBP = b"RIFF\x00\x00\x00\x00WEBP"
HEADERS = {
    "png": (png(12, 8), (12, 8)),
    "gif": (b"GIF89a" + struct.pack("<HH", 300, 20), (300, 20)),
    "jpeg": (JPEG, (640, 480)),
    "webp lossy": (
        WEBP + b"VP8 " + bytes(7) + b"\x9d\x01\x2a" + struct.pack("<HH", 64, 48),
        (64, 48),
    ),
    "webp lossless": (
        WEBP + b"VP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 99 | 49 << 14),
        (100, 50),
    ),
    "webp extended": (WEBP + b"VP8X" + bytes(8) + b"\xff\x03\x00\xff\x01\x00", (1024, 512)),
}


def recipe(listed: Any, **options: Any) -> Recipe:
    return Recipe.from_wire(
        {
            "recipe": 1,
            "data": {"source": "images", "images": listed, **options},
            "model": {"layers": [{"type": "flatten"}]},
            "training": {"batch_size": 2},
        }
    )


def refusal(listed: Any, **options: Any) -> Any:
    with pytest.raises((DataError, RecipeError)) as caught:
        recipe(listed, **options)
    return caught.value


@pytest.mark.parametrize("name", HEADERS)
def test_the_size_is_read_from_the_beginning_of_a_file(name: str) -> None:
    content, size = HEADERS[name]
    assert image_size(content) == size


@pytest.mark.parametrize("name", HEADERS)
def test_a_file_that_ends_before_its_size_has_none(name: str) -> None:
    content, _ = HEADERS[name]
    for length in (0, 3, 9):
        assert image_size(content[:length]) is None


@given(st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n", WEBP]), st.binary())
def test_whatever_follows_is_a_size_or_none(start: bytes, rest: bytes) -> None:
    found = image_size(start + rest)
    assert found is None or min(found) >= 0


def test_labels_become_classes_and_the_recipe_comes_back() -> None:
    read = recipe(images(5), size=16, channels=1)
    assert isinstance(read.data, ImagesData)
    assert read.data.classes == ("blue", "red")
    assert read.data.counts == (5, 5)
    assert read.data.input_shape == (16, 16, 1)
    assert Recipe.from_wire(read.to_wire()) == read


def test_snapshots_and_records_only_count_them() -> None:
    brief = brief_recipe(recipe(images(5)).to_wire())
    data: Any = brief["data"]
    assert data["examples"] == 10
    assert "images" not in data


def test_the_dataset_holds_them_in_their_order() -> None:
    data = recipe(images(4), size=8).data
    assert isinstance(data, ImagesData)
    dataset = Dataset.from_images([bytes([at]) * 192 for at in range(8)], data)
    assert dataset.shape == (8, 8, 3)
    assert dataset.labels == (1, 0) * 4
    assert dataset.inputs[192] == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"%PDF-1.7", "no picture that can be read here"),
        (b"<svg/>", "PNG, JPEG, GIF or WebP"),
        (png()[:12], "no picture that can be read here"),
        (b"GIF89a" + struct.pack("<HH", 0, 20), "no picture that can be read here"),
        (png()[:16] + struct.pack(">II", 20_000, 20_000), "20,000 by 20,000 pixels"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_its_name(content: bytes, words: str) -> None:
    listed = [*images(4), image(content, "red", name="holiday.jpg")]
    error = refusal(listed)
    assert error.key == "data.images[8].data"
    assert "holiday.jpg" in error.message
    assert words in error.message


def test_without_a_name_a_file_is_refused_by_its_place() -> None:
    error = refusal([*images(1), image(b"", "red")])
    assert "data.images[2]" in error.message


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"label": ""}, "data.images[0].label"),
        ({"label": 3}, "data.images[0].label"),
        ({"name": 3}, "data.images[0].name"),
        ({"data": "%%%"}, "data.images[0].data"),
        ({"file": "x"}, "data.images[0].file"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_place(change: dict[str, Any], key: str) -> None:
    first, *others = images(4)
    assert refusal([{**first, **change}, *others]).key == key


def test_pictures_of_one_class_only_are_refused() -> None:
    assert refusal([image(png(), "cat")] * 8).key == "data.classes"


@pytest.mark.parametrize(
    ("options", "key"), [({"size": 4}, "data.size"), ({"channels": 4}, "data.channels")]
)
def test_a_size_out_of_range_is_refused(options: dict[str, Any], key: str) -> None:
    assert refusal(images(4), **options).key == key

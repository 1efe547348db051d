from __future__ import annotations

import hashlib
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.engine.randomness import key
from tests.engine.laboratory import Laboratory


def golden() -> list[object]:
    """Values that must never change: runs of older versions depend on them."""
    long = json.dumps(key(5, "order").permutation(1000))
    return [
        key(7, "order", 3).bytes(8).hex(),
        list(key(7, "order", 3).words(3)),
        key(7, "order", 3).permutation(10),
        key(0, "dropout/dropout_1", 120).bytes(8).hex(),
        list(key(2**53 - 1, "initial/dense_1/kernel").words(2)),
        key(1, "x", 1).permutation(0),
        key(1, "x").permutation(1),
        hashlib.sha256(long.encode()).hexdigest(),
    ]


GOLDEN: list[object] = [
    "3387ea9702ed4809",
    [2548729651, 155774210, 867657827],
    [9, 3, 2, 6, 7, 4, 8, 1, 0, 5],
    "ff96eb0c8b578a3d",
    [2536070384, 4118636942],
    [],
    [0],
    "28f2677410824417d007fda9c0e9dd5de9d2f47722b63831db76aebaccb098fa",
]


def test_the_bits_are_the_ones_they_have_always_been() -> None:
    assert golden() == GOLDEN


@pytest.mark.browser
def test_the_bits_are_the_same_in_the_browser(laboratory: Laboratory) -> None:
    code = """
    import hashlib, json
    from backburner.engine.randomness import key
    async def main():
        long = json.dumps(key(5, "order").permutation(1000))
        return [
            key(7, "order", 3).bytes(8).hex(), key(7, "order", 3).words(3),
            key(7, "order", 3).permutation(10), key(0, "dropout/dropout_1", 120).bytes(8).hex(),
            key(2**53 - 1, "initial/dense_1/kernel").words(2), key(1, "x", 1).permutation(0),
            key(1, "x").permutation(1), hashlib.sha256(long.encode()).hexdigest(),
        ]
    """
    assert laboratory.run(code) == GOLDEN


def test_another_seed_purpose_or_step_gives_other_bits() -> None:
    keys = [key(1, "a", 0), key(2, "a", 0), key(1, "b", 0), key(1, "a", 1), key(11, "a")]
    assert len({k.bytes(16) for k in keys}) == len(keys)


def test_the_same_key_gives_the_same_bits_again_and_more_of_them_begin_the_same() -> None:
    k = key(3, "dropout")
    assert k.bytes(64) == k.bytes(64)
    assert k.bytes(64).startswith(k.bytes(16))


@given(st.integers(0, 2**53 - 1), st.integers(0, 300))
def test_a_permutation_has_every_number_once(seed: int, count: int) -> None:
    assert sorted(key(seed, "order").permutation(count)) == list(range(count))


def test_every_order_of_three_is_about_equally_likely() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for step in range(6000):
        order = tuple(key(0, "order", step).permutation(3))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert all(850 < count < 1150 for count in counts.values())


KERNEL = """
from backburner.engine.randomness import key

async def main(variant, count):
    await use("wasm")
    kernels = await kernels_of(variant)
    seed, bits = kernels.allocate(36), kernels.allocate(4 * count)
    wrong = []
    for step in range(60):
        words = key(step * 1_000_003, f"dropout/dropout_{step % 3}", step).seed_words()
        kernels.write(seed, words)
        some = count if step < 3 else 1 + 97 * step % count
        kernels.call("random_bits", seed, bits, some)
        expected = key(step * 1_000_003, f"dropout/dropout_{step % 3}", step).bytes(4 * some)
        if kernels.read(bits, 4 * some) != expected:
            wrong.append(step)
    kernels.free(seed)
    kernels.free(bits)
    return wrong
"""


@pytest.mark.browser
@pytest.mark.parametrize("variant", ["simd", "relaxed"])
def test_the_kernel_draws_the_same_bits(laboratory: Laboratory, variant: str) -> None:
    assert laboratory.run(KERNEL, variant=variant, count=5000) == []


@given(st.integers(0, 2**53 - 1), st.integers(0, 10**6))
def test_the_seed_s_words_are_the_number_that_seeds_python_s_generator(
    seed: int, step: int
) -> None:
    count, *words = key(seed, "dropout/dropout_1", step).seed_words()
    number = sum(word << 32 * place for place, word in enumerate(words))
    assert count == len(words)
    assert random.Random(number).randbytes(8) == key(seed, "dropout/dropout_1", step).bytes(8)

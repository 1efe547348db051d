"""A run's fingerprint: what its result follows from, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace

from backburner.core.fingerprint import Fingerprint
from tests.core.makers import operation

PRINT = Fingerprint(
    recipe_sha256="ab" * 32,
    data_sha256="cd" * 32,
    version="0.1.0",
    backend="wasm",
    kernels="simd",
    executor="plan",
)


def test_every_part_of_it_changes_it() -> None:
    changed = [replace(PRINT, **{each.name: "another"}) for each in fields(PRINT)]
    assert len({PRINT.short, *(each.short for each in changed)}) == 1 + len(changed)
    assert PRINT.as_dict()["sha256"].startswith(PRINT.short)


def test_a_run_has_it_as_soon_as_its_model_stood_and_whatever_it_is_called() -> None:
    known = {each.name: getattr(PRINT, each.name) for each in fields(PRINT)}
    assert operation().fingerprint is None
    assert operation(**known).fingerprint == PRINT
    assert operation("op-2", name="another", **known).fingerprint == PRINT
    assert operation(**{**known, "executor": None}).fingerprint is None
    assert operation(**known).snapshot()["fingerprint"] == PRINT.as_dict()

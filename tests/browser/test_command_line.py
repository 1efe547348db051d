"""`build.py run`: a recipe in, a result out, and an exit code that can be relied on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backburner_site import checkout
from tests.browser.conftest import TINY
from tests.browser.test_hook import DIVERGING

pytestmark = pytest.mark.browser


def run(
    tmp_path: Path, recipe: object, *options: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "recipe.json"
    file.write_text(recipe if isinstance(recipe, str) else json.dumps(recipe))
    return subprocess.run(
        [sys.executable, "-m", "backburner_site", "run", str(file), *options],
        env={**os.environ, "PYTHONPATH": str(checkout.PY), **environ},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_recipe_gives_its_result_as_json_twice_the_same(tmp_path: Path) -> None:
    results: list[dict[str, Any]] = []
    for name in ("a.json", "b.json"):
        ended = run(tmp_path, TINY, "--json", str(tmp_path / name))
        assert ended.returncode == 0, ended.stderr
        results.append(json.loads((tmp_path / name).read_text()))
    first, second = results
    assert first["operation"]["status"] == "completed"
    assert first["operation"]["test"] == second["operation"]["test"]
    assert first["history"] == second["history"]
    assert first["weights"] == second["weights"]


def test_the_backend_can_be_chosen(tmp_path: Path) -> None:
    recipe = {**TINY, "training": {"epochs": 1, "batch_size": 256}}
    ended = run(tmp_path, recipe, "--backend", "cpu")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["operation"]["backend"] == "cpu"


def test_a_training_that_fails_exits_with_1(tmp_path: Path) -> None:
    ended = run(tmp_path, DIVERGING)
    assert ended.returncode == 1
    assert "smaller learning rate" in ended.stderr


@pytest.mark.parametrize(
    "recipe",
    [
        "{",
        {"recipe": 1, "training": {"epochs": 0}},
        {"recipe": 2},
        {**TINY, "training": {"batch_size": 5_000}},
    ],
)
def test_a_bad_recipe_exits_with_2_before_any_browser(tmp_path: Path, recipe: object) -> None:
    assert run(tmp_path, recipe, BACKBURNER_BROWSER="/no/such/program").returncode == 2


def test_no_browser_exits_with_3(tmp_path: Path) -> None:
    ended = run(tmp_path, TINY, BACKBURNER_BROWSER="/no/such/program")
    assert ended.returncode == 3
    assert "BACKBURNER_BROWSER" in ended.stderr

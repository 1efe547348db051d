"""The canary's numbers are those that plain Python works out."""

from __future__ import annotations

import pytest

from backburner.engine.canary import parameters
from backburner.engine.canary_numbers import GRADIENTS, LOSS
from tests.engine.canary_reference import gradients_of, loss_of
from tests.engine.laboratory import Laboratory


def test_the_answers_are_those_of_the_reference() -> None:
    weights = {name: list(values) for name, (_, values) in parameters().items()}
    assert loss_of(weights) == pytest.approx(LOSS, abs=1e-8)
    found = gradients_of(weights)
    assert list(found) == list(GRADIENTS)
    for name, values in found.items():
        assert values == pytest.approx(GRADIENTS[name], abs=1e-7)


def test_every_gradient_counts() -> None:
    assert all(abs(each) > 1e-4 for values in GRADIENTS.values() for each in values)


LYING = """
from backburner.engine.canary import check_canary
from backburner.core.errors import BackendError

async def main(variant, kernel):
    t = await use("wasm")
    kernels = await kernels_for(t, variant)
    from backburner.engine.registered import register
    register(t, kernels)
    await check_canary(t, kernels)
    bind = kernels.bind
    def lying(name, *arguments):
        # It leaves out its last call: what stands there is from before.
        return (lambda *more: None) if name == kernel else bind(name, *arguments)
    kernels.bind = lying
    try:
        await check_canary(t, kernels)
        return None
    except BackendError as error:
        return error.detail
    finally:
        del kernels.bind
"""


@pytest.mark.browser
@pytest.mark.parametrize("variant", ["simd", "relaxed"])
@pytest.mark.parametrize(
    "kernel", ["gather", "conv2d", "max_pool", "max_pool_gradient", "conv2d_gradients", "sgd"]
)
def test_a_plan_with_a_kernel_that_does_nothing_is_found_out(
    laboratory: Laboratory, variant: str, kernel: str
) -> None:
    detail = laboratory.run(LYING, variant=variant, kernel=kernel)
    assert str(detail).startswith("canary: off by")

from __future__ import annotations

import inspect

import pytest

from backburner.core import errors
from backburner.core.errors import (
    BackburnerError,
    ConfigurationError,
    Family,
    LayerError,
    LifecycleError,
    LocalProtocolError,
    RecipeError,
    RemoteProtocolError,
    UnknownTag,
    family_of,
    kinds_of,
)

ALL = [
    item
    for item in vars(errors).values()
    if inspect.isclass(item) and issubclass(item, BackburnerError)
]


@pytest.mark.parametrize("error_class", ALL, ids=lambda c: c.__name__)
def test_an_error_survives_the_wire_as_the_same_class(error_class: type[BackburnerError]) -> None:
    sent = error_class("It broke. Try again.", key="training.epochs", detail="TypeError: x")
    received = BackburnerError.from_dict(sent.as_dict(detail=True))
    assert type(received) is error_class
    assert received.as_dict(detail=True) == sent.as_dict(detail=True)
    assert str(received) == "It broke. Try again."


def test_the_public_form_of_an_error_is_name_message_and_a_key_where_there_is_one() -> None:
    assert RecipeError("No.", detail="d").as_dict() == {"name": "RecipeError", "message": "No."}
    assert RecipeError("No.", key="seed").as_dict()["key"] == "seed"


@pytest.mark.parametrize("error_class", ALL, ids=lambda c: c.__name__)
def test_every_error_is_drawn_in_the_tree_of_the_docstring(
    error_class: type[BackburnerError],
) -> None:
    assert error_class.__name__ in (errors.__doc__ or "").split()
    assert (error_class.__doc__ or "").strip()


def test_an_error_of_an_unknown_name_still_says_what_it_said() -> None:
    error = BackburnerError.from_dict({"name": "FutureError", "message": "Too new."})
    assert type(error) is BackburnerError
    assert error.message == "Too new."
    assert error.detail == "FutureError"


@pytest.mark.parametrize("wire", [{}, {"name": 3, "message": 4, "key": 5, "detail": []}])
def test_a_broken_error_message_is_read_without_breaking(wire: dict[str, object]) -> None:
    assert BackburnerError.from_dict(wire).message


def test_our_fault_and_the_other_sides_fault_are_different_classes() -> None:
    assert issubclass(UnknownTag, RemoteProtocolError)
    assert not issubclass(UnknownTag, LocalProtocolError)


def test_a_layers_error_is_a_recipes_error_and_a_recipes_error_is_about_configuration() -> None:
    assert issubclass(LayerError, RecipeError)
    assert issubclass(RecipeError, ConfigurationError)


def test_a_lifecycle_error_names_both_states() -> None:
    error = LifecycleError.between("completed", "paused")
    assert "completed" in error.message
    assert "paused" in error.message
    assert (error.current, error.wanted) == ("completed", "paused")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("RecipeError", Family.CONFIGURATION),
        ("DataError", Family.CONFIGURATION),
        ("StorageFull", Family.PROCESS),
        ("WorkerLost", Family.PROCESS),
        ("UnknownTag", Family.PROCESS),
        ("BackburnerError", Family.PROCESS),
        ("LifecycleError", Family.INTERFACE),
        ("InterfaceError", Family.INTERFACE),
        ("ZeroDivisionError", Family.INTERFACE),
    ],
)
def test_every_error_belongs_to_one_family(name: str, family: Family) -> None:
    assert family_of(name) is family


def test_the_kinds_of_an_error_lead_up_to_the_root() -> None:
    assert kinds_of("LayerError") == (
        "LayerError",
        "RecipeError",
        "ConfigurationError",
        "BackburnerError",
    )
    assert kinds_of("BackburnerError") == ("BackburnerError",)
    assert kinds_of("ZeroDivisionError") == ()

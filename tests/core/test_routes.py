"""Addresses and views."""

from __future__ import annotations

import pytest

from backburner.core.routes import View, address_of, view_of


@pytest.mark.parametrize("view", View)
def test_every_view_has_an_address_that_leads_to_it(view: View) -> None:
    assert view_of(address_of(view)) is view


@pytest.mark.parametrize("fragment", ["", "#", "#/"])
def test_no_address_is_the_front_door(fragment: str) -> None:
    assert view_of(fragment) is View.WELCOME


@pytest.mark.parametrize("fragment", ["#/nowhere", "#create", "create", "#/Create", "#/create/x"])
def test_an_address_that_is_no_view_is_none(fragment: str) -> None:
    assert view_of(fragment) is None

"""The order in which a browser is looked for."""

from pathlib import Path

import pytest

from backburner_site import browser
from backburner_site.errors import NoBrowser
from backburner_site.progress import Progress


class Machine:
    """What is installed; and what was installed while looking."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.playwrights: Path | None = None
        self.systems: Path | None = None
        self.is_debian_root = False
        self.installed = False
        monkeypatch.delenv(browser.CHOSEN, raising=False)
        monkeypatch.setattr(browser, "playwrights_own", lambda: self.playwrights)
        monkeypatch.setattr(browser, "on_this_system", lambda: self.systems)
        monkeypatch.setattr(browser, "can_install_debian_package", lambda: self.is_debian_root)
        monkeypatch.setattr(browser, "install_debian_package", self.install)

    def install(self, progress: Progress) -> None:
        self.installed = True
        self.systems = Path("/usr/bin/chromium")

    def find(self) -> Path:
        return browser.find_browser(Progress())


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_the_chosen_one_comes_first(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "browser"
    chosen.touch(mode=0o755)
    machine.playwrights = Path("/playwrights")
    monkeypatch.setenv(browser.CHOSEN, str(chosen))
    assert machine.find() == chosen


def test_a_chosen_one_that_is_not_there_is_not_replaced_by_another(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.systems = Path("/usr/bin/chromium")
    monkeypatch.setenv(browser.CHOSEN, "/no/such/browser")
    with pytest.raises(NoBrowser, match="/no/such/browser"):
        machine.find()


def test_playwrights_own_comes_before_the_systems(machine: Machine) -> None:
    machine.playwrights, machine.systems = Path("/playwrights"), Path("/systems")
    assert machine.find() == Path("/playwrights")


def test_the_systems_is_taken_before_anything_is_installed(machine: Machine) -> None:
    machine.systems, machine.is_debian_root = Path("/systems"), True
    assert machine.find() == Path("/systems")
    assert not machine.installed


def test_root_on_debian_gets_its_package(machine: Machine) -> None:
    machine.is_debian_root = True
    assert machine.find() == Path("/usr/bin/chromium")
    assert machine.installed


def test_without_any_the_ways_to_get_one_are_named(machine: Machine) -> None:
    with pytest.raises(NoBrowser, match=r"playwright install chromium.*BACKBURNER_BROWSER"):
        machine.find()

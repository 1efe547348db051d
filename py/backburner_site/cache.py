"""A cache of this user's, shared by all checkouts: what was fetched or made once is kept.

Files are stored under their own sha256 and checked on every read: a damaged one counts as
absent and is removed. A name (`remember`, `find`) points to such a file; it is chosen by the
caller so that other content means another name. Every write goes to a temporary file first and is
moved into place, so that an interrupted one leaves nothing behind that could be read.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path


def sha256_of(file: Path) -> str:
    """The sha256 of a file, as hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class Cache:
    """Files by their content, and names for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_user(cls) -> "Cache":
        """The folder in `$BACKBURNER_CACHE`, else the system's place for a user's caches."""
        chosen = os.environ.get("BACKBURNER_CACHE")
        if chosen:
            return cls(Path(chosen).expanduser())
        import platformdirs  # not needed when the folder is chosen

        return cls(platformdirs.user_cache_path("backburner", appauthor=False))

    def get(self, sha256: str) -> Path | None:
        """The file with this content; None when it is absent or damaged."""
        file = self._file(sha256)
        if not file.is_file():
            return None
        if sha256_of(file) != sha256:
            file.unlink(missing_ok=True)
            return None
        return file

    def put(self, source: Path) -> Path:
        """Keeps a copy of `source`; returns the kept file."""
        sha256 = sha256_of(source)
        kept = self._file(sha256)
        if self.get(sha256) is None:
            with source.open("rb") as opened:
                self._write(kept, opened.read())
        return kept

    def put_bytes(self, content: bytes) -> Path:
        """Keeps `content`; returns the kept file."""
        sha256 = hashlib.sha256(content).hexdigest()
        kept = self._file(sha256)
        if self.get(sha256) is None:
            self._write(kept, content)
        return kept

    def find(self, name: str) -> Path | None:
        """The file that `remember` was last given for `name`; None when absent or damaged."""
        try:
            sha256 = self._name(name).read_text().strip()
        except OSError:
            return None
        return self.get(sha256)

    def remember(self, name: str, content: bytes) -> Path:
        """Keeps `content` under `name`; returns the kept file."""
        kept = self.put_bytes(content)
        self._write(self._name(name), kept.name.encode())
        return kept

    def clear(self) -> None:
        """Removes everything that is kept."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, sha256: str) -> Path:
        return self.folder / "files" / sha256[:2] / sha256

    def _name(self, name: str) -> Path:
        return self.folder / "names" / hashlib.sha256(name.encode()).hexdigest()

    def _write(self, target: Path, content: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=target.parent, prefix="unfinished-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(unfinished).replace(target)
        finally:
            Path(unfinished).unlink(missing_ok=True)

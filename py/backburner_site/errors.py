"""What can go wrong on the host side, and the exit code that each ends with.

    HostError                 1
    ├── EnvironmentFailed     1   .venv could not be made or completed
    ├── PartUnavailable       1   a pinned file could not be fetched
    ├── PartRefused           1   a file came, but is not the one that was pinned
    ├── BuildFailed           1   a step of the build could not do its work
    ├── RunFailed             1   a headless run ended as anything but completed
    ├── BadRecipe             2   the recipe cannot be used as it stands
    └── NoBrowser             3   nothing to run the page in

A message says what happened, the likely reason and the next step. `detail` is what the failing
tool itself said; it is shown below the message.
"""


class HostError(Exception):
    """Anything that ends a command with a message instead of a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail.strip()


class EnvironmentFailed(HostError):  # noqa: N818 - says what happened, as the app's errors do
    """`.venv` could not be made or completed."""


class PartUnavailable(HostError):  # noqa: N818
    """A pinned file could not be fetched from anywhere."""


class PartRefused(HostError):  # noqa: N818
    """A fetched file is not the one that the lock names."""


class BuildFailed(HostError):  # noqa: N818
    """A step of the build could not do its work."""


class RunFailed(HostError):  # noqa: N818
    """A headless run failed, was stopped or took too long."""


class BadRecipe(HostError):  # noqa: N818
    """The recipe is missing, is not JSON, or asks for what cannot be."""

    exit_code = 2


class NoBrowser(HostError):  # noqa: N818
    """No browser was found, and none could be installed."""

    exit_code = 3

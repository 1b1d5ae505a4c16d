"""Where in the user's own file something was written, and errors that say so."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable

import attrs

from voipgw.errors import ConfigurationError

_PACKAGE = __name__.rpartition(".")[0]


@attrs.frozen
class Place:
    """A line of a file of the user."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def here() -> Place:
    """The line outside this package that is being run; asked only while a plan is built, never for a call."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(_PACKAGE):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno)


def wrong(found: object, right: str, place: Place | None = None) -> ConfigurationError:
    """The error for something the user wrote: where, what was found, and what would be right."""
    return ConfigurationError(f"{place or here()}: found {found}; right would be {right}")


def nearest(name: str, known: Iterable[str], kind: str) -> str:
    """What would be right instead of a ``name`` that does not exist."""
    names = sorted(known)
    if not names:
        return f"a {kind} that the plan defines, and it defines none"
    close = difflib.get_close_matches(name, names, 1, 0.4)
    listed = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
    return f"{close[0]!r} (known: {listed})" if close else f"one of: {listed}"

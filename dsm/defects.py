"""What may be told of a defect of this program: kinds of errors and places in its own code.

The message of an error that nobody expected may hold a row, the name of a file or an address, and
so may a local variable or the path of a frame. None of them is ever told.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from types import CodeType, TracebackType

from dsm.errors import DsmError

PACKAGE = os.path.dirname(os.path.abspath(__file__))
ERRORS_MAX = 10
FIRST_CALLS, LAST_CALLS = 20, 40
LINE_CHARS_MAX = 200


class WorkerDefect(Exception):
    """A worker process met an error that nobody expected; `told` is what may be said of it."""

    def __init__(self, told: tuple[str, ...]):
        super().__init__("a worker process failed")
        self.told = told


def kind_of(error: BaseException) -> str:
    """Returns the class of an error, as it can be imported; where it cannot, a class it is of.

    A class that was made as the program ran may have any name, also one out of the data.
    """
    kinds = type(error).__mro__
    for kind in kinds:
        if _imported(kind):
            module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
            return ("" if kind is kinds[0] else "a kind of ") + module + kind.__qualname__
    return "an error"


def _imported(kind: type) -> bool:
    found: object = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


def place_of(error: BaseException) -> str | None:
    """Returns the innermost call of this package, "dsm.views.view, line 7"; None without one."""
    place = None
    for code, line in _calls(error.__traceback__):
        name = _own(code)
        if name is not None:
            place = f"{name.removesuffix('.py').replace('/', '.')}, line {line}"
    return place


def describe(error: BaseException) -> list[str]:
    """Returns the kinds of an error and of its causes, each with its calls, outermost first."""
    lines: list[str] = []
    for number, each in enumerate(_chain(error)):
        lines.append(("" if number == 0 else "after ") + kind_of(each) + _detail(each))
        lines += [f"  {line}" for line in _told(each.__traceback__)]
        if isinstance(each, WorkerDefect):
            lines += ["  in the worker process:", *(f"    {line}" for line in each.told)]
    return [line[:LINE_CHARS_MAX] for line in lines]


def _detail(error: BaseException) -> str:
    if isinstance(error, DsmError):
        return f" ({type(error).code})"
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return f" ({errno.errorcode.get(error.errno, 'unknown number')})"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error, and those that led to it, the nearest first; not too many."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < ERRORS_MAX:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions[:ERRORS_MAX]
        waiting += [found for found in (each.__cause__, each.__context__) if found is not None]


def _told(traceback: TracebackType | None) -> list[str]:
    lines: list[str] = []
    strangers = 0
    for code, line in [*_calls(traceback), (None, 0)]:
        name = None if code is None else _own(code)
        if code is not None and name is None:
            strangers += 1
            continue
        if strangers:
            lines.append("calls in other packages: " + str(strangers))
            strangers = 0
        if code is not None:
            lines.append(f"{name}:{line} {code.co_qualname}")
    if len(lines) > FIRST_CALLS + LAST_CALLS:
        between = f"… {len(lines) - FIRST_CALLS - LAST_CALLS:,} lines more …"
        lines = [*lines[:FIRST_CALLS], between, *lines[-LAST_CALLS:]]
    return lines


def _calls(traceback: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code, traceback.tb_lineno
        traceback = traceback.tb_next


def _own(code: CodeType) -> str | None:
    """Returns the file of this package that code is of, "dsm/views/view.py"; None for others."""
    path = os.path.abspath(code.co_filename)
    if not path.startswith(PACKAGE + os.sep):
        return None
    return os.path.basename(PACKAGE) + path[len(PACKAGE) :].replace(os.sep, "/")

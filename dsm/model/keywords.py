"""Misspelt keywords are answered by the right one, in every public verb.

Python names what it did not expect and no more. `suggests` decorates a function so that its
TypeError says what was meant, `verbs_suggest` all methods of a class; verbs that pass keywords on
call `refuse_unknown`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, TypeVar

from dsm.model.names import close_matches

T = TypeVar("T", bound=Callable[..., Any])
C = TypeVar("C")
_UNEXPECTED = re.compile(r".*\(\) got an unexpected keyword argument '([^']*)'")


def refuse_unknown(verb: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises TypeError for a keyword that a verb does not take."""
    known = [*known]
    for name in given:
        if name not in known:
            raise TypeError(_text(verb, name, known))


def suggests(function: T) -> T:
    """Decorates a function."""

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except TypeError as error:
            # Only what this very call was given; a defect further down is none of the caller's.
            found = _UNEXPECTED.match(str(error))
            if found is None or error.__traceback__ is None or error.__traceback__.tb_next:
                raise
            code = function.__code__
            known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            message = _text(function.__name__, found[1], [name for name in known if name != "self"])
        raise TypeError(message)

    return called  # type: ignore[return-value]


def verbs_suggest(cls: type[C]) -> type[C]:
    """Decorates the public methods of a class."""
    for name, verb in [*vars(cls).items()]:
        if isinstance(verb, FunctionType) and not name.startswith("_"):
            setattr(cls, name, suggests(verb))
    return cls


def _text(verb: str, name: str, known: Iterable[str]) -> str:
    near = close_matches(name, known)
    meant = f". Did you mean {near[0]!r}?" if near else ""
    return f"{verb}() got an unexpected keyword argument {name!r}{meant}"

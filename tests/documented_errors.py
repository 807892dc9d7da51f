"""Every error that leaves a public verb, in any test, is one that the verb's docstring names.

A class stands for those below it; "what `add` raises" for what that verb names. What any verb may
raise is said once, by the docstrings of the classes.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from dsm import api
from dsm.catalog import Catalog
from dsm.dataset_checks import DatasetChecks
from dsm.dataset_history import DatasetHistory
from dsm.datasets import Dataset
from dsm.errors import DamagedData, DsmError, Refused, StorageFailed
from dsm.sources import failures
from dsm.views.view import View

OWNERS: tuple[Any, ...] = (api, Catalog, DatasetHistory, DatasetChecks, Dataset, View)
ANY_VERB = (DamagedData, StorageFailed, Refused)
_CLASS = re.compile(r"\b(?:[A-Z]\w*[a-z][A-Z]\w+|Conflict|Refused)\b")
_AS = re.compile(r"what `(\w+)` raises")


def verbs(owner: Any) -> dict[str, Callable[..., Any]]:
    """Returns the public functions that an owner defines itself, by name."""
    return {
        name: found
        for name, found in vars(owner).items()
        if name[0] != "_" and inspect.isfunction(found) and found.__module__ == _module(owner)
    }


def _module(owner: Any) -> str:
    return str(owner.__name__ if inspect.ismodule(owner) else owner.__module__)


def named(verb: Callable[..., Any], owners: tuple[Any, ...] = OWNERS) -> set[str]:
    """Returns the names of classes in what a docstring says after "Raises", those by reference too."""
    text = " ".join((inspect.getdoc(verb) or "").split())
    found: set[str] = set()
    if "what `dsm.sources.failures` has" in text:
        found.update(
            name for name, each in vars(failures).items()
            if inspect.isclass(each) and each.__module__ == failures.__name__
        )  # fmt: skip
    for said in re.findall(r"\b[Rr]aises .*", text)[:1]:
        found.update(_CLASS.findall(said))
        for other in _AS.findall(said):
            (target,) = [verbs(owner)[other] for owner in owners if other in verbs(owner)]
            found |= named(target, owners)
    return {name for name in found if not hasattr(builtins, name)}


def is_documented(verb: Callable[..., Any], error: DsmError) -> bool:
    """Whether a docstring names the class of an error or one above it."""
    if isinstance(error, ANY_VERB):
        return True
    above = {kind.__name__ for kind in type(error).__mro__ if issubclass(kind, DsmError)}
    return bool(above & named(verb))


def watch() -> None:
    """Makes the verbs fail a test by an error that they do not name."""
    for owner in OWNERS:
        for name, verb in verbs(owner).items():
            setattr(owner, name, _watched(f"{owner.__name__}.{name}", verb))


def _watched(title: str, verb: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(verb)
    def watched(*arguments: Any, **options: Any) -> Any:
        try:
            return verb(*arguments, **options)
        except DsmError as error:
            if not is_documented(verb, error):
                raise AssertionError(
                    f"the docstring of {title} does not say that it raises {type(error).__name__}"
                ) from error
            raise

    return watched

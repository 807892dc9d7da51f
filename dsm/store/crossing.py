"""How answers and errors come from a worker to its parent: as data, never as code.

Answers are pickled, and unpickled by a reader that builds records of this package and nothing else.
Errors cross as what they are: class, message, hint, items and every further field. The class is
looked up by name; one that is not known here becomes the nearest of its bases that is.
"""

from __future__ import annotations

import io
import pickle
import sys
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from typing import Any

from dsm.defects import WorkerDefect, describe
from dsm.errors import DsmError, StorageFailed

_PLAIN = {("array", "array"), ("array", "_array_reconstructor"), ("builtins", "set")}
_OF_THE_SYSTEM = ("errno", "strerror", "filename", "filename2")
_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Crossing:
    """An error on its way: its class and its bases, by name; its fields, pickled; its places."""

    bases: list[tuple[str, str]]
    fields: dict[str, bytes]
    told: tuple[str, ...]

    @classmethod
    def of(cls, error: Exception) -> Crossing:
        """Takes an error apart."""
        fields: dict[str, object] = {"args": error.args, **vars(error)}
        if isinstance(error, DsmError):
            kind = {"code": error.code, "exit_status": error.exit_status}
            fields = {**kind, "retryable": error.retryable, **fields}
        if isinstance(error, OSError):
            fields.update((name, getattr(error, name)) for name in _OF_THE_SYSTEM)
        return cls(
            [(each.__module__, each.__qualname__) for each in type(error).__mro__],
            {name: _packed(value) for name, value in fields.items()},
            tuple(describe(error)),
        )

    def unpacked(self) -> BaseException:
        """Returns the error as the worker raised it, as near as this process knows its class."""
        fields = {name: _unpacked(data) for name, data in self.fields.items()}
        found = next(filter(None, map(_known, self.bases)), None)
        if found is None:
            return self._unforeseen(fields)
        # Not by its constructor, which may take anything.
        maker = OSError if issubclass(found, OSError) else Exception
        error = maker.__new__(found)
        error.args = _as_tuple(fields.pop("args", ()))
        for name, value in fields.items():
            if name not in ("code", "exit_status", "retryable") or getattr(error, name) != value:
                setattr(error, name, value)
        error.add_note("\n".join(["in a worker process:", *self.told]))
        return error

    def _unforeseen(self, fields: dict[str, Any]) -> BaseException:
        names = [name for module, name in self.bases if module == "builtins"]
        if "MemoryError" in names:
            return StorageFailed(
                "a worker process had not enough memory",
                hint="fewer need less: `dsm config set core.workers 1`",
            )
        if "OSError" in names and isinstance(fields.get("errno"), int):
            places = (fields["filename"],) if isinstance(fields["filename"], str | bytes) else ()
            return OSError(fields["errno"], str(fields["strerror"]), *places)
        return WorkerDefect(self.told)


def _as_tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _packed(value: object) -> bytes:
    """Returns a field in a form that the parent surely can read: else as text."""
    try:
        data = pickle.dumps(value, 5)
        _Reader(io.BytesIO(data)).load()
    except Exception:  # whatever a stranger's class raises
        return pickle.dumps(repr(value), 5)
    return data


def _unpacked(data: bytes) -> Any:
    return _Reader(io.BytesIO(data)).load()


def _known(base: tuple[str, str]) -> type[DsmError] | None:
    """Returns the class of that name if it is an error of ours; imports modules of ours alone."""
    module, name = base
    place: Any = sys.modules.get(module)
    if place is None and module.partition(".")[0] == _PACKAGE:
        try:
            place = import_module(module)
        except ImportError:
            return None
    for part in name.split("."):
        place = getattr(place, part, None)
    return place if isinstance(place, type) and issubclass(place, DsmError) else None


class _Reader(pickle.Unpickler):
    """Builds plain data and records of this package; refuses to look up anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module.partition(".")[0] == _PACKAGE and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and (is_dataclass(found) or issubclass(found, tuple)):
                return found
        raise pickle.UnpicklingError(f"an answer may not contain {module}.{name}")


def read_answer(data: bytes) -> object:
    """Returns what a worker sent. Raises UnpicklingError for what is not plain data of ours."""
    return _Reader(io.BytesIO(data)).load()

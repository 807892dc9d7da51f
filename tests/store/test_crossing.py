"""What comes from a worker: every error as itself, and nothing that is more than data."""

from __future__ import annotations

import errno
import os
import pickle
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_errors import error_classes

from dsm.defects import WorkerDefect
from dsm.errors import Conflict, DamagedData, DsmError, NotFound, StorageFailed
from dsm.filesystem import ExampleNotFound
from dsm.store.crossing import Crossing, read_answer
from dsm.store.disk import WriteFailed
from dsm.store.ingest import Stored
from dsm.store.workers import Worker, start


class LaterConflict(Conflict):
    """A class that came after this package, with a field and a constructor of its own."""

    code, exit_status = "later", 5

    def __init__(self, one: str, two: int, *, hint: str):
        super().__init__(f"{one} and {two}", hint=hint)
        self.two = two


@dataclass(frozen=True)
class CrossAll:
    """A job that sends an error of every class of the package, and then fails with `last`."""

    last: str

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        yield from (Crossing.of(made(each)) for each in classes())

        class Inner(LaterConflict):
            """No other process can find it."""

            code, exit_status = "inner", 77

        raise {
            "later": LaterConflict("one", 2, hint="do"),
            "inner": Inner("one", 2, hint="do"),
            "written": WriteFailed("write", "/p", OSError(errno.ENOSPC, "No space left on device")),
            "example": ExampleNotFound("there is no x", hint="look"),
            "memory": MemoryError(),
            "system": FileNotFoundError(errno.ENOENT, "No such file or directory", "gone"),
            "bug": KeyError("x"),
        }[self.last]


def classes() -> list[type[DsmError]]:
    return sorted(error_classes(), key=lambda each: each.__qualname__)


def made(kind: type[DsmError]) -> DsmError:
    """An error of any class, whatever its constructor takes, with all that an error may carry."""
    maker = OSError if issubclass(kind, OSError) else Exception
    error = maker.__new__(kind, f"of {kind.__name__}: \udcff")
    error.args = (f"of {kind.__name__}: \udcff",)
    error.message, error.hint, error.items = error.args[0], "a hint", ("é", "b\udcff")
    error.number, error.more = 2**70, {"x": [1.5, None, (b"\0", {"y"})]}  # type: ignore[attr-defined]
    return error


def told(error: BaseException) -> tuple[object, ...]:
    """All that a caller can see of an error, but for the note on where it was raised."""
    assert isinstance(error, DsmError)
    fields = {name: value for name, value in vars(error).items() if name != "__notes__"}
    kind = (type(error), error.code, error.exit_status, error.retryable)
    return *kind, error.args, str(error), fields


def heard(worker: Worker) -> BaseException:
    with pytest.raises(BaseException) as caught:
        worker.hear()
    return caught.value


def last_error(last: str) -> BaseException:
    (worker,) = start([CrossAll(last)])
    try:
        for _ in classes():
            heard(worker)
        return heard(worker)
    finally:
        worker.end()


def test_every_class_crosses_as_itself() -> None:
    """Class, message, hint, items, further fields, code and exit status: of each class there is."""
    (worker,) = start([CrossAll("later")])
    for each in classes():
        assert told(made(each)) == told(heard(worker))
    assert told(LaterConflict("one", 2, hint="do")) == told(heard(worker))
    worker.end()


def test_an_unknown_class_becomes_the_nearest_known_one() -> None:
    """Code, exit status and fields stay; `except` finds the base."""
    error = last_error("inner")
    assert isinstance(error, LaterConflict)
    expected = ("inner", 77, "one and 2", 2, "do")
    assert expected == (error.code, error.exit_status, error.message, error.two, error.hint)


def test_errors_of_the_system_keep_their_numbers() -> None:
    """`errno` of a failed write, which callers decide by, and that of classes which are OSErrors."""
    error = last_error("written")
    assert isinstance(error, WriteFailed)
    message = "cannot write /p: No space left on device"
    assert (errno.ENOSPC, message) == (error.errno, error.message)
    lost = last_error("example")
    assert isinstance(lost, NotFound) and isinstance(lost, FileNotFoundError)
    assert (lost.message, lost.hint, lost.exit_status) == ("there is no x", "look", 4)


def test_errors_of_others_say_what_they_are() -> None:
    """Lack of memory is named; a call that failed is the same error; anything else is a defect."""
    memory, system, bug = last_error("memory"), last_error("system"), last_error("bug")
    assert isinstance(memory, StorageFailed)
    assert memory.message == "a worker process had not enough memory"
    assert isinstance(system, FileNotFoundError)
    assert (system.errno, system.filename) == (errno.ENOENT, "gone")
    assert isinstance(bug, WorkerDefect)
    assert bug.told[0] == "KeyError"


class Odd:
    """Cannot be pickled, and says what it is."""

    def __reduce__(self) -> str:
        raise TypeError("no")

    def __repr__(self) -> str:
        return "<odd>"


def test_a_field_that_cannot_cross_becomes_text() -> None:
    """Objects of strangers, and what cannot be pickled, are told by their `repr`."""
    error = DamagedData("m")
    error.odd, error.path, error.ok = Odd(), Path("/p"), 7  # type: ignore[attr-defined]
    found = Crossing.of(error).unpacked()
    assert (found.odd, found.path, found.ok) == ("<odd>", "PosixPath('/p')", 7)  # type: ignore[attr-defined]


def test_no_module_is_imported_to_find_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a class is looked up among what is loaded, and in this package alone."""
    (tmp_path / "planted.py").write_text("raise SystemExit('was run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    bases = [
        ("planted", "Evil"),
        ("os", "system"),
        ("dsm.nowhere", "X"),
        ("dsm.errors", "Conflict"),
    ]
    packed = pickle.dumps("m")
    error = Crossing(bases, {"message": packed, "args": pickle.dumps(("m",))}, ()).unpacked()
    assert (Conflict, "m") == (type(error), str(error))
    assert "planted" not in sys.modules


class Calls:
    """Pickles into the call of a function."""

    def __init__(self, function: object, *arguments: object):
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


@pytest.mark.parametrize(
    "hostile",
    [
        Calls(os.system, "echo"), Calls(eval, "1"), Calls(getattr, "a", "b"), Calls(print),
        Calls(Path, "/"), Calls(Worker), Calls(bytearray, 10**15),
        [{"deep": Calls(os.remove, "/nowhere")}],
    ],
)  # fmt: skip
def test_no_function_is_called_by_an_answer(hostile: object) -> None:
    """Nothing but records of this package and plain data is built from what a worker sends."""
    data = pickle.dumps(hostile, 5)
    with pytest.raises(pickle.UnpicklingError, match="an answer may not contain "):
        read_answer(data)


def test_a_dotted_name_reaches_no_function() -> None:
    """`dsm.store.disk` imports `os`: `os.remove` below it is not found either."""
    data = b"\x80\x04\x8c\x0edsm.store.disk\x8c\x09os.remove\x93\x8c\x08/nowhere\x85R."
    with pytest.raises(
        pickle.UnpicklingError, match=r"may not contain dsm\.store\.disk\.os\.remove"
    ):
        read_answer(data)


def test_plain_data_and_records_are_read() -> None:
    """What the jobs of this package answer with."""
    answers = [
        (1, array("q", [1, 2]), {"a"}), Stored([b"x", None], [(1, 2, 3, 4)], [(0, "why")]), None,
        ["a\udcff", 1.5, {"k": True}],
    ]  # fmt: skip
    assert answers == [read_answer(pickle.dumps(each, 5)) for each in answers]

"""What can go wrong, grouped by how a caller can react; each class carries its own answers.

A message says what, which and found; a hint says what to do. The command line prints both and
leaves with `exit_status`; nothing here knows about terminals. A specific error subclasses one of
these next to the code that raises it.
"""

from __future__ import annotations

# Type checkers take this name for true; `typing` itself need not be imported for it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class DsmError(Exception):
    """Base of everything that dsm raises on purpose."""

    code = "internal"
    exit_status = 70
    retryable = False

    def __init__(self, message: str, *, hint: str | None = None, items: tuple[str, ...] = ()):
        super().__init__(message)
        self.message = message
        self.hint = hint
        # Names the message speaks of (conflicting paths, damaged objects): data for callers and
        # for `--json`; the command line shows the first few.
        self.items = items
        if hint:
            self.add_note(f"hint: {hint}")  # tracebacks show it

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross processes; the constructors of the special ones take other arguments.
        return raised_again, (type(self), self.args, self.__dict__)


def raised_again(kind: type[DsmError], args: tuple[Any, ...], fields: dict[str, Any]) -> DsmError:
    """Returns a copy of an error, without its constructor."""
    made_by: type[BaseException] = kind  # the class of Python's own whose form it has
    while made_by.__module__ != "builtins":
        made_by = made_by.__base__  # type: ignore[assignment]
    error = made_by.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class AnswerIsNo(DsmError):
    """The question was understood and the answer is no: nothing to commit, differences found."""

    code, exit_status = "no", 1


class InvalidInput(DsmError, ValueError):
    """The request cannot be carried out as written."""

    code, exit_status = "usage", 2


class AlreadyExists(InvalidInput):
    """The name is taken: by a dataset, a tag, a view or a source."""

    code = "already-exists"


class AmbiguousName(InvalidInput):
    """The name, or the beginning of an id, could mean more than one thing; `items` names them."""

    code = "ambiguous-name"


class NotARepository(DsmError):
    """There is no `.dsm` here or above."""

    code, exit_status = "not-a-repository", 3


class NotFound(DsmError, LookupError):
    """The named changeset, dataset, tag, object, example or view does not exist."""

    code, exit_status = "not-found", 4


class Conflict(DsmError):
    """Somebody else changed the same thing, or unsaved work is in the way."""

    code, exit_status = "conflict", 5


class Refused(DsmError):
    """Policy or permission says no."""

    code, exit_status = "refused", 6


class DamagedData(DsmError):
    """Bytes on disk are not what was written, or not what the format says."""

    code, exit_status = "damaged", 7


class StorageFailed(DsmError):
    """The disk, the remote or the source did not do what it was asked."""

    code, exit_status, retryable = "storage", 8, True


class OutcomeUnknown(DsmError):
    """The commit point was reached but not confirmed; the message names the transaction."""

    code, exit_status = "outcome-unknown", 9

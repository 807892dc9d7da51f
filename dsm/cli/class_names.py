"""How classes are given: as a list with commas, or a file with one on each line."""

from __future__ import annotations

import os

from dsm.errors import InvalidInput
from dsm.model.names import quoted

FILE_BYTES_MAX = 1 << 20


def class_names(given: str | None) -> list[str] | None:
    """Returns the names of `cat,dog` or of the lines of `@FILE`. Raises InvalidInput."""
    if given is None:
        return None
    if not given.startswith("@"):
        return given.split(",")
    path = given[1:]
    try:
        if os.path.getsize(path) > FILE_BYTES_MAX:
            raise InvalidInput(f"{quoted(path)} is too long for a list of classes")
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read(FILE_BYTES_MAX).splitlines()
    except OSError as error:
        raise InvalidInput(f"cannot read {quoted(path)}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(f"{quoted(path)} is no text in UTF-8") from error
    return [line for line in lines if line.strip()]

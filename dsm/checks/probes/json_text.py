"""JSON: whether it is a document, or lines of them, as RFC 8259 has it.

Python reads more than that: NaN and infinite numbers, which other readers refuse.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable

from dsm.checks.probes.probe import WHOLE_BYTES_MAX, Content


class _NoNumber(ValueError):
    """A word such as NaN in the place of a number."""


def problem(content: Content) -> str | None:
    """Returns what is wrong with a JSON document, or with the lines of one."""
    data = content.whole()
    if data is None:
        content.file.seek(0)
        return _in_lines(iter(lambda: content.file.readline(WHOLE_BYTES_MAX), b""), large=True)
    try:
        _read(data)
    except RecursionError:
        return "it is nested too deeply"
    except _NoNumber as error:
        said = _in_lines(io.BytesIO(data))
        # Lines that are documents are told apart; the first line of a longer document is none.
        in_lines = said is not None and str(error) in said and b"\n" in data.strip()
        return said if in_lines else str(error)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return _in_lines(io.BytesIO(data))
        return f"it is no JSON: see line {error.lineno:,}"
    return None


def _in_lines(lines: Iterable[bytes], *, large: bool = False) -> str | None:
    """Returns what is wrong with the first line that is no document; `large` says that all of it
    is no document because it is too large for one."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                _read(line)
            except RecursionError:
                return f"line {number:,} of it is nested too deeply"
            except _NoNumber as error:
                return f"line {number:,}: {error}"
            except ValueError:
                if large and (number == 1 or len(line) == WHOLE_BYTES_MAX):
                    return "it has too many bytes to be decoded"
                return f"it is no JSON: see line {number:,}"
    return None


def _read(data: bytes) -> None:
    """Reads a document. Raises ValueError, RecursionError."""
    # The value of an integer is nothing to us, and Python would refuse one of 5,000 digits.
    json.loads(str(data, "utf-8-sig"), parse_constant=_refuse, parse_int=len)


def _refuse(word: str) -> None:
    raise _NoNumber(f"{word} is no number in JSON (RFC 8259)")

"""The note of what a commit uses up of the stage: one line of JSON and its hash.

Whoever finds it asks the log whether the transaction landed, and so knows what is still staged.
Specified in docs/format/stage-note.md.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from blake3 import blake3

from dsm.errors import DamagedData

SUFFIX = ".commit"


@dataclass(frozen=True, slots=True)
class StageNote:
    """What a commit uses up: the segments `consumed`, and `forget`, paths in the segments `seen`.

    `after` is the number of the head when it was written.
    """

    transaction: str
    after: int
    consumed: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


def encode(note: StageNote) -> bytes:
    """Returns the bytes of a note."""
    body = json.dumps(asdict(note)).encode()
    return body + b"\n" + blake3(body).hexdigest().encode()


def decode(data: bytes, where: str) -> StageNote:
    """Reads a note; `where` names the file in errors. Raises DamagedData when it is not intact."""
    body, _, seal = data.rpartition(b"\n")
    try:
        if blake3(body).hexdigest().encode() != seal:
            raise ValueError("its contents do not fit its hash")
        fields = json.loads(body)
        lists = [fields[name] for name in ("consumed", "forget", "seen")]
        if not all(isinstance(each, list) for each in lists):
            raise TypeError("a list is of another kind")
        note = StageNote(fields["transaction"], fields["after"], *map(tuple, lists))
        texts = [note.transaction, *(text for each in lists for text in each)]
        if type(note.after) is not int or not all(isinstance(text, str) for text in texts):
            raise TypeError("a field is of a kind that does not belong there")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedData(
            f"{where} is damaged",
            hint="run `dsm restore --staged` to drop the stage, then `dsm add` again",
        ) from error
    return note

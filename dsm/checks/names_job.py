"""What a worker does with an engine that finds names of people: it runs its file, and asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dsm.checks.schema_job import SchemaFailed, failed, loaded
from dsm.imports import bring_back
from dsm.model.names import printable

NAMES_MAX, CHARS_MAX = 20, 200  # of a text, of a name


@dataclass(frozen=True, slots=True)
class NamesJob:
    """Asks the function `name` of the Python file `source` for the names in texts.

    Each order is a list of texts; the answer is a list of masked names for each of them.
    """

    file: str
    source: bytes
    name: str

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        """Yields an answer for each order, until one is None."""
        bring_back("numpy", "pandas")
        find = getattr(loaded(self.file, self.source), self.name, None)
        if not callable(find):
            raise SchemaFailed(
                f"{printable(self.file)} has no function {printable(self.name)}",
                hint="it takes a list of texts, and returns a list of names for each of them",
            )
        while (texts := next_order()) is not None:
            assert isinstance(texts, list)
            try:
                answer = [_masked(names) for names in find(list(texts))]
            except Exception as error:  # whatever an engine of somebody does
                raise failed(self.file, error) from None
            if len(answer) != len(texts):
                raise SchemaFailed(
                    f"{printable(self.file)} answered {len(answer):,} lists of names for"
                    f" {len(texts):,} texts"
                )
            yield answer


def _masked(names: Any) -> list[str]:
    """Returns names as they are shown, each once: "Ada Lovelace" is "A… L…"."""
    if isinstance(names, str):
        raise TypeError("a list of names is needed for each text, not a text")
    found = [" ".join(f"{part[0]}…" for part in str(name)[:CHARS_MAX].split()) for name in names]
    return [*dict.fromkeys(name for name in found if name)][:NAMES_MAX]

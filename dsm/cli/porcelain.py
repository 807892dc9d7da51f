"""The status for programs: forms that never change, whatever `dsm status` looks like to people."""

from __future__ import annotations

from dsm.model.example import LETTERS
from dsm.model.status_report import Status

Row = tuple[str, str, str, str | None]


def rows(status: Status) -> list[Row]:
    """Returns (staged letter, unstaged letter, path, old path) by path, new files last."""
    staged = {change.path: change for change in status.staged}
    unstaged = {change.path: LETTERS[change.kind] for change in status.unstaged}
    found: list[Row] = []
    for path in sorted({*staged, *unstaged}):
        change = staged.get(path)
        letter = LETTERS[change.kind] if change else " "
        found.append(
            (letter, unstaged.get(path, " "), path, change.renamed_from if change else None)
        )
    queries = [(LETTERS[c.kind], " ", f"{c.name}/", None) for c in status.staged_queries]
    return [*found, *queries, *(("?", "?", path, None) for path in sorted(status.untracked))]


def raw(letters: str, name: str, old: str | None) -> bytes:
    """Returns a row as `-z` writes it: names as they are, each ended by NUL."""
    names = [name] if old is None else [name, old]
    return f"{letters} ".encode() + b"".join(
        part.encode(errors="surrogateescape") + b"\0" for part in names
    )

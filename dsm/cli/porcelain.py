"""The status for programs: forms that never change, whatever `dsm status` looks like to people."""

from __future__ import annotations

from dsm.model.example import LETTERS, Change
from dsm.model.reports import Status

Row = tuple[str, str, str, str | None]


def status_fields(status: Status) -> dict[str, object]:
    """Returns the status as JSON has it."""
    return {
        "dataset": status.dataset,
        "head": status.head,
        "examples": status.examples,
        "clean": status.clean,
        "queries": list(status.queries),
        "staged_queries": [{"kind": c.kind, "name": c.name} for c in status.staged_queries],
        "staged": [_change_fields(change) for change in status.staged],
        "unstaged": [_change_fields(change) for change in status.unstaged],
        "untracked": list(status.untracked),
        "absent": status.absent,
        "failed": [{"path": p.path, "reason": p.reason} for p in status.failed],
    }


def _change_fields(change: Change) -> dict[str, object]:
    # Sizes and labels are for `dsm diff --json`: finding them out would cost status its speed.
    return {"kind": change.kind, "path": change.path, "renamed_from": change.renamed_from}


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

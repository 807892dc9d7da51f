"""What `--pick` names: a file, or standard input, as the list that it holds."""

from __future__ import annotations


def picked(source: str | None, column: str | None) -> list[str] | None:
    """Returns what is picked; None where nothing is asked for. Raises NotFound, InvalidInput."""
    if source is None:
        if column is None:
            return None
        from dsm.errors import InvalidInput

        raise InvalidInput("--pick-column belongs to --pick", hint="give --pick FILE, too")
    from dsm.worktree.pick_file import read_picks

    if source != "-":
        return read_picks(source, column)
    from dsm.cli.standard_input import standard_input

    return read_picks(standard_input(), column)

"""What `dsm gc --remote` does and prints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dsm.answers.remotes import remote_gc_answer
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.session import Session
from dsm.errors import InvalidInput
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.remotes.pruning import RemoteGc


def days_of(text: str) -> float:
    """Returns the grace time of 14d, 12h or a plain number of days. Raises InvalidInput."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)([dh]?)", text.strip())
    if found is None:
        raise InvalidInput("--grace takes days or hours, such as 14d or 12h")
    return float(found[1]) / (24 if found[2] == "h" else 1)


def run(s: Session, remote: str | None, grace: str, *, prune: bool, as_json: bool) -> None:
    """Finds, and removes with `prune`, what nothing on a remote needs."""
    plan = s.repo.gc_remote(remote, grace_days=days_of(grace), prune=prune, progress=s.progress())
    if as_json:
        print_json(remote_gc_answer(plan, pruned=prune))
        return
    for name, size in plan.removed:
        print(f"remove  {size_text(size):>9}  {printable(name)}")
    for name, size in plan.condemned:
        print(f"mark    {size_text(size):>9}  {printable(name)}")
    for name, size in plan.waiting:
        print(f"wait    {size_text(size):>9}  {printable(name)}")
    for line in _told(plan, prune):
        s.say(line)


def _told(plan: RemoteGc, pruned: bool) -> list[str]:
    freed = sum(size for _, size in plan.removed)
    lines = [f"{'freed' if pruned else 'would free'} {size_text(freed)} on {plan.remote}"]
    marked = count_text(len(plan.condemned) + len(plan.waiting), "file")
    if plan.condemned or plan.waiting:
        lines.append(
            f"{marked} that nothing refers to: to be removed when the mark is as old as --grace,"
            " since a push may be going on"
        )
    if plan.lifted:
        lines.append(f"{count_text(len(plan.lifted), 'file')} that were marked are needed again")
    if plan.rewritten:
        packs = count_text(len(plan.rewritten), "pack")
        saved = size_text(sum(size - needed for _, size, needed in plan.rewritten))
        lines.append(f"{'rewrote' if pruned else 'would rewrite'} {packs} without {saved}")
    small = count_text(len(plan.merge.packs), "small pack")
    if plan.merge.packs:
        lines.append(f"merged {small} into {plan.merge.made}" if pruned else f"would merge {small}")
    if not pruned:
        lines.append("nothing was changed (use --prune)")
    return lines

"""What `dsm fsck --remote` and `dsm fsck --repair` do and print."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dsm.answers.remotes import check_answer, repair_answer
from dsm.cli.output import LISTED_MAX, count_text, listed, print_json, size_text
from dsm.cli.session import Session
from dsm.errors import DamagedData, InvalidInput
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.remotes.checking import RemoteCheck, RemoteFinding


def share_of(text: str | None, *, full: bool) -> float:
    """Returns the share of the packs that is to be read, of 5% or 5. Raises InvalidInput."""
    if text is None:
        return 1.0 if full else 0.0
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%?", text.strip())
    if found is None or not 0 <= float(found[1]) <= 100 or full:
        raise InvalidInput("--sample takes a share such as 5%, from 0% to 100%, without --full")
    return float(found[1]) / 100


def check(s: Session, remote: str | None, share: float, *, repair: bool, as_json: bool) -> int:
    """Checks a remote, and mends it with `repair`; returns the exit status."""
    found, mended = s.repo.check_remote(remote, share=share, repair=repair, progress=s.progress())
    now = found
    if repair and found.findings:
        now, _ = s.repo.check_remote(remote, share=share, progress=s.progress())
    left: list[RemoteFinding] = now.findings
    if as_json:
        print_json(check_answer(found, mended, left if repair else None))
    else:
        for finding in left:
            print("\n".join(_lines(finding)))
    for name in listed([printable(name) for name in mended], LISTED_MAX):
        s.say(f"put back {name}")
    s.say(_summary(now, len(found.findings) if repair else 0))
    return DamagedData.exit_status if left else 0


def _lines(finding: RemoteFinding) -> Iterable[str]:
    yield f"damaged {finding.kind}: {printable(finding.where)}: {printable(finding.what)}"
    hit = [f"    {name}@{number}: {printable(path)}" for name, number, path in finding.examples]
    yield from listed(hit, LISTED_MAX)


def _summary(found: RemoteCheck, before: int) -> str:
    read = f"{size_text(found.size_read)} of {size_text(found.size)} read"
    if not found.size_read:
        read = "structure only; --sample 5% or --full read packs, too"
    count = len(found.findings)
    what = count_text(count, "problem") if count else "no problem"
    if before:
        what = f"{what} left of {before}"
    return (
        f"{what} on {found.remote} in {count_text(found.packs, 'pack')},"
        f" {count_text(found.objects, 'object')}, {count_text(found.changesets, 'changeset')}"
        f" ({read})"
    )


def mend(s: Session, remote: str | None, *, as_json: bool) -> None:
    """Repairs this copy from a remote, and says what came back."""
    from dsm.maintenance.repair import repair
    from dsm.remotes.remote import Remote

    s.repo.require_ours()
    report = repair(Remote(s.repo, s.repo.remotes.find(remote)), s.progress())
    if as_json:
        print_json(repair_answer(report))
        return
    for path in listed([*report.headers, *report.manifests], LISTED_MAX):
        s.say(f"brought back {printable(s.shown(path))}")
    if report.aside:
        s.say(
            f"put {count_text(len(report.aside), 'damaged pack')} aside, in .dsm/local/damaged;"
            " what was sound in them was kept"
        )
    if report.packs:
        s.say(
            f"downloaded {count_text(report.packs, 'pack')} of {report.remote},"
            f" {size_text(report.size)}"
        )
    if report.nothing:
        s.say("nothing to repair: every byte is as it should be")

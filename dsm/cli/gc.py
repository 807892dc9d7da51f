"""dsm gc: find, and with --prune remove, data that nothing refers to."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.maintenance import gc_answer, kept_by_answer
from dsm.cli import remote_options as options
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.session import Session
from dsm.errors import InvalidInput
from dsm.maintenance.reports import GcPlan
from dsm.model.names import printable


def command(
    ctx: typer.Context,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove it (default: only say what would go)")
    ] = False,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="ID", help="Say what keeps an object")
    ] = None,
    on_remote: Annotated[
        bool, typer.Option("--remote", help="Of a remote instead, the default one without REMOTE")
    ] = False,
    grace: Annotated[
        str | None,
        typer.Option("--grace", metavar="TIME", help="Of a remote: how old a mark must be (14d)"),
    ] = None,
    remote: options.Remote = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Find, and with --prune remove, data that nothing refers to

    Data goes only when no changeset, tag or stage refers to it; commands that run meanwhile lose
    nothing.

    With --remote, looks for what interrupted pushes left on a remote, and merges its small packs.
    What nothing there refers to is marked first, and removed by a later run, when the mark is as
    old as --grace by the clock of the place: a push that takes less time loses nothing.

    \b
    Examples:
      dsm gc
      dsm gc --prune
      dsm gc --remote --prune
      dsm gc --explain 3f9a1c2b
    """
    if on_remote:
        from dsm.cli import gc_remote

        if explain is not None:
            raise InvalidInput("--explain and --remote do not go together")
        with Session(ctx) as s:
            gc_remote.run(s, remote, grace or "14d", prune=prune, as_json=as_json)
        return
    if remote is not None or grace is not None:
        raise InvalidInput("a remote and --grace go with --remote only")
    from dsm.maintenance import gc

    if explain is not None and prune:
        raise InvalidInput("--explain and --prune do not go together")
    with Session(ctx) as s:
        if explain is not None:
            reasons = gc.explain(s.repo, explain)
            if as_json:
                print_json(kept_by_answer(explain, reasons))
            else:
                for line in reasons:
                    print(printable(line))
            return
        plan = gc.plan_gc(s.repo)
        if prune:
            plan = gc.apply_gc(s.repo, plan)
        if as_json:
            print_json(gc_answer(plan, pruned=prune))
            return
        for line in _lines(plan, prune):
            print(line)
        for note in plan.notes:
            s.say(f"note: {note}")
        if not prune and plan.reclaimable:
            s.say("nothing was removed (use --prune)")


def _lines(plan: GcPlan, pruned: bool) -> list[str]:
    lines = [f"remove pack   {size_text(size):>9}  {name}" for name, size in plan.packs]
    lines += [
        f"rewrite pack  {size_text(size - stays):>9}  {name} ({size_text(stays)} stays)"
        for name, size, stays in plan.repack
    ]
    lines += [f"remove file   {size_text(size):>9}  {printable(n)}" for n, size in plan.files]
    done = "freed" if pruned else "would free"
    lines.append(
        f"{done} {size_text(plan.reclaimable)} of {size_text(plan.size)}; "
        f"{plan.live_objects:,} of {count_text(plan.objects, 'object')} in use"
    )
    if plan.kept_for_writers:
        kept = count_text(plan.kept_for_writers, "pack")
        lines.append(f"kept {kept} for commands that may be running")
    return lines

"""pull: what a fetch has verified becomes part of the dataset, and the files here follow.

Objects first, then manifests, then headers in order. Files follow as they do after a revert: where
they hold exactly what the old head had, or where there was no example before. What was edited or
staged is left alone and listed. A pull that was killed in between is finished by the next one.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from dsm.datasets import Dataset
from dsm.errors import InvalidInput
from dsm.model.changeset import Changeset
from dsm.model.names import printable
from dsm.progress import SILENT, Progress
from dsm.remotes.collisions import (
    THEIRS,
    BothSides,
    Choices,
    HistoriesDiverged,
    both_sides,
    refusal,
    settle,
)
from dsm.remotes.contents import AFTER_HEADERS, BEFORE_HEADERS
from dsm.remotes.exchange import Exchange
from dsm.remotes.fetch import fetch_all, log_of
from dsm.remotes.incoming import Incoming, read_manifest
from dsm.remotes.objects import Brought, bring_objects
from dsm.remotes.pulling import Pulling, forget_pulling, note_pulling, pulling
from dsm.remotes.remote import Remote
from dsm.remotes.renumber import plan_renumbering, refuse_what_stays
from dsm.remotes.reports import Collision, DatasetPulled, PullReport, Renumbered
from dsm.remotes.settings import merge_settings
from dsm.remotes.taking import adopt, put_documents, put_headers, put_manifests, put_sources
from dsm.remotes.tracking import Seen
from dsm.worktree.committing import one_at_a_time
from dsm.worktree.following import Followed, Following, finish_following
from dsm.worktree.publish import publishing


@dataclass(frozen=True, slots=True)
class PullAsked:
    """How a pull goes on: `files` brings the work tree along, `objects` what examples hold;
    `choices` say whose version counts of examples that both sides changed."""

    files: bool = True
    choices: Choices = Choices()  # noqa: RUF009 (frozen)
    objects: bool = True


def pull(
    remote: Remote,
    only: tuple[str, ...] | None = None,
    asked: PullAsked = PullAsked(),
    progress: Progress = SILENT,
) -> PullReport:
    """Pulls the datasets of a remote; `only` names some.

    Raises HistoriesDiverged, before anything has changed, when both sides changed examples and no
    choice says whose count; InvalidInput for choices that make no sense; and what `fetch` raises.
    """
    told: list[DatasetPulled] = []
    packs = size = 0
    fetched = fetch_all(remote, only, progress)
    diverged = _settled(remote, fetched, asked.choices)
    for name, incoming in fetched:
        sides = diverged.get(name)
        pulled, brought = _pull_dataset(remote, name, incoming, sides, asked, progress)
        told.append(pulled)
        packs, size = packs + brought.packs, size + brought.size
    if fetched and (any(each.changesets or each.documents for each in told)):
        put_sources(remote)
    return PullReport(
        remote.entry.name, remote.entry.url, tuple(told), remote.transfer(packs, size)
    )


def _settled(
    remote: Remote, fetched: list[tuple[str, Incoming]], choices: Choices
) -> dict[str, BothSides]:
    """Returns what both sides did to the datasets that diverged, each collision with its side."""
    diverged: dict[str, BothSides] = {}
    used: set[str] = set()
    for name, incoming in fetched:
        log = log_of(remote.repository, name)
        if log is None or not incoming.changesets or log.head() == incoming.base:
            continue
        dataset = Dataset(remote.repository, remote.repository.identity(name))
        refuse_what_stays(remote, dataset, incoming)
        sides = both_sides(remote, dataset, incoming)
        found, taking = settle(sides.collisions, choices)
        used |= taking
        diverged[name] = sides.settled(found)
    collisions = [each for sides in diverged.values() for each in sides.collisions]
    for glob in (*choices.ours, *choices.theirs):
        if collisions and glob not in used:
            raise InvalidInput(
                f"both sides changed no example that {printable(glob)} takes",
                hint="nothing was changed; `dsm pull` alone lists those that both changed",
            )
    for name, sides in diverged.items():
        waits = sum(each.side is None for each in sides.collisions)
        if waits:
            _note_waiting(remote, name, waits)
            raise refusal(remote, sides.collisions, choices)
    return diverged


def _note_waiting(remote: Remote, name: str, waits: int) -> None:
    repository = remote.repository
    found = pulling(repository, name)
    if found is None or found.waits:  # else the files of an earlier pull are still to follow
        log = log_of(repository, name)
        assert log is not None
        head = log.head()
        note = Pulling(remote.entry.name, head, log.get(head).id, waits=waits)
        note_pulling(repository, name, note)


def _pull_dataset(
    remote: Remote,
    name: str,
    incoming: Incoming,
    sides: BothSides | None,
    asked: PullAsked,
    progress: Progress,
) -> tuple[DatasetPulled, Brought]:
    repository = remote.repository
    if name not in repository.datasets():
        adopt(remote, incoming.dataset, name)
    dataset = Dataset(repository, repository.identity(name))
    caught_up = finish_following(dataset.tree) if asked.files else Followed()
    forget_pulling(repository, name)  # what is noted is complete, or has not begun
    done = _NOTHING
    settings = merge_settings(remote, incoming.dataset, name)
    said = put_documents(remote, incoming.dataset, dataset.log_, BEFORE_HEADERS)
    if incoming.changesets:
        if sides is None:
            done = _fast_forward(remote, dataset, incoming, asked, progress)
        else:
            done = _put_on_top(remote, dataset, incoming, sides, asked, progress)
        dataset = Dataset(repository, dataset.identity)
    first, last = (incoming.base + 1, incoming.head) if incoming.changesets else (0, 0)
    rest = put_documents(
        remote, incoming.dataset, dataset.log_, AFTER_HEADERS, objects=asked.objects
    )
    count, differing = said[0] + rest[0], (*settings, *said[1], *rest[1])
    pulled = DatasetPulled(
        name, first, last, written=caught_up.written + done.files.written,
        removed=caught_up.removed + done.files.removed,
        left=done.files.left or caught_up.left, documents=count, differing=differing,
        renumbered=done.renumbered,
        carried=done.carried, uncarried=done.uncarried,
        dropped=tuple(each.path for each in done.settled),
        settled=done.settled,
    )  # fmt: skip
    return pulled, done.brought


@dataclass(frozen=True, slots=True)
class _Done:
    brought: Brought = Brought()  # noqa: RUF009 (frozen)
    files: Followed = Followed()  # noqa: RUF009 (frozen)
    renumbered: tuple[Renumbered, ...] = ()
    carried: tuple[str, ...] = ()
    uncarried: tuple[str, ...] = ()
    settled: tuple[Collision, ...] = ()


_NOTHING = _Done()


def _fast_forward(
    remote: Remote, dataset: Dataset, incoming: Incoming, asked: PullAsked, progress: Progress
) -> _Done:
    """Puts the changesets of a remote on top of a history that ends where they begin."""
    repository, log = remote.repository, dataset.log_
    oids, paths = _touched(remote, log.dataset_id, incoming.changesets, asked)
    with publishing(repository) as publish, one_at_a_time(dataset.tree):
        brought = bring_objects(repository, remote.backend, oids, progress)
        follow = Following(dataset.tree, paths, incoming.base) if asked.files else None
        with publish:
            log.require()
            put_manifests(remote, dataset.name, log.dataset_id, incoming.changesets)
            _note(remote, dataset, incoming.base, incoming.changesets[-1], files=asked.files)
            taken = put_headers(remote, log, incoming.changesets)
    if taken is not None:
        raise HistoriesDiverged(
            f"changeset {taken.number} of dataset {dataset.name} was recorded here in this moment",
            hint="run the command again",
        )
    _saw(remote, incoming)
    now = Dataset(repository, dataset.identity)
    files = Followed() if follow is None else follow.to_head(now.tree)
    forget_pulling(repository, dataset.name)
    return _Done(brought, files)


def _put_on_top(
    remote: Remote,
    dataset: Dataset,
    incoming: Incoming,
    sides: BothSides,
    asked: PullAsked,
    progress: Progress,
) -> _Done:
    """Puts the changesets of this copy on top of those of a remote."""
    repository, log = remote.repository, dataset.log_
    oids, paths = _touched(remote, log.dataset_id, incoming.changesets, asked)
    paths |= sides.of(THEIRS)
    with contextlib.ExitStack() as stack:
        publish = stack.enter_context(publishing(repository))
        stack.enter_context(one_at_a_time(dataset.tree))
        brought = bring_objects(repository, remote.backend, oids, progress)
        with publish:
            plan = plan_renumbering(remote, dataset, incoming, sides)
            put_manifests(remote, dataset.name, log.dataset_id, incoming.changesets)
            ready = Exchange(remote, dataset, plan)
            stack.callback(ready.clear)
            ready.begin()
            views = ready.carry_views()
        tags = [f"tag {tag.name}" for tag in dataset.tags() if tag.number > plan.base]
        follow = None
        if asked.files:
            yields = {path: sides.mine.get(path) for path in sides.of(THEIRS) & sides.mine.keys()}
            follow = Following(dataset.tree, paths, incoming.base, given_up=yields)
        _note(remote, dataset, plan.base, plan.new[-1], files=asked.files, aside=ready.name)
        ready.perform()
        _saw(remote, incoming)
        now = Dataset(repository, dataset.identity)
        files = Followed() if follow is None else follow.to_head(now.tree)
        forget_pulling(repository, dataset.name)
    return _Done(brought, files, plan.moved(), (*tags, *views.carried), views.lost, plan.collisions)


def _note(
    remote: Remote, dataset: Dataset, base: int, to: Changeset, *, files: bool, aside: str = ""
) -> None:
    """Notes where the dataset is, before it moves: `pull --abort` goes back there."""
    head = dataset.head
    if not head:
        return  # all of it comes; a clone goes on where it ended
    note = Pulling(
        remote=remote.entry.name, number=head, id=dataset.log_.get(head).id, base=base,
        to=to.number, to_id=to.id, aside=aside, files=int(files),
    )  # fmt: skip
    note_pulling(remote.repository, dataset.name, note)


def _saw(remote: Remote, incoming: Incoming) -> None:
    id = incoming.changesets[-1].id
    seen = Seen(incoming.dataset.folder, incoming.head, id, incoming.head, id)
    remote.tracking.saw(incoming.dataset.id, seen)
    remote.tracking.drop(incoming.dataset.id)


def _touched(
    remote: Remote, dataset: str, changesets: tuple[Changeset, ...], asked: PullAsked
) -> tuple[set[bytes], set[str]]:
    """Returns the objects that fetched changesets put, and the paths that they touch, as far as
    they are asked for."""
    oids: set[bytes] = set()
    paths: set[str] = set()
    if not (asked.objects or asked.files):
        return oids, paths
    for changeset in changesets:
        table = read_manifest(remote.tracking, dataset, changeset)
        if table is not None:
            if asked.objects:
                oids.update(oid for oid in table.column("object").unique().to_pylist() if oid)
            paths.update(table.column("path").to_pylist())
    return oids, paths

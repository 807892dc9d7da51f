"""What fsck found and what gc would remove: plain values that the command line prints."""

from __future__ import annotations

from dataclasses import dataclass, field

PICKED = -1  # a changeset number that stands for a view, or a segment, that picks by a list
PREDICTED = -2  # one that stands for a run with predictions


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that fsck found wrong.

    `kind` is a stable word (pack, object, manifest, changeset, stage, index, cache, document,
    view, tag, lock, receipt, reference); `examples` holds (dataset, changeset number, path) that it
    hits.
    """

    kind: str
    where: str
    what: str
    examples: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What fsck looked at and found; `findings` is empty for a whole repository.

    `strays` are files in `.dsm` that dsm did not write, relative to the root: no damage.
    `references` are objects whose bytes stay at an address; `references_sound` those that were
    found there as they were, None when nobody looked.
    """

    full: bool
    packs: int
    objects: int
    changesets: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    references: int = 0
    references_sound: int | None = None


@dataclass(frozen=True, slots=True)
class GcPlan:
    """What gc would do: remove `packs`, rewrite `repack`, remove `files`; sizes in bytes."""

    packs: tuple[tuple[str, int], ...]
    repack: tuple[tuple[str, int, int], ...]  # (pack, its bytes, bytes that stay)
    files: tuple[tuple[str, int], ...]
    objects: int
    live_objects: int
    size: int
    kept_for_writers: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def reclaimable(self) -> int:
        return (
            sum(size for _, size in self.packs)
            + sum(size - stays for _, size, stays in self.repack)
            + sum(size for _, size in self.files)
        )

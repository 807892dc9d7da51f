"""What removals answer, or would: plain values that the command line prints and programs read."""

from __future__ import annotations

from dataclasses import dataclass

from dsm.model.names import printable


@dataclass(frozen=True, slots=True)
class MassDeletion:
    """What a commit removes, where that is more than half of the examples or a whole folder.

    `deleted` of `examples` go; `folders` are those directly below the dataset's root that lose all
    they have. `paths` are the first 1,000 of what goes.
    """

    deleted: int
    examples: int
    folders: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Says it in half a line: "2 of 3 examples, all of cat/"."""
        text = f"{self.deleted:,} of {self.examples:,} examples"
        if not self.folders:
            return text
        named = ", ".join(f"{printable(folder)}/" for folder in self.folders[:3])
        more = f" and {len(self.folders) - 3:,} more folders" if len(self.folders) > 3 else ""
        return f"{text}, all of {named}{more}"


@dataclass(frozen=True, slots=True)
class DatasetRemoval:
    """What goes with a dataset: how many changesets, examples of the newest one, tags, prepared
    views and staged changes."""

    name: str
    changesets: int
    examples: int
    tags: int
    views: int
    staged: int

"""What a clause looks at in an example, in words: the value that decides."""

from __future__ import annotations

from dsm.model.example import Example
from dsm.model.names import printable
from dsm.model.timespec import format_time


class Value:
    """A kind of value. Subclasses say where it lies in a snapshot and how it is told."""

    column: str  # of a snapshot
    changed: str = ""  # what is said of an example whose value a changeset changed

    def of(self, example: Example) -> str:
        """Returns the value alone: "cat, night", a time, 512."""
        raise NotImplementedError

    def stated(self, example: Example, _: Example | None = None) -> str:
        """Returns the value with its name: "label cat, night", "width=512", "no label"."""
        raise NotImplementedError

    def moved(self, after: Example, before: Example | None) -> str:
        """Returns "was cat, is dog"."""
        assert before is not None
        return f"was {self.of(before)}, is {self.of(after)}"


class LabelsValue(Value):
    """The labels of an example."""

    column, changed = "labels", "relabelled"

    def of(self, example: Example) -> str:
        return printable(", ".join(example.labels)) or "no label"

    def stated(self, example: Example, _: Example | None = None) -> str:
        return f"label {self.of(example)}" if example.labels else self.of(example)


class PathValue(Value):
    """The path of an example, which every line about it says anyway."""

    column, changed = "path", "time changed"

    def of(self, example: Example) -> str:
        return printable(example.path)

    def stated(self, example: Example, _: Example | None = None) -> str:
        return ""


class ContentValue(Value):
    """The content of an example, by the beginning of its hash."""

    column, changed = "object", "content changed"

    def of(self, example: Example) -> str:
        return example.oid.hex()[:8]

    def stated(self, example: Example, _: Example | None = None) -> str:
        return f"content {self.of(example)}"


class TimeValue(Value):
    """The time of an example; of the newest share, `cutoff` is that of the oldest that is kept."""

    column, changed = "time", "time changed"

    def __init__(self, cutoff: int | None = None):
        self.cutoff = cutoff

    def of(self, example: Example) -> str:
        return format_time(example.time)

    def stated(self, example: Example, _: Example | None = None) -> str:
        tied = ", that of the cut-off: the path's hash decides"
        return f"time {self.of(example)}" + (tied if example.time == self.cutoff else "")


class ChangesetValue(Value):
    """The changeset that last put an example, which `dsm why` lists anyway."""

    column, changed = "changeset", "put again"

    def of(self, example: Example) -> str:
        return ""

    def stated(self, example: Example, _: Example | None = None) -> str:
        return ""

    def moved(self, after: Example, before: Example | None) -> str:
        return ""


class SizeValue(Value):
    """The size of an example in bytes."""

    column, changed = "size", "size changed"

    def of(self, example: Example) -> str:
        return f"{example.size:,} B"

    def stated(self, example: Example, _: Example | None = None) -> str:
        return f"size={self.of(example)}"


class AttributeValue(Value):
    """An attribute of an example."""

    def __init__(self, name: str):
        from dsm.format.manifest import ATTRIBUTE  # which imports Arrow

        self.name = name
        self.column = ATTRIBUTE + name
        self.changed = f"{printable(name)} changed"

    def of(self, example: Example) -> str:
        found: object = example.attributes.get(self.name)
        if isinstance(found, bool):
            return "true" if found else "false"
        return "none" if found is None else printable(str(found))

    def stated(self, example: Example, _: Example | None = None) -> str:
        name = printable(self.name)
        return f"{name}={self.of(example)}" if self.name in example.attributes else f"no {name}"

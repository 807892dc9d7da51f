"""How one contract differs from another: what is wider, what is narrower, and who breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dsm.checks.contract import Contract
from dsm.checks.report import Ran
from dsm.checks.rule import ERROR, Rule, Subject
from dsm.model.names import printable

WIDER, NARROWER, OTHER = "wider", "narrower", "other"
EXAMPLES_MAX = 10
# Options whose higher value allows more, and whose lower one does.
_LOWER_IS_WIDER = ("min", "min-share", "silence")
_HIGHER_IS_WIDER = ("max", "factor")
_FLAGS = ("required", "unique", "labels-stay")
# Lists of what is looked at: more of it asks for more, and none (but of `fields`) for all.
_LOOKED_AT = ("kinds", "in", "columns", "extensions", "labels", "of", "views", "fields")
_CODE = ("schema", "names")  # what stands in a file of Python


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference: WIDER (compatible), NARROWER or OTHER (may break what there is).

    `findings` counts what breaks the rule now; `paths` are the first of the examples.
    """

    kind: str
    rule: str
    text: str
    line: int | None
    findings: int = 0
    paths: tuple[str, ...] = ()

    @property
    def breaks(self) -> bool:
        """Whether something that there is does not fit any more."""
        return self.kind != WIDER and self.findings > 0


def schema_diff(old: Contract, new: Contract, subject: Subject) -> tuple[SchemaChange, ...]:
    """Returns how two contracts differ; rules that may break something are asked of `subject`.

    Raises what rules raise.
    """
    before, after = _by_key(old), _by_key(new)
    found: list[SchemaChange] = []
    for key in sorted({*before, *after}):
        mine = list(compared(before.get(key), after.get(key)))
        rule = after.get(key)
        line = None if rule is None else rule.line
        narrows = rule is not None and any(kind != WIDER for kind, _ in mine)
        count, paths = _broken(rule, subject) if rule is not None and narrows else (0, ())
        for kind, text in mine:
            if kind == WIDER:
                found.append(SchemaChange(kind, _name(key), text, line))
            else:
                found.append(SchemaChange(kind, _name(key), text, line, count, paths))
    return tuple(found)


_Key = tuple[str, str, int]


def _by_key(contract: Contract) -> dict[_Key, Rule]:
    found: dict[_Key, Rule] = {}
    for rule in contract.rules:
        of = str(rule.asked.get("name", rule.asked.get("of", "")))
        number = sum(1 for name, other, _ in found if (name, other) == (rule.name, of))
        found[rule.name, of, number] = rule
    return found


def _name(key: _Key) -> str:
    return f"{key[0]} {printable(key[1])}" if key[1] else key[0]


def _broken(rule: Rule, subject: Subject) -> tuple[int, tuple[str, ...]]:
    ran = Ran(rule, tuple(rule.check(subject)))
    paths: list[str] = []
    for finding in ran.findings():
        if finding.path is not None and len(paths) < EXAMPLES_MAX:
            paths.append(finding.path)
    return ran.count, tuple(paths)


def compared(old: Rule | None, new: Rule | None) -> Iterator[tuple[str, str]]:
    """Yields how one rule differs from another one: WIDER, NARROWER or OTHER, and in what."""
    if old is None:
        yield NARROWER, "it is new"
        return
    if new is None:
        yield WIDER, "it is gone"
        return
    if old.severity != new.severity:
        kind = NARROWER if new.severity == ERROR else WIDER
        yield kind, f"it is an {new.severity}" if new.severity == ERROR else "it is a warning"
    for option in sorted({*old.asked, *new.asked}):
        yield from _option(option, old.asked.get(option), new.asked.get(option))


def _option(option: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    if old == new:
        return
    if option == "optional":
        yield (WIDER, "optional now") if new else (NARROWER, "not optional any more")
    elif option in _LOOKED_AT and (isinstance(old, tuple) or isinstance(new, tuple)):
        yield from _looked_at(option, old, new)
    elif option not in _CODE and (isinstance(old, tuple) or isinstance(new, tuple)):
        yield from _lists(option, old, new)
    elif option in _FLAGS:
        yield (NARROWER, f"{option} now") if new else (WIDER, f"not {option} any more")
    elif option.startswith(_LOWER_IS_WIDER + _HIGHER_IS_WIDER):
        more = option.startswith(_HIGHER_IS_WIDER)
        wider = new is None or (old is not None and (new > old) == more)
        yield (WIDER if wider else NARROWER), _moved(option, old, new)
    elif new is None:
        yield WIDER, f"{option} is asked no more"
    elif old is None:
        yield NARROWER, f"{option} is {_shown(new)}"
    else:
        yield OTHER, _moved(option, old, new)


def _moved(option: str, old: Any, new: Any) -> str:
    if old is None:
        return f"{option} is {_shown(new)}"
    return f"{option} is {'any' if new is None else _shown(new)}, was {_shown(old)}"


def _looked_at(
    option: str, old: Sequence[Any] | None, new: Sequence[Any] | None
) -> Iterator[tuple[str, str]]:
    if old is None or new is None:
        more = (new is None) != (option == "fields")
        yield (NARROWER if more else WIDER), _moved(option, old, new)
        return
    more_of, less_of = ([v for v in a if v not in b] for a, b in ((new, old), (old, new)))
    if more_of:
        yield NARROWER, f"{option} has {_shown(more_of)}, too"
    if less_of:
        yield WIDER, f"{option} has {_shown(less_of)} no more"


def _lists(
    option: str, old: Sequence[Any] | None, new: Sequence[Any] | None
) -> Iterator[tuple[str, str]]:
    if new is None:
        yield WIDER, f"{option} is asked no more"
        return
    if old is None:
        yield NARROWER, f"{option} is {_shown(new)}"
        return
    more = [each for each in new if each not in old]
    less = [each for each in old if each not in new]
    if less:
        yield NARROWER, f"{option} has {_shown(less)} no more"
    if more:
        yield WIDER, f"{option} has {_shown(more)}, too"
    if option == "are" and list(new[: len(old)]) != list(old):
        yield OTHER, f"{option} is in another order: indices of classes shift"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        more = f" and {len(value) - 8:,} more" if len(value) > 8 else ""
        return ", ".join(printable(str(each)) for each in value[:8]) + more
    return f"{value:,}" if isinstance(value, int) and value is not True else printable(str(value))

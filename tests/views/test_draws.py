"""Samples and balances: by hash, nested, deterministic, and after all other filters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from situations import Work

from dsm.errors import DamagedData, DsmError, InvalidInput, NotFound
from dsm.views.query.describe import describe
from dsm.views.query.view_query import ViewQuery

PAGE = Path(__file__).resolve().parents[2] / "docs" / "format" / "view.md"
CONTEXT = "dsm view 1: examples drawn by hash"


def drawn(path: str, purpose: str, seed: str) -> int:
    """The hash that draws, computed a second time."""
    key = blake3(f"{purpose}\npath\n{seed}".encode(), derive_key_context=CONTEXT).digest()
    return int.from_bytes(blake3(path.encode(), key=key).digest()[:8], "little")


def slow_balance(examples: list[Any], values: Any, count: int | None, seed: str) -> list[Any]:
    """What a balance takes, one example after the other."""
    groups: dict[str, list[Any]] = {}
    for example in examples:
        for value in values(example):
            groups.setdefault(value, []).append(example)
    least = min(map(len, groups.values()), default=0) if count is None else count
    taken = set()
    for group in groups.values():
        group.sort(key=lambda example: drawn(example.path, "balance", seed))
        taken |= {example.path for example in group[:least]}
    return [example for example in examples if example.path in taken]


@pytest.fixture
def zoo(work: Work) -> Work:
    """Sixty examples of three labels, some with two, some with none, some with an attribute."""
    table = work.root.parent / "labels.csv"
    rows = ["path,labels,camera"]
    for at in range(60):
        labels = [name for name, each in (("cat", 2), ("dog", 3), ("owl", 11)) if at % each == 0]
        rows.append(f"{at:02}.jpg,{';'.join(labels)},{'' if at % 5 == 0 else f'c{at % 4 % 3}'}")
    table.write_text("\n".join(rows) + "\n")
    work.ds.add({f"{at:02}.jpg": b"%d" % at for at in range(60)}, label_file=str(table))
    work.ds.commit("sixty")
    return work


def paths(view: Any) -> list[str]:
    return [example.path for example in view]


@pytest.mark.parametrize("seed", ["0", "another"])
def test_a_larger_sample_holds_a_smaller_one(zoo: Work, seed: str) -> None:
    """Of one seed each share holds every smaller one; a share is rounded up."""
    before: set[str] = set()
    for percent in (1, 10, 20, 33, 50, 99):
        found = zoo.ds.prepare(sample=f"{percent}%", seed=seed)
        assert len(found) == -(-60 * percent // 100)
        assert before < set(paths(found))
        before = set(paths(found))
    assert set(paths(zoo.ds.prepare(sample=30, seed=seed))) == set(
        paths(zoo.ds.prepare(sample=0.5, seed=seed))
    )


def test_draws_are_what_the_page_says(zoo: Work) -> None:
    """Newest share, then balance, then sample, as a second evaluator has it."""
    examples = list(zoo.ds.prepare(percent="80%", exclude=["owl"]))
    asked: dict[str, Any] = {"percent": "80%", "exclude": ["owl"], "seed": "s"}
    by_label = slow_balance(examples, lambda e: e.labels, 7, "s")
    assert paths(zoo.ds.prepare(per_label=7, **asked)) == [e.path for e in by_label]
    alike = slow_balance(examples, lambda e: e.labels, None, "s")
    assert paths(zoo.ds.prepare(balance="label", **asked)) == [e.path for e in alike]
    camera = slow_balance(examples, lambda e: [*e.attributes.values()], None, "s")
    assert paths(zoo.ds.prepare(balance="attr.camera", **asked)) == [e.path for e in camera]
    camera.sort(key=lambda example: drawn(example.path, "sample", "s"))
    both = zoo.ds.prepare(balance="camera", sample=5, **asked)
    assert paths(both) == sorted(example.path for example in camera[:5])
    assert describe(both.query) == (
        "not label owl, newest 80 %, as many of each value of attr.camera as of the rarest (seed s),"
        " sample of 5 (seed s), up to changeset 1"
    )


@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    labels=st.lists(st.sets(st.sampled_from("abc"), max_size=3), min_size=1, max_size=30),
    count=st.integers(1, 9),
)
def test_so_many_of_each(
    tmp_path_factory: pytest.TempPathFactory, labels: list[set[str]], count: int
) -> None:
    """Each label has so many examples, or all that it has, whatever else they are labelled with."""
    work = Work(tmp_path_factory.mktemp("draws"))
    for at, mine in enumerate(labels):
        work.ds.add({f"{at}.x": str(at).encode()}, labels=sorted(mine))
    work.ds.commit("all")
    have = work.ds.labels()
    if not have:
        return
    found = work.ds.prepare(per_label=count)
    examples = slow_balance(list(work.ds.ls()), lambda e: e.labels, count, "0")
    assert paths(found) == [example.path for example in examples]
    for label, number in have.items():
        assert found.labels[label] >= min(count, number)


def test_draws_over_few_changes(zoo: Work) -> None:
    """A small changeset over a large snapshot is drawn from like any other rows."""
    before = paths(zoo.ds.prepare(sample="50%"))
    zoo.ds.remove([before[0]], keep_files=True, force=True)
    zoo.ds.commit("one less")
    after = zoo.reopen().prepare(sample="50%")
    assert len(after) == 30
    assert set(before) - set(paths(after)) == {before[0]}
    assert paths(zoo.ds.prepare(sample="50%", at=1)) == before


def test_who_was_not_drawn_is_told(zoo: Work) -> None:
    """`why` and `explain` tell that chance decided, and nothing else."""
    everything = zoo.ds.prepare(labels=["cat"])
    view = zoo.ds.prepare(labels=["cat"], per_label=9, sample=4)
    out = set(paths(everything)) - set(paths(view))
    for path in paths(everything):
        why = view.why(path)
        assert why.selected == (path not in out)
        assert [c.clause for c in why.checks if not c.passed] in ([], ["balance"], ["sample"])
    reasons = everything.explain(view).reasons
    assert {reason.clause for reason in reasons} == {"balance", "sample"}
    assert sum(reason.count for reason in reasons) == len(out)
    assert ViewQuery.from_json(view.query.to_json(), "here") == view.query
    assert zoo.repo.view(view.version).content == view.content


SAME: list[list[dict[str, Any]]] = [
    [{}, {"sample": "100%"}, {"sample": 1.0}],
    [{"sample": "10%"}, {"sample": 0.1}, {"sample": ".10"}, {"sample": "10%", "seed": 0}],
    [{"sample": 10}, {"sample": "10"}],
    [{"sample": 10, "seed": "x"}],
    [{"per_label": 3}, {"per_label": 3, "seed": "0"}],
    [{"balance": "label"}, {"balance": "labels"}],
    [{"balance": "camera"}, {"balance": "attr.camera"}],
]


def test_versions(zoo: Work) -> None:
    """Equal draws have one version, different ones different versions."""
    versions = [[zoo.ds.query(**asked).version for asked in group] for group in SAME]
    assert [len(set(group)) for group in versions] == [1] * len(SAME)
    assert len({version for group in versions for version in group}) == len(SAME)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"sample": 0}, InvalidInput, "is no sample"),
        ({"sample": "0%"}, InvalidInput, "is no sample"),
        ({"sample": "150%"}, InvalidInput, "is no sample"),
        ({"sample": -3}, InvalidInput, "is no sample"),
        ({"sample": "many"}, InvalidInput, "is no sample"),
        ({"sample": True}, InvalidInput, "is no sample"),
        ({"sample": "9" * 40}, InvalidInput, "is no sample"),
        ({"per_label": 0}, InvalidInput, "no number of examples"),
        ({"per_label": 2, "balance": "label"}, InvalidInput, "not both"),
        ({"balance": "camrea"}, NotFound, "no example has an attribute 'camrea'"),
        ({"seed": "7"}, InvalidInput, "nothing to draw"),
        ({"sample": 3, "seed": "a\nb"}, InvalidInput, "a seed is"),
    ],
)  # fmt: skip
def test_draws_that_make_no_sense(
    zoo: Work, asked: dict[str, Any], error: type[DsmError], message: str
) -> None:
    """Each is refused in one line."""
    with pytest.raises(error, match=message):
        zoo.ds.query(**asked)


@pytest.mark.parametrize(
    "change",
    [
        {"sample": {"seed": "0"}}, {"sample": {"seed": "0", "share": "1"}},
        {"sample": {"seed": "0", "share": "0.10"}}, {"sample": {"seed": "0", "count": 0}},
        {"sample": {"seed": "0", "count": 1, "share": "0.1"}}, {"sample": {"seed": 0, "count": 1}},
        {"balance": {"column": "label", "seed": "0"}}, {"balance": {"column": "labels"}},
        {"balance": {"column": "labels", "seed": "0", "count": True}}, {"sample": []},
    ],
)  # fmt: skip
def test_draws_that_are_spelt_otherwise_are_refused(zoo: Work, change: dict[str, Any]) -> None:
    """A query that dsm would not have written is damaged, not guessed at."""
    with pytest.raises(DamagedData, match="here is not a view's query"):
        ViewQuery.from_json(zoo.ds.query().to_json() | change, "here")


def test_the_sample_of_the_page(tmp_path: Path) -> None:
    """The sample on the page is what the library draws."""
    blocks = [json.loads(b.split("```")[0]) for b in PAGE.read_text().split("```json\n")[1:]]
    (vector,) = [b for b in blocks if isinstance(b, dict) and "sample" in b]
    (tmp_path / "page").mkdir()
    work = Work(tmp_path / "page")
    work.ds.add({path: b"x" for path in vector["paths"]})
    work.ds.commit("as on the page")
    share, seed = vector["sample"]["share"], vector["sample"]["seed"]
    assert paths(work.ds.prepare(sample=share, seed=seed)) == vector["taken"]

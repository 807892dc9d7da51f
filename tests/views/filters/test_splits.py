"""Splits: disjoint and complete, as specified, and stable whatever comes and goes."""

from __future__ import annotations

import importlib.util
import json
from fractions import Fraction
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from situations import Work

from dsm.errors import AlreadyExists, AnswerIsNo, DamagedData, DsmError, InvalidInput, NotFound
from dsm.format import document
from dsm.model.shares import BUCKETS_MAX, buckets, joined, others, share_of
from dsm.views.filters.splits import Part, SplitFilter
from dsm.views.query.view_query import ViewQuery
from dsm.views.view import View

PAGE = Path(__file__).resolve().parents[3] / "docs" / "format" / "view.md"


def slow() -> Any:
    """The second evaluator, which lies beside this file."""
    spec = importlib.util.spec_from_file_location(
        "slow_splits", Path(__file__).with_name("slow_splits.py")
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SLOW = slow()


def speakers(work: Work, numbers: range, takes: int = 5) -> dict[str, bytes]:
    """Files `{label}_{speaker}_{take}.wav`; each speaker has other words, and says some twice."""
    words = ("yes", "no", "up", "down")
    return {
        f"{words[(number * 7 + take * (number % 3 + 1)) % 4]}_s{number}_{take}.wav":
            f"{number % 5} {take}".encode()
        for number in numbers for take in range(1 + (number * 3) % takes)
    }  # fmt: skip


@pytest.fixture
def speech(tmp_path: Path) -> Work:
    """Thirty speakers with one to five takes each."""
    (tmp_path / "speech").mkdir()
    work = Work(tmp_path / "speech", pattern="{label}_{speaker}_{take:int}.wav")
    work.commit("thirty speakers", **speakers(work, range(30)))
    return work


def sides(work: Work, split: str, at: int | None = None) -> dict[str, str]:
    """The part of each example; each is asserted to be in one."""
    found: dict[str, str] = {}
    for part in work.ds.split(split).parts:
        view = work.ds.split(split).view(part, at=at) if part_has(work, split, part, at) else ()
        for example in view:
            assert example.path not in found
            found[example.path] = part
    return found


def part_has(work: Work, split: str, part: str, at: int | None) -> bool:
    found = work.ds.split(split).partition(at)
    return next(each.examples for each in found.parts if each.name == part) > 0


WAYS: list[dict[str, Any]] = [
    {"parts": "train=80%,val=10%,test=10%"},
    {"parts": "train=80%,val=10%,test=10%", "group": "speaker"},
    {"folds": 3, "by_content": True},
    {"parts": "a=1/3,b=1/6,c=1/2", "exact": True},
    {"folds": 5, "stratify": "label"},
    {"folds": 4, "stratify": "label", "group": "speaker"},
    {"folds": 3, "exact": True, "by_content": True},
    {"folds": 3, "stratify": "take", "group": "attr.speaker"},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_split_is_what_the_page_says(speech: Work, way: dict[str, Any]) -> None:
    """Every example is in the one part that a second, slow evaluator finds for it."""
    split = speech.ds.splits.create("s", **way)
    says = split.says
    speech.commit("more speakers", **speakers(speech, range(30, 40)))
    examples, first = list(speech.ds.ls()), list(speech.ds.ls(reference=1))
    pinned = way.get("exact") or way.get("stratify")
    found = SLOW.buckets(
        examples, first if pinned else None, by=says.by, seed=says.seed, of=says.of,
        strata=says.strata,
    )  # fmt: skip
    expected = {
        path: next(name for name, end in zip(says.names, says.ends, strict=True) if bucket < end)
        for path, bucket in found.items()
    }
    assert sides(speech, "s") == expected
    for part in split.parts:
        rest = {example.path for example in split.view(f"not-{part}")}
        assert rest == {path for path, side in expected.items() if side != part}


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_nobody_moves(speech: Work, way: dict[str, Any]) -> None:
    """Who is there keeps the part when others come, and when others go."""
    speech.ds.splits.create("s", **way)
    before = sides(speech, "s")
    speech.commit("more speakers", **speakers(speech, range(30, 60)))
    grown = sides(speech, "s")
    assert {path: grown[path] for path in before} == before
    gone = [path for path in grown if "_s7_" in path or "_s31_" in path]
    assert len(gone) > 1
    speech.ds.remove(gone)
    speech.ds.commit("two speakers removed")
    assert sides(speech, "s") == {p: part for p, part in grown.items() if p not in gone}
    assert speech.ds.split("s").moved(1) == {}


def test_parts_that_are_kept_are_the_same(speech: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of a deal gives the parts that dealing out gives, also when data grows."""
    ways: dict[str, dict[str, Any]] = {
        "exact": {"folds": 3, "exact": True}, "alike": {"folds": 3, "stratify": "label"},
        "five": {"folds": 5, "stratify": "label"}, "seed": {"folds": 3, "exact": True, "seed": "s"},
    }  # fmt: skip
    for name, way in ways.items():
        speech.ds.splits.create(name, **way)
    speech.commit("more", **speakers(speech, range(30, 40)))
    dealt = {name: sides(speech, name) for name in ways}
    monkeypatch.setattr("dsm.history.hash_cache.ROWS_MIN", 0)
    for _ in ("remembered", "known"):
        assert {name: sides(speech, name) for name in ways} == dealt
    speech.ds.label(["yes_s16_0.wav"], set=["no"])
    speech.ds.commit("one relabelled")
    assert {name: sides(speech, name) for name in ways} == dealt


def test_groups_never_straddle(speech: Work) -> None:
    """All takes of a speaker are in one part, also of speakers that come later."""
    for name, way in (("hash", {"folds": 4}), ("even", {"folds": 4, "stratify": "label"})):
        speech.ds.splits.create(name, group="speaker", **way)
    speech.commit("more", **speakers(speech, range(20, 50), takes=9))
    for name in ("hash", "even"):
        parts: dict[str, set[str]] = {}
        for path, part in sides(speech, name).items():
            parts.setdefault(path.split("_")[1], set()).add(part)
        assert {speaker: len(found) for speaker, found in parts.items()} == dict.fromkeys(parts, 1)


def test_folds_are_views(speech: Work) -> None:
    """Each fold is tested once, on what it was not trained on."""
    split = speech.ds.splits.create("cv", folds=3, group="speaker")
    everything = {example.path for example in speech.ds.ls()}
    tested: list[str] = []
    for train, test in split.folds():
        mine = {example.path for example in test}
        assert {example.path for example in train} == everything - mine
        tested += mine
    assert sorted(tested) == sorted(everything)
    narrowed = [(len(train), len(test)) for train, test in split.folds(labels=["yes"])]
    assert sum(test for _, test in narrowed) == speech.ds.labels()["yes"]


def test_exact_shares_are_exact(speech: Work) -> None:
    """With `exact` each part has its share, with `stratify` its share of each label, rounded."""
    ds = speech.ds
    ds.splits.create("exact", "a=0.5,b=0.3,c=0.2", exact=True)
    ds.splits.create("alike", "a=0.5,b=0.3,c=0.2", stratify="label")
    whole = {"all": len(ds)} | ds.labels()
    for name, keys in (("exact", ["all"]), ("alike", sorted(ds.labels()))):
        for part in ds.split(name).partition().parts:
            counts = {"all": part.examples} | part.labels
            assert part.share is not None
            for key in keys:
                assert abs(counts[key] - part.share * whole[key]) < 1


@settings(
    max_examples=30, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    labels=st.lists(st.sets(st.sampled_from("abcdé猫"), max_size=3), min_size=1, max_size=40),
    folds=st.integers(2, 7),
    seed=st.text("ab é", max_size=4),
)
def test_labels_are_dealt_out_alike(
    tmp_path_factory: pytest.TempPathFactory, labels: list[set[str]], folds: int, seed: str
) -> None:
    """Of any labels, several or none, each fold gets its share of each stratum; nobody is lost."""
    work = Work(tmp_path_factory.mktemp("random"))
    for number, mine in enumerate(labels):
        work.ds.add({f"{number}.x": str(number).encode()}, labels=sorted(mine))
    work.ds.commit("all")
    split = work.ds.splits.create("cv", folds=folds, stratify="label", seed=seed)
    examples = list(work.ds.ls())
    expected = SLOW.buckets(
        examples, examples, by="path", seed=seed, of=folds, strata="labels"
    )  # fmt: skip
    found = {path: int(part.removeprefix("fold")) - 1 for path, part in sides(work, "cv").items()}
    assert found == expected
    assert split.partition().outside == 0


def test_shares_are_within_what_chance_allows(work: Work) -> None:
    """A part by hash has its share of the examples within five standard deviations."""
    count = 4000
    work.ds.add({f"{number:05}": b"x" for number in range(count)})
    work.ds.commit("many")
    for seed in ("one", "two", "three"):
        split = work.ds.splits.create(seed, "train=80%,val=15%,test=5%")
        for part in split.partition().parts:
            assert part.share is not None
            share = float(part.share)
            assert abs(part.examples - count * share) < 5 * sqrt(count * share * (1 - share))


def test_the_vectors_of_the_page(tmp_path: Path) -> None:
    """Who is drawn is the same on the page, in the library and in the second evaluator."""
    blocks = [block.split("```")[0] for block in PAGE.read_text().split("```json\n")[1:]]
    checked = 0
    for text in blocks:
        vector = json.loads(text)
        if not isinstance(vector, dict) or "split" not in vector:
            continue
        split = vector["split"]
        labels = vector["units"] if split.get("strata") else dict.fromkeys(vector["units"], ())
        (tmp_path / str(checked)).mkdir()
        work = Work(tmp_path / str(checked))
        for path, mine in labels.items():
            work.ds.add({path: path.encode()}, labels=list(mine))
        work.ds.commit("as on the page")
        at = (1, work.ds.changeset(1).id) if split.get("strata") else None
        part = Part(
            split["by"], split["seed"], tuple(map(tuple, split["take"])), split["of"], at,
            split.get("strata"),
        )  # fmt: skip
        found = SplitFilter.of([part])
        assert found is not None
        query = ViewQuery(work.ds.id, 1, work.ds.changeset(1).id, (found,))
        snapshots = work.ds.snapshots
        view = View(work.repo, "data", lambda found=snapshots: found, query)  # type: ignore[misc]
        assert view.table().column("path").to_pylist() == sorted(vector["taken"])
        checked += 1
    assert checked == 2


# --- what versions depend on ----------------------------------------------------------------------


def test_a_view_does_not_depend_on_names(speech: Work) -> None:
    """Parts of the same buckets have one version, whatever they and their splits are called."""
    ds = speech.ds
    ds.splits.create("one", "train=80%,val=10%,test=10%", seed="x")
    ds.splits.create("two", "a=4/5,b=0.2", seed="x")
    version = ds.prepare(split="one:train").version
    assert ds.prepare(split=["two:a", "one:train"]).version == version
    assert ds.prepare(split="two:not-b").version == version
    assert ds.prepare(split="one:not-train").version == ds.prepare(split="two:b").version
    ds.splits.remove("one")
    ds.splits.create("one", "train=50%,test=50%", seed="x")
    assert ds.prepare(split="two:a").version == version != ds.prepare(split="one:train").version
    kept = speech.repo.view(version)
    assert len(kept) == len(ds.prepare(split="two:a"))


def test_a_part_of_everything_asks_nothing(speech: Work) -> None:
    """100 % of a dataset is the dataset, and nothing is in what is left."""
    ds = speech.ds
    ds.splits.create("all", "all=100%", stratify="label")
    assert ds.query(split="all:all") == ds.query()
    with pytest.raises(AnswerIsNo, match="no example is in not-all"):
        ds.query(split="all:not-all")


def test_splits_go_with_other_filters(speech: Work) -> None:
    """A part is narrowed by filters, and several parts by each other."""
    ds = speech.ds
    ds.splits.create("h", "train=60%,test=40%", group="speaker")
    ds.splits.create("cv", folds=3)
    train = {example.path for example in ds.prepare(split="h:train")}
    fold = {example.path for example in ds.prepare(split="cv:not-fold2")}
    both = ds.prepare(split=["cv:not-fold2", "h:train"], labels=["yes", "no"])
    assert {e.path for e in both} == {p for p in train & fold if p.split("_")[0] in ("yes", "no")}
    assert ViewQuery.from_json(both.query.to_json(), "here") == both.query
    why = both.why(next(iter(train - fold)))
    assert [(check.clause, check.passed) for check in why.checks][1:] == [
        ("split", path_passes) for path_passes in (
            why.checks[1].passed, why.checks[2].passed)
    ]  # fmt: skip
    assert not why.selected
    reasons = ds.prepare(split="h:train").explain(both).reasons
    assert {reason.clause for reason in reasons} <= {"split", "label"}
    assert sum(reason.count for reason in reasons) == len(train) - len(both)


def test_an_older_snapshot_of_an_exact_split(speech: Work) -> None:
    """The parts of exact shares are those of their changeset, whichever snapshot a view is of."""
    speech.commit("more", **speakers(speech, range(30, 40)))
    speech.ds.splits.create("s", folds=4, exact=True)
    now, before = sides(speech, "s"), sides(speech, "s", at=1)
    assert before == {path: now[path] for path in before}
    assert len(before) < len(now)


# --- time -----------------------------------------------------------------------------------------


@pytest.fixture
def days(work: Work) -> Work:
    """Ten examples, one a day from 2026-01-01 on."""
    rows = [f"{day}.txt,2026-01-{day:02}" for day in range(1, 11)]
    table = work.root.parent / "times.csv"
    table.write_text("path,time\n" + "\n".join(rows) + "\n")
    work.ds.add({f"{day}.txt": b"x" for day in range(1, 11)}, label_file=str(table))
    work.ds.commit("ten days")
    return work


def test_time_as_ranges(days: Work) -> None:
    """A part by time has the version of its times written out."""
    ds = days.ds
    ds.splits.create("t", time="train=..2026-01-04,test=2026-01-06..")
    assert ds.query(split="t:train") == ds.query(until="2026-01-04")
    assert ds.query(split="t:test", until="2026-02") == ds.query(
        since="2026-01-06", until="2026-02"
    )
    assert ds.split("t").partition().outside == 2
    assert ds.query(split="t:not-train") == ds.query(since="2026-01-04")
    with pytest.raises(InvalidInput, match="no time is at or after"):
        ds.query(split=["t:train", "t:test"])


def test_time_as_shares(days: Work) -> None:
    """Shares of the order of time become times when the split is made, and stay."""
    ds = days.ds
    ds.splits.create("t", time="train=70%,val=1/10,test=20%")
    assert ds.query(split="t:val") == ds.query(since="2026-01-08", until="2026-01-09")
    assert [part.examples for part in ds.split("t").partition().parts] == [7, 1, 2]
    ds.add({"old.txt": b"x"})
    ds.commit("older than all others")
    assert [part.examples for part in days.ds.split("t").partition().parts] == [8, 1, 2]


def test_folds_of_time(days: Work) -> None:
    """Each fold is tested after what it is trained on, with the gap between them."""
    ds = days.ds
    split = ds.splits.create("walk", time_folds=4, gap="1d")
    found = [
        ([int(e.path[:-4]) for e in train], [int(e.path[:-4]) for e in test])
        for train, test in split.folds()
    ]
    assert [(sorted(train), sorted(test)) for train, test in found] == [
        ([1], [3, 4]), ([1, 2, 3], [5, 6]), ([1, 2, 3, 4, 5], [7, 8]),
        ([1, 2, 3, 4, 5, 6, 7], [9, 10]),
    ]  # fmt: skip


# --- what is refused, and what is not -------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({}, InvalidInput, "needs one of"),
        ({"parts": "a=50%,b=50%", "folds": 3}, InvalidInput, "needs one of"),
        ({"parts": "a=50%,b=60%"}, InvalidInput, "add up to 110%"),
        ({"parts": "a=50%,b=40%"}, InvalidInput, "add up to 90%"),
        ({"parts": "a=50%,a=50%"}, InvalidInput, "twice"),
        ({"parts": "a=50,b=50"}, InvalidInput, "is no share"),
        ({"parts": "a=0%,b=100%"}, InvalidInput, "is no share"),
        ({"parts": "a=1/0,b=1"}, InvalidInput, "is no share"),
        ({"parts": "a"}, InvalidInput, "is no part"),
        ({"parts": ""}, InvalidInput, "is no part"),
        ({"parts": "not-a=50%,b=50%"}, InvalidInput, "cannot name a part"),
        ({"parts": "a/b=50%,c=50%"}, InvalidInput, "cannot name a part"),
        ({"parts": "a=0.000000001,b=0.111111111,c=8/9"}, InvalidInput, "."),
        ({"folds": 1}, InvalidInput, "no number of folds"),
        ({"folds": 10**6}, InvalidInput, "no number of folds"),
        ({"folds": 3, "group": "speakr"}, NotFound, "no example has an attribute 'speakr'"),
        ({"folds": 3, "stratify": "nobody"}, NotFound, "no example has an attribute 'nobody'"),
        ({"folds": 3, "group": "speaker", "by_content": True}, InvalidInput, "not both"),
        ({"folds": 3, "group": "speaker", "stratify": "speaker"}, InvalidInput, "dealt out alike"),
        ({"folds": 3, "seed": "x" * 256}, InvalidInput, "a seed is"),
        ({"folds": 3, "seed": "a\nb"}, InvalidInput, "a seed is"),
        ({"folds": 3, "at": 9, "exact": True}, NotFound, "no changeset 9"),
        ({"parts": "a=33.33%,b=66.67%", "group": "speaker", "exact": True}, InvalidInput, "round"),
        ({"time": "a=..2026,b=2025.."}, InvalidInput, "overlap"),
        ({"time": "a=2026..2025"}, InvalidInput, "is empty"),
        ({"time": "a=.."}, InvalidInput, "no range"),
        ({"time": "a=..2026", "seed": "x"}, InvalidInput, "draws nothing"),
        ({"time": "a=50%,b=50%", "exact": True}, InvalidInput, "draws nothing"),
        ({"time_folds": 3, "gap": "soon"}, InvalidInput, "no length of time"),
        ({"folds": 3, "gap": "7d"}, InvalidInput, "--gap belongs"),
        ({"time_folds": 900}, InvalidInput, "cannot be parted"),
    ],
)  # fmt: skip
def test_splits_that_make_no_sense(
    speech: Work, asked: dict[str, Any], error: type[DsmError], message: str
) -> None:
    """Each is refused in one line that says what is wrong, and nothing is left."""
    with pytest.raises(error, match=message):
        speech.ds.splits.create("s", **asked)
    assert list(speech.ds.splits) == []


def test_names_of_splits_and_parts(speech: Work) -> None:
    """What there is not is answered with what was meant; what there is stays as it is."""
    ds = speech.ds
    ds.splits.create("cv", folds=3)
    with pytest.raises(NotFound, match="no split 'vc'"):
        ds.prepare(split="vc:fold1")
    with pytest.raises(NotFound, match="no part 'fold4'") as caught:
        ds.prepare(split="cv:fold4")
    assert caught.value.hint is not None and "cv:fold" in caught.value.hint
    with pytest.raises(InvalidInput, match="SPLIT:PART"):
        ds.prepare(split="cv")
    with pytest.raises(AlreadyExists, match="never changes"):
        ds.splits.create("cv", folds=4)
    for name in ("head", "7", "../x", "", "a b"):
        with pytest.raises(
            InvalidInput,
            match="means the newest changeset already|would hide changeset 7|cannot name a split",
        ):
            ds.splits.create(name, folds=2)
    assert [split.name for split in ds.splits] == ["cv"]
    assert ("cv" in ds.splits, len(ds.splits)) == (True, 1)


def test_a_small_class_is_in_one_fold(work: Work) -> None:
    """A class of one example is tested in one fold; a class smaller than K in as many as it has."""
    for label, count in (("many", 20), ("one", 1), ("two", 2), ("solo", 1)):
        work.ds.add({f"{label}{at}": b"x" for at in range(count)}, labels=[label])
    work.ds.commit("small classes")
    split = work.ds.splits.create("cv", folds=5, stratify="label")
    parts = split.partition().parts
    tested = {
        label: [part.labels.get(label, 0) for part in parts] for label in ("one", "two", "solo")
    }
    assert {label: sorted(counts) for label, counts in tested.items()} == {
        "one": [0, 0, 0, 0, 1], "two": [0, 0, 0, 1, 1], "solo": [0, 0, 0, 0, 1],
    }  # fmt: skip
    assert tested["one"] != tested["solo"]
    assert sum(part.examples for part in parts) == 24


def test_examples_without_the_group_are_alone(work: Work) -> None:
    """What lacks the attribute is drawn by its path, and is told."""
    work.write({f"{at}.txt": str(at) for at in range(20)})
    (work.root.parent / "who.csv").write_text("path,who\n1.txt,a\n2.txt,a\n")
    work.ds.add(["."], label_file="../who.csv")
    work.ds.commit("some")
    work.ds.splits.create("g", folds=2, group="who")
    work.ds.splits.create("p", folds=2, seed="g")
    grouped, plain = sides(work, "g"), sides(work, "p")
    assert work.ds.split("g").partition().alone == 18
    assert {p: s for p, s in grouped.items() if p not in ("1.txt", "2.txt")} == {
        p: s for p, s in plain.items() if p not in ("1.txt", "2.txt")
    }
    assert grouped["1.txt"] == grouped["2.txt"]


def test_an_attribute_that_becomes_a_fraction_moves_nobody(work: Work) -> None:
    """A group told by an integer stays where it is when the attribute becomes a float."""
    table = work.root.parent / "n.csv"
    table.write_text("path,n\n" + "".join(f"{at}.txt,{at % 7}\n" for at in range(30)))
    work.ds.add({f"{at}.txt": b"x" for at in range(30)}, label_file=str(table))
    work.ds.commit("integers")
    work.ds.splits.create("s", folds=4, group="n")
    before = sides(work, "s")
    table.write_text("path,n\nx.txt,0.5\n")
    work.ds.add({"x.txt": b"x"}, label_file=str(table))
    work.ds.commit("a fraction")
    after = sides(work, "s")
    assert {path: after[path] for path in before} == before


def test_leakage_is_found(speech: Work) -> None:
    """The same bytes in several parts are told; a split by content has none."""
    ds = speech.ds
    ds.splits.create("s", folds=3)
    ds.splits.create("c", folds=3, by_content=True)
    by_object: dict[str, set[str]] = {}
    parts = sides(speech, "s")
    for example in ds.ls():
        by_object.setdefault(example.oid.hex(), set()).add(parts[example.path])
    leaking = {oid for oid, found in by_object.items() if len(found) > 1}
    found = ds.split("s").leakage()
    assert {leak.object for leak in found.leaks} == leaking
    assert found.objects == len(leaking) > 0
    for leak in found.leaks:
        assert all(parts[path] == part for part, path in leak.places)
    assert ds.split("c").leakage().objects == 0


# --- documents ------------------------------------------------------------------------------------


def test_a_damaged_split_is_found(speech: Work) -> None:
    """A split that does not say what it must is refused, and fsck tells of it."""
    from dsm.maintenance.fsck import fsck

    ds = speech.ds
    ds.splits.create("s", folds=3, description="why")
    made = ds.split("s").definition
    assert (made.author, made.message, made.number) == ("tester", "why", 1)
    assert fsck(speech.repo).findings == ()
    path = Path(speech.repo.layout.definitions("data", "split")) / "s.json"
    fields = document.decode(path.read_bytes(), "s")
    for change in ({"of": 0}, {"parts": []}, {"by": "magic"}, {"parts": [["a", 2], ["b", 1]]}):
        broken = {**fields, "definition": {**fields["definition"], **change}}
        path.unlink()
        path.write_bytes(document.encode(broken))
        with pytest.raises(DamagedData, match="does not define a split"):
            ds.prepare(split="s:fold1")
        assert [finding.kind for finding in fsck(speech.repo).findings] == ["document"]


@pytest.mark.parametrize(
    "change",
    [
        {"of": BUCKETS_MAX + 1}, {"of": 2.5}, {"take": []}, {"take": [[0, 5]]}, {"take": [[2, 1]]},
        {"take": [[0, 1], [1, 2]]}, {"by": "magic"}, {"seed": 7}, {"strata": "labels"},
        {"more": 1}, {"take": [[-1, 2]]}, {"take": [[0, 2], [1, 3]]},
    ],
)  # fmt: skip
def test_parts_that_are_spelt_otherwise_are_refused(speech: Work, change: dict[str, Any]) -> None:
    """A query with a part that dsm would not have written is damaged, not guessed at."""
    speech.ds.splits.create("s", folds=5)
    fields = speech.ds.query(split="s:not-fold2").to_json()
    fields["splits"][0] |= change
    with pytest.raises(DamagedData, match="here is not a view's query"):
        ViewQuery.from_json(fields, "here")


@given(st.lists(st.fractions(0, 1, max_denominator=50).filter(bool), min_size=1, max_size=6))
def test_buckets_are_exact(weights: list[Fraction]) -> None:
    """Shares become ends of equal buckets without rounding, and parts and their rest fill all."""
    total = sum(weights)
    shares = [weight / total for weight in weights]
    of, ends = buckets(shares)
    assert ends[-1] == of
    starts = [0, *ends]
    runs = list(zip(starts, ends, strict=False))
    assert [Fraction(end - start, of) for start, end in runs] == shares
    assert joined([*others(joined([runs[0]]), of), runs[0]]) == ((0, of),)


@pytest.mark.parametrize(
    ("text", "share"),
    [("80%", "4/5"), ("0.8", "4/5"), (".5", "1/2"), ("1/3", "1/3"), ("12.5 %", "1/8"), ("1", "1")],
)
def test_shares_as_they_are_written(text: str, share: str) -> None:
    """Percent, decimals and fractions are exact."""
    assert share_of(text) == Fraction(share)

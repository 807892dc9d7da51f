"""Random questions that mix splits, segments, other views, balances and samples.

Each is answered a second time in plain Python, one example after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from situations import Work
from views.filters import slow_splits
from views.test_draws import drawn, slow_balance

from dsm.errors import AnswerIsNo
from dsm.views.query.view_query import ViewQuery

WORDS = ["yes", "no", "up"]
SPLITS: dict[str, dict[str, Any]] = {
    "path": {"folds": 4},
    "speaker": {"parts": "a=25%,b=25%,c=50%", "group": "speaker"},
    "exact": {"folds": 4, "exact": True},
    "alike": {"folds": 2, "stratify": "label", "group": "speaker"},
}
SEGMENTS: dict[str, dict[str, Any]] = {
    "yes": {"labels": ["yes"]},
    "late": {"where": ["take>=3"]},
    "few": {"where": ["speaker in s1,s2,s3,s4,s5"]},
    "yes-no": {"labels": ["yes", "no"]},
    "no-up": {"labels": ["no", "up"]},
}
NAMED = {"base-no": {"labels": ["no"]}, "base-early": {"where": ["take<=2"]}}


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """Twelve speakers with two to four takes of three words; more come after the splits."""
    work = Work(
        tmp_path_factory.mktemp("questions") / "w", pattern="{label}_{speaker}_{take:int}.wav"
    )

    def takes(speakers: range) -> dict[str, bytes]:
        return {
            f"{word}_s{s}_{t}.wav": f"{word} {s} {t}".encode()
            for word in WORDS for s in speakers for t in range(1, 3 + s % 3)
        }  # fmt: skip

    work.commit("eight", **takes(range(8)))
    for name, way in SPLITS.items():
        work.ds.splits.create(name, **way)
    for name, asked in SEGMENTS.items():
        work.ds.segments.create(name, **asked)
    work.commit("twelve", **takes(range(8, 12)))
    for name, asked in NAMED.items():
        work.ds.prepare(name=name, **asked)
    yield work
    work.repo.close()


def bucket_names(split: Any) -> list[str]:
    ends = [0, *split.says.ends]
    return [
        name for name, end, start in zip(split.parts, ends[1:], ends[:-1], strict=True)
        for _ in range(end - start)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def parts(speech: Work) -> dict[str, dict[str, str]]:
    """For each split the part of each path, by the slow evaluator."""
    everything = list(speech.ds.ls())
    first = list(speech.ds.prepare(at=1))
    found = {}
    for name, way in SPLITS.items():
        split = speech.ds.split(name)
        group, strata = way.get("group"), way.get("stratify")
        numbers = slow_splits.buckets(
            everything, first if split.says.at else None,
            by=f"attr.{group}" if group else "path", seed=name, of=split.says.of,
            strata="labels" if strata else None,
        )  # fmt: skip
        names = bucket_names(split)
        found[name] = {path: names[bucket] for path, bucket in numbers.items()}
    return found


def fits(example: Any, asked: dict[str, Any]) -> bool:
    speaker, take = example.attributes["speaker"], example.attributes["take"]
    return all(
        {
            "yes": example.labels == ("yes",), "late": take >= 3,
            "yes-no": example.labels[0] in ("yes", "no"),
            "no-up": example.labels[0] in ("no", "up"), "few": speaker in ("s1", "s2", "s3", "s4", "s5"),
            "base-no": example.labels == ("no",), "base-early": take <= 2,
        }[name]
        for name in asked
    )  # fmt: skip


QUESTIONS = st.fixed_dictionaries(
    {},
    optional={
        "split": st.sampled_from(
            [("path", "fold1"), ("path", "not-fold3"), ("speaker", "c"), ("speaker", "not-a"),
             ("exact", "fold2"), ("exact", "not-fold2"), ("alike", "fold1")]
        ),
        "segment": st.lists(st.sampled_from(["late", "few", "yes-no", "no-up"]), unique=True, min_size=1),
        "algebra": st.tuples(
            st.sampled_from(["and", "or", "minus"]), st.sampled_from(sorted(NAMED)),
            st.sampled_from(sorted(NAMED)),
        ),
        "percent": st.sampled_from(["30%", "75%"]),
        "draw": st.sampled_from([{"balance": "label"}, {"per_label": 3}]),
        "sample": st.sampled_from(["20%", "50%", 5]),
        "seed": st.sampled_from(["0", "s"]),
    },
)  # fmt: skip


def answer(speech: Work, parts: dict[str, dict[str, str]], question: dict[str, Any]) -> list[str]:
    """The paths of a question, slowly."""
    found = list(speech.ds.ls())
    if "algebra" in question:
        verb, one, other = question["algebra"]
        sides = [fits(e, [one]) for e in found], [fits(e, [other]) for e in found]
        rule = {
            "and": lambda a, b: a and b,
            "or": lambda a, b: a or b,
            "minus": lambda a, b: a and not b,
        }
        found = [e for e, a, b in zip(found, *sides, strict=True) if rule[verb](a, b)]
    if "split" in question:
        name, part = question["split"]
        mine = parts[name]
        plain = part.removeprefix("not-")
        found = [e for e in found if (mine[e.path] == plain) == (part == plain)]
    found = [e for e in found if fits(e, question.get("segment", []))]
    if "percent" in question:
        keep = ceil(Fraction(question["percent"][:-1]) / 100 * len(found))
        newest = sorted(
            found, key=lambda e: (e.time, blake3(e.path.encode()).digest()), reverse=True
        )
        found = sorted(newest[:keep], key=lambda e: e.path)
    seed = question.get("seed", "0")
    if "draw" in question:
        found = slow_balance(found, lambda e: e.labels, question["draw"].get("per_label"), seed)
    if "sample" in question:
        size = question["sample"]
        count = size if isinstance(size, int) else ceil(Fraction(size[:-1]) / 100 * len(found))
        found = sorted(found, key=lambda e: drawn(e.path, "sample", seed))[:count]
    return sorted(e.path for e in found)


@settings(max_examples=60)
@given(QUESTIONS)
def test_answers_are_those_of_plain_python(
    speech: Work, parts: dict[str, dict[str, str]], question: dict[str, Any]
) -> None:
    """A view holds what the slow evaluator says; its document means the same question."""
    assume("seed" not in question or "draw" in question or "sample" in question)
    asked = {
        key: question[key] for key in ("segment", "percent", "sample", "seed") if key in question
    }
    asked |= question.get("draw", {})
    if "split" in question:
        asked["split"] = ":".join(question["split"])
    if "algebra" in question:
        verb, one, other = question["algebra"]
        asked |= {"view": one, {"and": "and_", "or": "or_", "minus": "minus"}[verb]: [other]}
    expected = answer(speech, parts, question)
    try:
        view = speech.ds.prepare(**asked)
    except AnswerIsNo:
        assert expected == []
        return
    assert [example.path for example in view] == expected
    again = ViewQuery.from_json(view.query.to_json(), "it")
    assert again.version == view.version


@pytest.mark.parametrize("name", SPLITS)
def test_parts_are_disjoint_and_complete(
    speech: Work, parts: dict[str, dict[str, str]], name: str
) -> None:
    """Every example is in exactly one part, the one that the slow evaluator says."""
    split = speech.ds.split(name)
    told = [(each.path, part) for part in split.parts for each in split.view(part)]
    assert sorted(told) == sorted(parts[name].items())

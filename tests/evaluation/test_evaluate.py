"""Runs are evaluated against what their view says: groups, baselines, gates."""

from __future__ import annotations

import pytest
from situations import Work

from dsm.errors import InvalidInput, NotFound
from dsm.evaluation.gate import Judged, parse

from .conftest import PATHS, begin

HALF = ["cat", "cat", "dog", "dog", "dog", "cat"]


def test_groups_are_segments_labels_and_values(pets: Work) -> None:
    """Segments may overlap, values part the examples; each group has figures of its own."""
    pets.repo.predictions.add("base", PATHS, labels=HALF)
    pets.ds.segments.create("cats", labels="cat")
    pets.ds.segments.create("all", paths="*/*")
    found = pets.repo.predictions.evaluate("base", by="segment")
    assert found.metrics["accuracy"] == 4 / 6
    told = [
        (each.name, each.figures.examples, each.figures.metrics["accuracy"])
        for each in found.groups
    ]
    assert told == [("all", 6, 4 / 6), ("cats", 3, 2 / 3)]
    by_n = pets.repo.predictions.evaluate("base", by="n")
    assert [(each.name, each.figures.metrics["accuracy"]) for each in by_n.groups] == [
        ("1", 1.0), ("2", 1.0), ("3", 0.0),
    ]  # fmt: skip
    assert pets.repo.predictions.evaluate("base", by="label").groups == []
    with pytest.raises(InvalidInput, match="no example has an attribute"):
        pets.repo.predictions.evaluate("base", by="m")


def test_only_examples_of_which_the_truth_is_known_count(pets: Work) -> None:
    """Predictions of examples with no label, or several, are left out and counted."""
    pets.ds.label(["cat/1"], set=["cat", "dog"])
    pets.ds.commit("both")
    pets.ds.prepare(name="now")
    begin(pets, "now", "now")
    pets.repo.predictions.add("now", PATHS[:4], labels=HALF[:4])
    found = pets.repo.predictions.evaluate("now")
    assert (found.figures.examples, found.outcome.without_truth, found.outcome.stored.missing) == (
        3,
        1,
        2,
    )


def test_a_baseline_is_compared_on_what_both_predicted(pets: Work) -> None:
    """Better and worse examples are named, and figures of both are on the same examples."""
    begin(pets, "new", "all")
    pets.repo.predictions.add("base", PATHS[:5], labels=HALF[:5])
    pets.repo.predictions.add("new", PATHS[1:], labels=["dog", "cat", "dog", "dog", "cow"])
    found = pets.repo.predictions.evaluate("new", baseline="base")
    comparison = found.comparison
    assert comparison is not None and found.figures_compared is not None
    assert comparison.better.to_pylist() == ["cat/3"]
    assert comparison.worse.to_pylist() == ["cat/2"]
    assert (comparison.examples, comparison.only_run, comparison.only_baseline) == (4, 1, 1)
    assert [each.metrics["accuracy"] for each in found.figures_compared] == [0.75, 0.75]
    assert comparison.p_value == 1.0


def test_a_baseline_on_older_labels_is_held_against_the_new_ones(pets: Work) -> None:
    """What is true is what the run's own view says, for both."""
    pets.repo.predictions.add("base", PATHS, labels=["cat"] * 3 + ["dog"] * 3)
    pets.ds.label(["dog/1"], set=["cow"])
    pets.ds.commit("a cow")
    pets.ds.prepare(name="now")
    begin(pets, "new", "now")
    pets.repo.predictions.add("new", PATHS, labels=["cat"] * 3 + ["cow", "dog", "dog"])
    found = pets.repo.predictions.evaluate("new", baseline="base")
    assert found.comparison is not None
    assert found.comparison.better.to_pylist() == ["dog/1"]


def test_numbers_need_an_attribute_that_is_true(pets: Work) -> None:
    """Predicted numbers are compared with an attribute, and have no labels to group by."""
    pets.repo.predictions.add("base", PATHS, values=[1.0, 2.0, 3.0, 1.0, 2.0, 4.0])
    found = pets.repo.predictions.evaluate("base", target="n", by="n")
    assert found.metrics["mae"] == 1 / 6
    assert [each.figures.metrics["mae"] for each in found.groups] == [0, 0, 0.5]
    with pytest.raises(InvalidInput, match="does not say which are true"):
        pets.repo.predictions.evaluate("base")
    with pytest.raises(InvalidInput, match="no labels to group by"):
        pets.repo.predictions.evaluate("base", target="n", by="label")


def test_gates_fail_where_a_figure_is_so(pets: Work) -> None:
    """Figures of all examples, of groups and of the baseline can be held against a limit."""
    begin(pets, "new", "all")
    pets.repo.predictions.add("base", PATHS, labels=HALF)
    pets.repo.predictions.add("new", PATHS, labels=["cat"] * 6)
    gates = {
        "accuracy < 0.6": True,
        "accuracy < 0.5": False,
        "accuracy < baseline - 0.1": True,
        "accuracy < baseline - 0.2": False,
        "accuracy < baseline * 0.5": False,
        "label:dog recall < 0.1": True,
        "n:3 accuracy <= 0.5": True,
        "label:cat f1 > baseline": False,
        "n:'1' accuracy != 0.5": False,
    }
    found = pets.repo.predictions.evaluate("new", baseline="base", fail_if=list(gates))
    assert {each.gate.text: each.failed for each in found.judged} == gates
    for wrong, said in (("auc < 1", "no figure 'auc'"), ("n:9 f1 < 1", "no n '9'")):
        with pytest.raises((InvalidInput, NotFound), match=said):
            pets.repo.predictions.evaluate("new", fail_if=[wrong])
    with pytest.raises(InvalidInput, match="compares with the baseline"):
        pets.repo.predictions.evaluate("new", fail_if=["f1 < baseline"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f1",
        "f1 < ",
        "f1 < x",
        "f1 <> 1",
        "f1 < 1 + 1",
        "a:b:c f1",
        "__import__('os')",
        "f1 < 1" * 300,
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    """Anything but a figure, an operator and a limit is refused, and nothing is run."""
    with pytest.raises(InvalidInput, match="no condition"):
        parse(text)


def test_what_cannot_be_told_fails() -> None:
    """A figure that is not defined, or NaN, does not pass a gate."""
    gate = parse("auc < 0.5")
    assert Judged(gate, None, 0.5).failed and Judged(gate, float("nan"), 0.5).failed
    assert not Judged(gate, 0.6, 0.5).failed


def test_fairness_asks_which_class_is_wanted(pets: Work) -> None:
    """Of two classes the second one is wanted; groups are the values of an attribute."""
    pets.repo.predictions.add("base", PATHS, labels=HALF)
    found = pets.repo.predictions.evaluate("base", sensitive="n").fairness
    assert found is not None and found.positive == "dog"
    assert [each.selected for each in found.groups] == [0.5, 0.5, 0.5]
    assert (found.disparate_impact, found.equalized_odds) == (1.0, 1.0)
    pets.repo.predictions.add("base", PATHS, labels=[*HALF[:5], "cow"], replace=True)
    with pytest.raises(InvalidInput, match="which of 3 classes"):
        pets.repo.predictions.evaluate("base", sensitive="n")
    own = pets.repo.predictions.evaluate("base", positive="cat").metrics
    assert (own["precision"], own["recall"]) == (1.0, 2 / 3)
    with pytest.raises(NotFound, match="no class 'cot'"):
        pets.repo.predictions.evaluate("base", positive="cot")

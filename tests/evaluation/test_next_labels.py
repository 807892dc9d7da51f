"""What a run got wrong, labels that are probably wrong, agreement, and what to label next."""

from __future__ import annotations

import math

import numpy as np
import pytest
from situations import Work
from sklearn.metrics import cohen_kappa_score

from dsm.errors import InvalidInput, NotFound
from dsm.evaluation.agreement import cohen_kappa, fleiss_kappa
from dsm.evaluation.suggest import committee, tasks, uncertainty
from dsm.evaluation.suspects import confident_errors

from .conftest import PATHS, begin
from .test_figures import CLOSE, problem


def noisy(
    count: int = 1500, classes: int = 5, share: float = 0.08
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of a fair model, labels of which some are swapped, and which ones."""
    truth, _, chances = problem(classes, count, 11)
    chances = chances**2 / (chances**2).sum(1, keepdims=True)
    random = np.random.default_rng(1)
    swapped = random.random(count) < share
    labels = np.where(swapped, (truth + random.integers(1, classes, count)) % classes, truth)
    return chances, labels, swapped


def test_label_errors_are_those_of_cleanlab() -> None:
    """The same labels are suspect as by the library of the authors of confident learning."""
    cleanlab = pytest.importorskip("cleanlab.filter", reason="cleanlab is not installed")
    chances, labels, _ = noisy()
    places, _ = confident_errors(labels, list(chances.T))
    expected = cleanlab.find_label_issues(labels, chances, filter_by="confident_learning")
    assert np.flatnonzero(expected).tolist() == places.tolist()


def test_swapped_labels_are_found(pets: Work) -> None:
    """A swapped label is suspect, the most certain first, with the class that it should have."""
    sure = {"cat/1": 0.2, "cat/2": 0.9, "cat/3": 0.95, "dog/1": 0.9, "dog/2": 0.05, "dog/3": 0.1}
    pets.repo.predictions.add("base", PATHS, probabilities=[[p, 1 - p] for p in sure.values()])
    found = pets.repo.predictions.suspects("base")
    told = [(each.path, each.label, each.suggested, round(each.margin, 9)) for each in found.found]
    assert told == [("dog/1", "dog", "cat", -0.8), ("cat/1", "cat", "dog", -0.6)]
    pets.repo.predictions.add("base", PATHS, labels=["cat"] * 6, replace=True)
    with pytest.raises(InvalidInput, match="by the probabilities"):
        pets.repo.predictions.suspects("base")


def test_failures_are_a_view(pets: Work) -> None:
    """The most confident failures come first; of one confusion if asked; numbers by their error."""
    predictions = pets.repo.predictions
    predictions.add("base", PATHS, labels=["cat", "dog", "dog", "dog", "cat", "dog"],
                    scores=[0.9, 0.6, 0.8, 0.5, 0.7, 0.5])  # fmt: skip
    found = predictions.failures("base")
    assert found.paths() == ["cat/3", "dog/2", "cat/2"]
    assert [(e.truth, e.predicted, e.confidence) for e in found.first(1)] == [("cat", "dog", 0.8)]
    assert predictions.failures("base", true="dog", predicted="cat").paths() == ["dog/2"]
    with pytest.raises(NotFound, match="did|no class"):
        predictions.failures("base", true="cow")
    predictions.add("base", PATHS, values=[1, 2, 5, 1, 2.5, 3], replace=True)
    assert predictions.failures("base", target="n").paths() == ["cat/3", "dog/2"]


def test_kappas_are_the_published_ones() -> None:
    """Cohen's is that of scikit-learn; Fleiss' that of the example in his paper's tradition."""
    random = np.random.default_rng(5)
    one, two = random.integers(0, 4, 300), random.integers(0, 4, 300)
    two[:150] = one[:150]
    assert cohen_kappa(one, two, 4) == pytest.approx(cohen_kappa_score(one, two), **CLOSE)
    assert cohen_kappa(np.zeros(3, int), np.zeros(3, int), 2) is None
    assert cohen_kappa(np.zeros(0, int), np.zeros(0, int), 2) is None
    # Ten subjects, fourteen raters, five categories: kappa is 0.210 (Wikipedia, Fleiss' kappa).
    votes = np.array([
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ])  # fmt: skip
    assert fleiss_kappa(votes) == pytest.approx(0.20993070442195522, **CLOSE)


def test_annotators_are_attributes(pets: Work) -> None:
    """Each two are compared on what both labelled; a tie has no majority."""
    said = {
        "cat/1": "cat cat cat",
        "cat/2": "cat dog dog",
        "cat/3": "cat dog -",
        "dog/1": "dog dog dog",
    }
    for path, labels in said.items():
        names = {w: label for w, label in zip("abc", labels.split(), strict=True) if label != "-"}
        pets.ds.label([path], attributes=names)
    pets.ds.commit("annotated")
    pets.ds.prepare(name="now")
    found = pets.repo.predictions.agreement("now", ["a", "b", "c"])
    assert [(e.one, e.two, e.examples, e.agreed) for e in found.pairs] == [
        ("a", "b", 4, 2), ("a", "c", 3, 2), ("b", "c", 3, 3),
    ]  # fmt: skip
    assert [(e.path, e.majority) for e in found.disputed] == [("cat/2", "dog"), ("cat/3", None)]
    assert found.complete == 3
    with pytest.raises(InvalidInput, match="needs two"):
        pets.repo.predictions.agreement("now", ["a", "a"])
    with pytest.raises(InvalidInput, match="no example has an attribute 'd'"):
        pets.repo.predictions.agreement("now", ["a", "d"])


def test_uncertainty_is_as_published() -> None:
    """Entropy, margin and confidence are those of scikit-activeml, or of their formulas."""
    chances = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    entropy = uncertainty(chances, "entropy")
    assert entropy == pytest.approx([0.8018185525433373, 0.0, math.log(3)], **CLOSE)
    assert uncertainty(chances, "margin") == pytest.approx([0.5, 0.0, 1.0], **CLOSE)
    assert uncertainty(chances, "least-confident") == pytest.approx([0.3, 0.0, 2 / 3], **CLOSE)
    other = chances[:, ::-1]
    half = 0.4 * math.log(0.4 / 0.4)  # the middle of the first row is one of both
    expected = 0.7 * math.log(0.7 / 0.4) + 0.1 * math.log(0.1 / 0.4) + half
    assert committee([chances, other]) == pytest.approx([expected, math.log(2), 0], **CLOSE)
    pool = pytest.importorskip("skactiveml.pool", reason="scikit-activeml is not installed")
    _, _, many = problem(6, 200, 2)
    names = {
        "entropy": "entropy",
        "margin": "margin_sampling",
        "least-confident": "least_confident",
    }
    for ours, theirs in names.items():
        published = pool.uncertainty_scores(many, method=theirs)
        assert uncertainty(many, ours) == pytest.approx(published, **CLOSE)
    models = [problem(6, 200, seed)[2] for seed in (2, 3, 4)]
    published = pool.average_kl_divergence(np.stack(models))
    assert committee(models) == pytest.approx(published, **CLOSE)


def test_unlabelled_examples_are_suggested(pets: Work) -> None:
    """Those of which a model is least sure come first, labelled ones only if asked."""
    predictions = pets.repo.predictions
    pets.ds.label(["cat/1", "cat/2", "dog/1"], set=[])
    pets.ds.commit("unlabelled")
    pets.ds.prepare(name="now")
    for run, chances in (("one", [0.5, 0.9, 0.9, 0.6, 1, 1]), ("two", [0.5, 0.1, 0.9, 0.6, 1, 1])):
        begin(pets, run, "now")
        predictions.add(run, PATHS, probabilities=[[p, 1 - p] for p in chances])
    first = predictions.suggest(["one"], 2)
    assert [(each.path, each.predicted) for each in first] == [("cat/1", "cat"), ("dog/1", "cat")]
    assert len(predictions.suggest(["one"], 10, labelled=True)) == 6
    apart = predictions.suggest(["one", "two"], 1, strategy="committee")
    assert [each.path for each in apart] == ["cat/2"]
    spread = predictions.suggest(["one"], 2, strategy="margin", diverse=True)
    assert [each.path for each in spread] == ["cat/1", "cat/2"]
    (task,) = tasks(first[:1], "image", "one")
    assert task["data"] == {"image": "cat/1"}
    for wrong, said in ((["one"], "1 run was given"), (["one", "two"], "2 runs were given")):
        with pytest.raises(InvalidInput, match=said):
            predictions.suggest(wrong, strategy="committee" if len(wrong) == 1 else "entropy")
    with pytest.raises(InvalidInput, match="no strategy"):
        predictions.suggest(["one"], strategy="guess")
    predictions.add("base", PATHS, probabilities=[[0.5, 0.5]] * 6)
    with pytest.raises(InvalidInput, match="every example that was predicted has a label"):
        predictions.suggest(["base"])

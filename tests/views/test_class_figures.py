"""How many examples each class has, and its weight in a loss."""

from __future__ import annotations

import pytest
from situations import Work


def test_classes_weigh_alike_together(work: Work) -> None:
    """What has no class, or several, is counted apart; weights sum up to the examples."""
    for label, count in (("cat", 7), ("dog", 2), ("owl", 1)):
        work.ds.add({f"{label}/{at}": b"%d" % at for at in range(count)}, labels=[label])
    work.ds.add({"both": b"b"}, labels=["cat", "dog"])
    work.ds.add({"none": b"n"}, labels=None)
    work.ds.commit("twelve")
    found = work.ds.prepare().class_figures()
    assert (found.names, found.counts, found.without) == (("cat", "dog", "owl"), (7, 2, 1), 2)
    each = [weight * count for weight, count in zip(found.weights, found.counts, strict=True)]
    assert each == pytest.approx([10 / 3] * 3, rel=1e-15)
    part = work.ds.prepare(labels=["cat"], classes=["owl", "cat"]).class_figures()
    assert (part.names, part.counts, part.without) == (("owl", "cat"), (0, 8), 0)
    assert part.weights == (0.0, 1.0)


def test_weights_of_a_published_example(work: Work) -> None:
    """Two of one class and four of the other, as in the documentation of scikit-learn."""
    work.ds.add({f"zero/{at}": b"%d" % at for at in range(2)}, labels=["0"])
    work.ds.add({f"one/{at}": b"%d" % at for at in range(4)}, labels=["1"])
    work.ds.commit("six")
    assert work.ds.prepare().class_figures().weights == (1.5, 0.75)

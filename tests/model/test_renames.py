"""Which new path is an old one under another name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.model.renames import paired

A, B = b"a" * 32, b"b" * 32


@pytest.mark.parametrize(
    ("new", "gone", "pairs"),
    [
        ({"x": A}, {"y": A}, {"x": "y"}),
        ({"x": A}, {"y": B}, {}),
        ({"n/1": A, "n/2": A}, {"o/2": A, "o/1": A}, {"n/1": "o/1", "n/2": "o/2"}),
        ({"n/a/1": A, "n/b/1": A}, {"o/b/1": A, "o/a/1": A}, {"n/a/1": "o/a/1", "n/b/1": "o/b/1"}),
        ({"n/1": A, "n/2": A}, {"o/2": A}, {"n/2": "o/2"}),
        ({"n/1": A}, {"o/2": A, "o/1": A}, {"n/1": "o/1"}),
        ({"n/8": A, "n/9": A}, {"o/1": A, "o/2": A}, {"n/8": "o/1", "n/9": "o/2"}),
        ({"1": A}, {"a/1": A, "1/1": A}, {"1": "1/1"}),
    ],
)
def test_pairs(new: dict[str, bytes], gone: dict[str, bytes], pairs: dict[str, str]) -> None:
    """The same content first, then the longest common end, then the order of paths."""
    assert paired(new, gone) == pairs


def test_one_that_went_serves_several_when_asked() -> None:
    """What is left has the one that ends alike, or the first; each serves once before that."""
    gone = {"o/1": A, "o/2": A}
    new = {"m/2": A, "n/2": A, "n/3": A, "n/4": A}
    assert paired(new, gone, shared=True) == {
        "m/2": "o/2", "n/2": "o/1", "n/3": "o/1", "n/4": "o/1",
    }  # fmt: skip


PATHS = st.lists(st.sampled_from(["a", "b", "1", "2"]), min_size=1, max_size=4).map("/".join)
TREES = st.dictionaries(PATHS, st.sampled_from([A, B]), max_size=8)


@given(TREES, TREES, st.booleans())
def test_pairs_have_the_same_content(
    new: dict[str, bytes], gone: dict[str, bytes], shared: bool
) -> None:
    """As many as can be are paired; only with `shared` does one serve twice."""
    pairs = paired(new, gone, shared=shared)
    assert all(new[path] == gone[old] for path, old in pairs.items())
    for oid in (A, B):
        targets = [path for path in new if new[path] == oid]
        olds = [path for path in gone if gone[path] == oid]
        used = [pairs[path] for path in targets if path in pairs]
        assert len(used) == (len(targets) if shared and olds else min(len(targets), len(olds)))
        if not shared:
            assert len(set(used)) == len(used)


def test_many_of_one_content_take_no_time_to_speak_of() -> None:
    """Twenty thousand files with the same content, in another folder: each finds its own."""
    names = [f"{number % 100}/{number}" for number in range(20_000)]
    pairs = paired({f"new/{name}": A for name in names}, {f"old/{name}": A for name in names})
    assert pairs == {f"new/{name}": f"old/{name}" for name in names}

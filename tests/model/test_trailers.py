"""Trailers of changesets, and conditions on them, as people write them."""

from __future__ import annotations

import pytest

from dsm.errors import InvalidInput
from dsm.model.trailers import TrailerCondition, parse_trailers


def test_trailers_are_kept_by_key() -> None:
    """Keys are kept in small letters and sorted, values in their order, none of them twice."""
    given = ["Ticket=A-17", "annotator= bob ", "annotator=ada", "annotator=bob", "url=a=b"]
    assert (found := parse_trailers(given)) == {
        "annotator": ("bob", "ada"),
        "ticket": ("A-17",),
        "url": ("a=b",),
    }
    assert list(found) == ["annotator", "ticket", "url"]
    assert found == parse_trailers({"url": "a=b", "TICKET": ["A-17"], "annotator": ["bob", "ada"]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ticket", "'ticket' is no trailer"),
        ("=x", "'' is no key of a trailer"),
        ("a b=x", "'a b' is no key of a trailer"),
        ("1a=x", "'1a' is no key of a trailer"),
        ("k" * 65 + "=x", "is no key of a trailer"),
        ("k=", "'' is no value of a trailer"),
        ("k= \t", "is no value of a trailer"),
        ("k=a\nb", r"'a\\nb' is no value of a trailer"),
        ("k=" + "x" * 1001, "is no value of a trailer"),
        ("k=\udcff", "is no value of a trailer"),
    ],
)
def test_what_is_no_trailer_is_refused(text: str, said: str) -> None:
    """A key is a plain word, a value one line of text."""
    with pytest.raises(InvalidInput, match=said):
        parse_trailers([text])


def test_trailers_are_bounded() -> None:
    """A header stays small: 100 trailers, and not one more."""
    assert len(parse_trailers([f"k{n}=v" for n in range(100)])) == 100
    with pytest.raises(InvalidInput, match="at most 100 trailers"):
        parse_trailers([f"k{n}=v" for n in range(101)])


@pytest.mark.parametrize(
    ("text", "told", "fits"),
    [
        ("ticket=A-17", "ticket=A-17", True),
        (" Ticket = A-17 ", "ticket=A-17", True),
        ("ticket=a-17", "ticket=a-17", False),
        ("ticket!=A-17", "ticket!=A-17", False),
        ("ticket!=B", "ticket!=B", True),
        ("other!=A-17", "other!=A-17", True),
        ("other=A-17", "other=A-17", False),
        ("annotator=bob", "annotator=bob", True),
        ("annotator!=bob", "annotator!=bob", False),
        ("annotator in eve, ada", "annotator in ada,eve", True),
        ("annotator in eve", "annotator=eve", False),
        ("url=a=b", "url=a=b", True),
    ],
)
def test_conditions_on_trailers(text: str, told: str, fits: bool) -> None:
    """Of several values of a key, one is enough to fit, and to be left out."""
    condition = TrailerCondition.parse(text)
    assert told == str(condition)
    assert TrailerCondition.from_json(condition.to_json()) == condition
    trailers = parse_trailers(["ticket=A-17", "annotator=ada", "annotator=bob", "url=a=b"])
    assert fits == condition.fits(trailers)


@pytest.mark.parametrize("text", ["", "ticket", "ticket<3", "in a,b", "k in ", "k="])
def test_what_is_no_condition_is_refused(text: str) -> None:
    """A condition that says nothing, or compares as numbers do, is an error."""
    with pytest.raises(InvalidInput, match="is no condition on trailers|is no value of a trailer"):
        TrailerCondition.parse(text)

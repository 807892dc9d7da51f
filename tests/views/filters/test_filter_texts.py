"""Globs and conditions as people write them: what they mean, and that none takes long."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import DamagedData, InvalidInput
from dsm.model.globs import GLOB_CHARS_MAX, check_glob, matches
from dsm.model.wildmatch import parse
from dsm.views.filters.conditions import parse_condition
from dsm.views.filters.glob import expression
from dsm.views.query.view_query import ViewQuery

TYPES = {"a b": "string", "c": "string", 'd"': "string", "in": "string", "width": "int"}


@pytest.mark.parametrize(
    ("glob", "selected"),
    [
        ("a$b", ["a$b"]),
        ("[$]*", ["$z"]),
        (r"a\\zb", [r"a\zb"]),
        (r"\$z", ["$z"]),
        ("x[+-9]y", ["x.y", "x3y"]),
        ("x[!3]y", ["x.y"]),
        ("[z-a]", []),
        ("[z-ab]", ["b"]),
        ("[a-b]", ["b"]),
        ("x[3--.]y", ["x.y", "x3y"]),
        ("[]$]z", ["$z"]),
        (r"x[\].]y", ["x.y"]),
        ("x[[:digit:]]y", ["x3y"]),
        ("x/**", ["x/y"]),
        ("**/y", ["x/y"]),
        ("x", ["x/y"]),
    ],
)
def test_signs_in_globs(glob: str, selected: list[str]) -> None:
    """What a regular expression would read otherwise is itself, and no set holds the slash."""
    paths = pa.array(["$z", "a$b", r"a\zb", "b", "x.y", "x/y", "x3y"])
    assert paths.filter(pc.match_substring_regex(paths, expression(glob))).to_pylist() == selected
    assert [path for path in paths.to_pylist() if matches(glob, path)] == selected


@given(
    st.lists(
        st.sampled_from([*"ab*?/[]!-\\", "**", "**/", "/**", "[ab]", "[[:alpha:]]", "é"]),
        max_size=8,
    ),
    st.lists(st.text("ab/-]é", max_size=8), max_size=5),
)
def test_arrow_and_python_select_alike(parts: list[str], texts: list[str]) -> None:
    """The expression for Arrow and the matcher for single paths are one rule."""
    glob = "".join(parts)
    found = pc.match_substring_regex(pa.array(texts, pa.string()), expression(glob)).to_pylist()
    assert [matches(glob, text) for text in texts] == found


@pytest.mark.parametrize(
    ("glob", "problem"),
    [
        ("a[b", "the glob 'a[b' fits no path: "),
        ("[[:nosuch:]]", "the glob '[[:nosuch:]]' fits no path: "),
        ("a\\", "the glob 'a\\' fits no path: "),
        ("a" * 8193, f"the glob '{'a' * 100}…{'a' * 50}' is 8,193 characters long"),
    ],
)
def test_a_glob_that_cannot_be_meant_is_refused(work: Work, glob: str, problem: str) -> None:
    """It is named when the view is asked for, and in a stored query that somebody made up."""
    work.ds.add({"a": b"1"})
    work.ds.commit("one")
    with pytest.raises(InvalidInput) as caught:
        work.ds.prepare(paths=[glob])
    assert problem == caught.value.message[: len(problem)]
    fields = work.ds.prepare(paths=["a"]).query.to_json()
    with pytest.raises(DamagedData, match="where is not a view's query: the glob "):
        ViewQuery.from_json({**fields, "paths": [glob]}, "where")


@pytest.mark.parametrize("end", ["", "b"])
@pytest.mark.parametrize("step", ["*a", "**/a/", "?*", "[ab]*", "*/", "a"])
def test_no_glob_takes_long(step: str, end: str) -> None:
    """The longest globs are answered for the longest paths that nearly fit."""
    glob = step * (8190 // len(step)) + end
    texts = ["a" * 4096, "a/" * 2048]
    found = pc.match_substring_regex(pa.array(texts), expression(check_glob(glob))).to_pylist()
    assert len(glob) <= GLOB_CHARS_MAX and parse(glob, paths=True) is not None
    assert [matches(glob, text) for text in texts] == found


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("width>=512", "width>=512"),
        ("  width \n == 512  ", "width=512"),
        ('"a b" = x', "a b=x"),
        ("a b=x", "a b=x"),
        ('"a b"in x', "a b=x"),
        ('"in" in x', "in=x"),
        ('"d\\""!="a,b"', 'd"!=a,b'),
        ('c in ("a,b", "c\\"d" ,e,)', 'c in a,b, c"d, e'),
        ("c in ,", "c="),
        ("c=", "c="),
        ("c=a=b", "c=a=b"),
    ],
)
def test_conditions_as_people_write_them(text: str, spelt: str) -> None:
    """Blanks, quotes and lists are read."""
    assert spelt == str(parse_condition(text, TYPES))


@pytest.mark.parametrize(
    "text",
    [
        "", "c", "=x", "!c=x", "c!x", '"c=x', '"c"d=x', 'c in "a', 'c in a"b"', "in in a", "width=",
        " " * 100_000 + "x", " " * 100_000 + '"', 'c in "' + " " * 100_000 + "x",
        "c in " + " " * 100_000 + '"x', '"' + "\\" * 100_000, "in" * 50_000, "i n " * 25_000,
        'c in a,"' + 'b" "' * 25_000, "c " * 50_000 + "!", "width=" + "9" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_at_once(text: str) -> None:
    """In one short line, however long the text is."""
    with pytest.raises(InvalidInput) as caught:
        parse_condition(text, TYPES)
    assert len(caught.value.message) < 300

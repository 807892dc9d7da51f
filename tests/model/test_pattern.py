"""Path patterns: what they read out of paths, and that no path makes them slow."""

from __future__ import annotations

import itertools
import pickle
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsm.errors import InvalidInput
from dsm.model.pattern import Match, PathPattern

HOUR = 3_600_000_000


def match(pattern: str, path: str) -> Match | None:
    return PathPattern.parse(pattern).match(path)


def attributes(pattern: str, path: str) -> dict[str, str | int | float | bool] | None:
    found = match(pattern, path)
    return None if found is None else found.attributes


def test_a_path_gives_labels_and_attributes() -> None:
    """The pattern of class folders reads split, label and name."""
    expected = Match(("cat",), None, {"split": "train", "name": "0001"})
    assert expected == match("{split}/{label}/{name}.jpg", "train/cat/0001.jpg")


@pytest.mark.parametrize(
    "path",
    ["train/cat/0001.png", "cat/0001.jpg", "a/train/cat/0001.jpg", "train/cat/.jpg", "", "/"],
)
def test_the_whole_path_must_fit(path: str) -> None:
    """A path that is longer, shorter or different does not match."""
    assert None is match("{split}/{label}/{name}.jpg", path)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{name}.jpg", "a.b.jpg", {"name": "a.b"}),
        ("{name}.jpg", ".jpg.jpg", {"name": ".jpg"}),
        ("{name}.{ext}", "a.tar.gz", {"name": "a.tar", "ext": "gz"}),
        ("{name}.{ext}", "a..gz", {"name": "a.", "ext": "gz"}),
        ("{name}.{ext}", ".gz", None),
        ("{a}_{b}_{c}", "1_2_3_4", {"a": "1_2", "b": "3", "c": "4"}),
        ("{a}_{b}-{c}", "1_2-3_4-5", {"a": "1_2-3", "b": "4", "c": "5"}),
        ("{a}_{b}-{c}", "1_2-3_4", {"a": "1", "b": "2", "c": "3_4"}),
        ("{x}__{y}", "a___b", {"x": "a_", "y": "b"}),
        ("x{n}", "x\n", {"n": "\n"}),
    ],
)
def test_fields_take_as_much_as_they_can_from_left_to_right(
    pattern: str, path: str, expected: dict[str, str] | None
) -> None:
    """The last dot parts a name from its extension."""
    assert expected == attributes(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path", "labels"),
    [
        ("{label}/*", "cat/1.jpg", ("cat",)),
        ("{label}/{label}/*", "cat/tabby/1.jpg", ("cat", "tabby")),
        ("{label}/{label}_*", "cat/cat_1.jpg", ("cat",)),
        ("{label}/*", " e\u0301 /1.jpg", ("\u00e9",)),
        ("{label}/*", "a\nb/1.jpg", None),
        ("{label}/*", " /1.jpg", None),
        ("*.jpg", "1.jpg", ()),
    ],
)
def test_labels_may_be_several(pattern: str, path: str, labels: tuple[str, ...] | None) -> None:
    """Each {label} gives one, once; a text that cannot be a label does not fit."""
    found = match(pattern, path)
    assert labels == (None if found is None else found.labels)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{w:int}x{h:int}.png", "640x480.png", {"w": 640, "h": 480}),
        ("{n:int}", "007", {"n": 7}),
        ("{n:int}", "-3", {"n": -3}),
        ("{n:int}", "3.0", None),
        ("{n:int}", "9223372036854775807", {"n": 2**63 - 1}),
        ("{n:int}", "9223372036854775808", None),
        ("{n:int}", "9" * 5000, None),
        ("{n:int}", "٣", None),
        ("{s:float}.wav", "0.75.wav", {"s": 0.75}),
        ("{s:float}.wav", "1.wav", {"s": 1.0}),
        ("{s:float}", "-1e-3", {"s": -0.001}),
        ("{s:float}", "1e999", None),
        ("{s:float}", "nan", None),
        ("{s:float}.{x}", "0.5", {"s": 0.0, "x": "5"}),
        ("{ok:bool}", "True", {"ok": True}),
        ("{ok:bool}", "0", {"ok": False}),
        ("{ok:bool}", "yes", None),
        ("{x:str}", "7", {"x": "7"}),
        ("{a}-{n:int}.{e}", "x-y-12.5.jpg", {"a": "x-y", "n": 12, "e": "5.jpg"}),
        ("{_:int}-{a}", "12-x", {"a": "x"}),
        ("{_:int}-{a}", "b-x", None),
    ],
)
def test_typed_fields_fit_or_the_path_does_not(
    pattern: str, path: str, expected: dict[str, object] | None
) -> None:
    """A value has the type that the pattern gives it."""
    found = attributes(pattern, path)
    assert expected == found
    if expected and found:
        assert {n: type(v) for n, v in expected.items()} == {n: type(v) for n, v in found.items()}


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("1970", 0),
        ("1970-02", 31 * 24 * HOUR),
        ("1970-01-02", 24 * HOUR),
        ("19700102", 24 * HOUR),
        ("19700101T010000", HOUR),
        ("1970-01-01T01:00:00Z", HOUR),
        ("1970-01-01T01:00:00.5+01:00", 500_000),
        ("1000000000", 1_000_000_000_000_000),
        ("100000000", 100_000_000_000_000),
        ("1970-13", None),
        ("19701340", None),
        ("197001", None),
        ("soon", None),
    ],
)
def test_time_is_the_time_of_the_example(text: str, time_us: int | None) -> None:
    """Every absolute form is understood, and a day that does not exist does not fit."""
    found = match("{time}_{cam}.jpg", f"{text}_1.jpg")
    assert (None if time_us is None else Match((), time_us, {"cam": "1"})) == found


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{id}/{id}.jpg", "a/a.jpg", {"id": "a"}),
        ("{id}/{id}.jpg", "a/b.jpg", None),
        ("{id}/{id}_{n}", "a_b/a_b_c", {"id": "a_b", "n": "c"}),
        ("{id}_{id}", "x_x", {"id": "x"}),
        ("{a}_{b}_{a}", "x_y_z_x", {"a": "x", "b": "y_z"}),
        ("{n:int}/{n:int}.jpg", "7/7.jpg", {"n": 7}),
        ("{n:int}/{n:int}.jpg", "7/07.jpg", None),
        ("**/{id}/{id}.jpg", "x/y/a/a.jpg", {"id": "a"}),
        ("{_}/{_}/{x}", "a/b/c", {"x": "c"}),
    ],
)
def test_a_repeated_name_has_the_same_text(
    pattern: str, path: str, expected: dict[str, object] | None
) -> None:
    """The first occurrence decides; {_} is not a name."""
    assert expected == attributes(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.jpg", "a.jpg", True),
        ("*.jpg", ".jpg", True),
        ("*.jpg", "a/b.jpg", False),
        ("?.jpg", "é.jpg", True),
        ("?.jpg", "ab.jpg", False),
        ("a/*/c", "a/b/c", True),
        ("a*b*c", "aXbYbZc", True),
        ("a*b*c", "aXbYb", False),
        ("**/a.jpg", "a.jpg", True),
        ("**/a.jpg", "x/y/a.jpg", True),
        ("**/a.jpg", "x/ya.jpg", False),
        ("x/**/a.jpg", "x/a.jpg", True),
        ("x/**/a.jpg", "x/1/2/a.jpg", True),
        ("x/**", "x/1/2/a.jpg", True),
        ("x/**", "x", False),
        ("**", "a", True),
        ("**/**/a", "a", True),
        ("**/b/**/d", "a/b/c/d", True),
        ("**/b/**/d", "b/d", True),
        ("**/b/**/d", "d/b", False),
        ("**/b/**/b/**", "b/b", False),
        ("**/b/**/b/**", "b/x/b/y", True),
        ("{{a}}.[b]", "{a}.[b]", True),
        ("a+(b)|c^$.\\", "a+(b)|c^$.\\", True),
        ("a.b", "axb", False),
    ],
)
def test_globs_are_as_in_a_shell(pattern: str, path: str, fits: bool) -> None:
    """Wildcards stay within a segment, `**` spans folders, all else stands for itself."""
    assert fits == (match(pattern, path) is not None)


def test_any_folders_are_as_few_as_possible() -> None:
    """Between two `**`, fields take the first place where they fit."""
    assert attributes("**/{d}/**/{n}", "a/b/c/d/e") == {"d": "a", "n": "e"}
    assert attributes("**/{y:int}/**/{n}", "a/2020/2021/d/e") == {"y": 2020, "n": "e"}
    assert attributes("**/{p}/{n}", "a/b/c/d/e") == {"p": "d", "n": "e"}


@pytest.mark.parametrize(
    ("pattern", "problem", "place"),
    [
        ("", "it is empty", None),
        ("{label", "a '{' is not closed", 1),
        ("x/{label/{name}", "a '{' is not closed", 3),
        ("{a{b}}", "a '{' is not closed", 1),
        ("a}b", "a '}' closes nothing", 2),
        ("{}", "'{}' is not a field's name", 1),
        ("{a b}", "'{a b}' is not a field's name", 1),
        ("{2}", "'{2}' is not a field's name", 1),
        ("{w:number}", "'number' is not a type", 1),
        ("{w:}", "'' is not a type", 1),
        ("{label:int}", "{label} takes no type", 1),
        ("{time}/{time}", "{time} occurs twice", 8),
        ("{w:int}/{w}", "{w} has two types", 9),
        ("{size}", "'size' is reserved", 1),
        ("{Path}", "'Path' is reserved", 1),
        ("x{a}{b}", "touches", 5),
        ("{a}*", "touches", 4),
        ("*{a:int}", "touches", 2),
        ("{a:int}?", "touches", 8),
        ("{a:int}5", "touches", 8),
        ("{a:int}{a:int}", "touches", 8),
        ("a**/b", "'**' is not a whole segment", 2),
        ("**a", "'**' is not a whole segment", 1),
        ("/a", "the segment '' matches no path", 1),
        ("a//b", "the segment '' matches no path", 3),
        ("a/", "the segment '' matches no path", 3),
        ("./a", "the segment '.' matches no path", 1),
        ("a/../b", "the segment '..' matches no path", 3),
        ("**/a/" * 9 + "b", "more than 8 '**'", None),
        ("a" * 1001, "longer than 1000 characters", None),
        ("{\x1b[2J}", "is not a field's name", 1),
    ],
)
def test_a_mistake_is_named_with_its_place(pattern: str, problem: str, place: int | None) -> None:
    """The message says what is wrong at which character, printably."""
    with pytest.raises(InvalidInput) as caught:
        PathPattern.parse(pattern)
    message = caught.value.message
    assert problem in message
    assert message.isprintable()
    found = re.search(r"\(character (\d+)\)\Z", message)
    assert place == (int(found[1]) if found else None)


def test_a_pattern_is_a_value() -> None:
    """Patterns with the same text are equal, and workers can be sent one."""
    pattern = PathPattern.parse("{split}/{label}/{w:int}-{ok:bool}.jpg")
    assert pattern.text == "{split}/{label}/{w:int}-{ok:bool}.jpg"
    assert pattern == PathPattern.parse(pattern.text)
    copy = pickle.loads(pickle.dumps(pattern))
    assert pattern.match("a/b/1-true.jpg") == copy.match("a/b/1-true.jpg")


LITERALS = st.sampled_from(["a", "b", ".", "_", "ab", "a_"])


@st.composite
def patterns(draw: st.DrawFn) -> tuple[str, str]:
    """Returns a pattern and the plain backtracking expression that defines what it means."""
    fresh = itertools.count()
    text, plain = "a/", "a/"
    segments = draw(st.lists(st.sampled_from(["**", "segment", "segment"]), max_size=4))
    for segment in [*segments, "segment"]:
        if segment == "**":
            text, plain = text + "**/", plain + "(?:[^/]+/)*?"
            continue
        pieces = draw(st.lists(st.sampled_from(["field", "*", "?", ""]), min_size=1, max_size=5))
        for piece in pieces:
            literal = draw(LITERALS) if piece else "_x"
            if piece == "field":
                name = f"f{next(fresh)}"
                text, plain = f"{text}{{{name}}}{literal}", f"{plain}(?P<{name}>[^/]+)"
            else:
                text += piece + literal
                plain += {"*": "[^/]*", "?": "[^/]", "": ""}[piece]
            plain += re.escape(literal)
        text, plain = text + "/", plain + "/"
    return text[:-1], plain[:-1]


@settings(max_examples=400)
@given(patterns(), st.lists(st.text("ab._", min_size=1, max_size=9), min_size=1, max_size=5))
def test_settling_segments_changes_no_answer(pattern: tuple[str, str], parts: list[str]) -> None:
    """A match is the first that plain backtracking finds, fields greedy and folders few."""
    text, plain = pattern
    path = "/".join(["a", *parts])
    expected = re.fullmatch(plain, path)
    assert (None if expected is None else expected.groupdict()) == attributes(text, path)


@given(st.text("{}*?/:ab_.int", max_size=20))
@example("{" * 1000)
@example("*" * 1000)
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    """parse compiles, and the pattern can be used, or raises InvalidInput."""
    try:
        pattern = PathPattern.parse(text)
    except InvalidInput:
        return
    pattern.match("ab/a_b.int")


HOSTILE_NAMES = [
    "_" * 251 + ".jpx",
    "_-." * 85,
    "a_" * 127 + "a",
    "_" * 127 + "-" * 128,
    "1" * 255,
    "1." * 127,
    "1" * 127 + "_" + "1" * 127,
    "x-1.5" * 51,
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize(
    "pattern",
    [
        "{a}_{b}_{c}_{d}_{e}_{f}.jpg",
        "{a}_{b}-{c}_{d}-{e}.{f}.jpg",
        "*_*_*_*_*_*_*_*.jpg",
        "*a*a*a*a*a*a*b",
        "{a}_{a}_{b}_{b}.jpg",
        "{a}1{b:int}_{c}1{d:int}_{e}x.jpg",
        "{a:float}.{b:float}.{c:float}.{d:float}.{e:float}x",
        "{a}-{b:float}.{c}-{d:float}.{e}_{f:float}.jpg",
        "{a}?_?{b}?_?{c}?_?{d}?.jpg",
    ],
)
def test_a_hostile_name_does_not_stop_a_scan(pattern: str, name: str) -> None:
    """No division of a long name is tried twice: plain backtracking would take days here."""
    assert None is match(pattern, name)
    unnamed = re.sub(r"\{\w+", "{_", pattern)
    assert None is match(f"**/{unnamed}/**/{unnamed}/**/{unnamed}", "/".join([name] * 16))


@pytest.mark.parametrize(
    "pattern",
    [
        "**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/x",
        "**/*/**/*/**/*/**/*/**/*/**/*/**/*/**/x",
        "**/{b}/**/{c}/**/{d}/**/{e}/a/**/x/a",
        "**/{b}/**/{b}/**/{b}/**/{b}/x",
    ],
)
def test_a_deep_path_does_not_stop_a_scan(pattern: str) -> None:
    """Folders of a path of 4096 bytes are not divided among the `**` in every way."""
    assert None is match(pattern, "a/" * 2047 + "b")

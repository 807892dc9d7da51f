"""The parsers of label formats: what they make of any text, beside those that everybody has."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.worktree.label_formats.json_stream import BadJson, JsonStream
from dsm.worktree.label_formats.plain_yaml import NotPlain, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


def streamed(text: str, piece: int) -> dict[str, list[Any]]:
    stream = JsonStream(io.StringIO(text), piece)
    found: dict[str, list[Any]] = {}
    for name, value in stream.members():
        found.setdefault(name, []).append(value)
    return {name: found.get(name, []) for name in stream.names}


@given(
    st.dictionaries(st.text(), VALUES), st.integers(1, 9), st.booleans(), st.sampled_from([None, 1])
)
def test_a_stream_reads_what_json_reads(
    document: dict[str, Any], piece: int, ascii: bool, indent: int | None
) -> None:
    """In pieces of any size: elements of arrays one by one, other values as they are."""
    text = json.dumps(document, ensure_ascii=ascii, indent=indent)
    assert streamed(text, piece) == {
        name: value if isinstance(value, list) else [value] for name, value in document.items()
    }


@given(st.text(alphabet='[]{},:"a1 -.e\\u\n', max_size=20), st.integers(1, 5))
def test_a_stream_refuses_what_json_refuses(text: str, piece: int) -> None:
    """Text that is not JSON, or no object, is refused; nothing else is raised."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        with pytest.raises(BadJson):
            streamed(text, piece)
    else:
        streamed(text, piece)


@given(st.text(alphabet="ab0: -[]{},'\"#&|!\n\t", max_size=60))
def test_any_text_is_yaml_or_refused(text: str) -> None:
    """With the line that is not read."""
    try:
        parse(text)
    except NotPlain as error:
        assert 1 <= error.line <= text.count("\n") + 1


NAMES = st.lists(st.text(min_size=1, max_size=8), max_size=4)


@given(NAMES, st.sampled_from(["flow", "list", "mapping"]))
def test_names_are_read_in_every_spelling(names: list[str], form: str) -> None:
    """As lists in brackets, with dashes, or numbered; quoted, so that any text can be a name."""
    quoted = [json.dumps(name) for name in names]
    spelled = {
        "flow": f"names: [{', '.join(quoted)}]\n",
        "list": "names:\n" + "".join(f"- {name}\n" for name in quoted),
        "mapping": "names:\n" + "".join(f"  {n}: {name}\n" for n, name in enumerate(quoted)),
    }
    expected: Any = names if form != "mapping" else dict(enumerate(names))
    assert (parse(spelled[form])["names"] or []) == expected or not names


LETTERS = st.text("abc '\":#-[]{},&*!|>%@`?\\/\u00e9\U0001f600\t<=~.0159_", min_size=1, max_size=12)


@given(
    st.lists(LETTERS, min_size=1, max_size=4), st.booleans(), st.sampled_from([None, False, True]), st.booleans()
)  # fmt: skip
def test_documents_that_pyyaml_writes(
    names: list[str], numbered: bool, flow: bool | None, letters: bool
) -> None:
    """In each of its styles, with the quotes and escapes that it chooses."""
    yaml = pytest.importorskip("yaml")
    # A number with a 0 before it, and what stands for none, are names here and no numbers.
    names = [name.strip() + "x" for name in names]
    said = {"names": dict(enumerate(names)) if numbered else names, "nc": len(names)}
    text = yaml.safe_dump(said, default_flow_style=flow, allow_unicode=letters, width=10_000)
    assert parse(text) == said


def test_a_data_yaml_as_tools_write_it() -> None:
    """Comments, quotes, lists over several lines, and values with colons."""
    text = """
# Train/val
path: ../datasets/coco8  # root
train: images/train
download: https://example.com/x.zip#a
names: ['it''s', "a # b",
        plain name, 7]
nc: 4
roboflow:
  license: CC BY 4.0
  url: https://example.com/a:b
"""
    assert parse(text) == {
        "path": "../datasets/coco8", "train": "images/train",
        "download": "https://example.com/x.zip#a", "names": ["it's", "a # b", "plain name", 7],
        "nc": 4, "roboflow": {"license": "CC BY 4.0", "url": "https://example.com/a:b"},
    }  # fmt: skip

"""Files of labels as they are met: other encodings, several of what should be one, and half of it."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from situations import Work

from dsm.errors import InvalidInput


def added(work: Work, labels: str, *paths: str) -> dict[str, Any]:
    """Adds with labels, and returns labels, attributes and annotation by path."""
    work.ds.add([*paths] or ["."], label_file=labels)
    work.ds.commit("labelled")
    return {
        e.path: (e.labels, dict(e.attributes), e.annotation and json.loads(e.annotation))
        for e in work.ds.ls()
    }


# --- Pascal VOC ---

DOCUMENT = (
    '<?xml version="1.0" encoding="{}"?><annotation><filename>a.jpg</filename>'
    "<object><name>caf\u00e9</name></object></annotation>"
)


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1252", "utf-8", "utf-16", "utf-8-sig"])
def test_pascal_voc_is_read_in_its_encoding(work: Work, encoding: str) -> None:
    """As the document names it, so that no letter becomes another."""
    declared = encoding.removesuffix("-sig")
    work.write({"a.jpg": "1", "v.xml": DOCUMENT.format(declared).encode(encoding)})
    work.ds.add(["a.jpg"], label_file="v.xml", label_format="pascal-voc")
    work.ds.commit("labelled")
    assert [e.labels for e in work.ds.ls()] == [("caf\u00e9",)]


@pytest.mark.parametrize(
    "encoding", ["utf-7", "rot13", "hex", "idna", "shift_jis", "nonsense", "us-ascii"]
)
def test_other_encodings_are_refused(work: Work, encoding: str) -> None:
    """Names of codecs that are none for XML, or none of this document."""
    work.write({"a.jpg": "1", "v.xml": DOCUMENT.format(encoding).encode()})
    with pytest.raises(InvalidInput, match=r"^v\.xml.*: this is not XML"):
        work.ds.add(["a.jpg"], label_file="v.xml", label_format="pascal-voc")


def test_pascal_voc_keeps_what_occurs_twice(work: Work) -> None:
    """Members that a tool repeats become a list; of each box there is one."""
    twice = "<source>x</source><source><database>y</database></source>"
    told = "<name>dog</name><tag>1</tag><tag>b</tag><part>head</part><difficult>1</difficult>"
    text = f"<annotation><filename>a.jpg</filename>{twice}<object>{told}</object></annotation>"
    work.write({"a.jpg": "1", "v/a.xml": text})
    assert added(work, "v")["a.jpg"][2] == {
        "image": {"source": ["x", {"database": "y"}]},
        "objects": [{"label": "dog", "tag": [1, "b"], "part": "head", "difficult": 1}],
    }
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"
    work.write({"v/a.xml": text.replace("</object>", box + box + "</object>")})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["."], label_file="v")
    assert caught.value.message == "v/a.xml, line 1, bndbox: an object has one box"


# --- speech ---


def test_kaldi_segments(work: Work) -> None:
    """Utterances that are parts of a recording are said of it, each with its place in seconds."""
    work.write({
        "audio/rec1.wav": "1", "audio/u3.wav": "2", "data/text": "u1 HELLO\nu2\nu3 ALONE\n",
        "data/utt2spk": "u1 ann\nu2 bob\n", "data/wav.scp": "rec1 touch ran; cat audio/rec1.wav |\n",
        "data/segments": "u1 rec1 0.0 1.50\nu2\trec1 1.5 -1\n",
    })  # fmt: skip
    assert added(work, "data", "audio") == {
        "audio/rec1.wav": ((), {}, {"segments": [
            {"utterance": "u1", "start": 0.0, "end": 1.5, "text": "HELLO", "speaker": "ann"},
            {"utterance": "u2", "start": 1.5, "end": -1, "text": "", "speaker": "bob"},
        ]}),
        "audio/u3.wav": ((), {"utterance": "u3"}, {"text": "ALONE"}),
    }  # fmt: skip
    assert not os.path.exists(work.path("ran"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("u1 rec1 0.0", "data, segments, line 1: a recording, a start and an end are expected"),
        ("u1 rec1 0 x", "data, segments, line 1: 'x' is not a number"),
    ],
)
def test_segments_that_are_none_are_refused(work: Work, line: str, problem: str) -> None:
    """With the file and the line."""
    work.write({"rec1.wav": "1", "data/text": "u1 HELLO\n", "data/segments": line + "\n"})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["rec1.wav"], label_file="data")
    assert caught.value.message == problem


def test_a_transcript_with_too_many_bars_is_named(work: Work) -> None:
    """The first line tells the format, so the error is one of its own."""
    work.write({"wavs/a.wav": "1", "metadata.csv": 'a|"x, y\nb|x|y|z\n'})
    with pytest.raises(InvalidInput, match=r"^metadata\.csv, line 2: there are 4 fields"):
        work.ds.add(["wavs"], label_file="metadata.csv")
    work.write({"metadata.csv": 'a|"x, y\n'})
    assert added(work, "metadata.csv", "wavs")["wavs/a.wav"][2] == {"text": '"x, y'}


# --- COCO ---


def test_two_categories_of_one_name(work: Work) -> None:
    """One without objects gives way; where objects have both, labels could not tell them apart."""
    coco: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": n, "name": "cat"} for n in (1, 2)],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": n, "bbox": [0, 0, 1, 1]} for n in (1, 2)
        ],
    }
    work.write({"a.jpg": "1", "both.json": json.dumps(coco)})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["a.jpg"], label_file="both.json")
    assert caught.value.message == (
        "both.json, categories: objects have two categories called cat, 1 and 2"
    )
    del coco["annotations"][0]
    work.write({"one.json": json.dumps(coco)})
    added(work, "one.json", "a.jpg")
    assert [each.told() for each in work.ds.target.categories] == [{"id": 2}]

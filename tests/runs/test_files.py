"""Metrics and parameters from files: read as they are meant, or one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsm.errors import InvalidInput
from dsm.runs import metrics_file, parameters_file


def measured(tmp_path: Path, name: str, text: str) -> str:
    path = tmp_path / name
    path.write_text(text)
    found = metrics_file.read(str(path), None)
    return repr((found.final, found.points))


@pytest.mark.parametrize(
    ("name", "text", "final", "points"),
    [
        ("m.json", '{"a": NaN, "b": {"c": -Infinity}, "d": 1}', "{'a': nan, 'b.c': -inf, 'd': 1.0}", "[]"),
        ("m.json", '{"a": [1, 2.5]}', "{}", "[('a', 0, 1.0), ('a', 1, 2.5)]"),
        ("m.json", '[{"step": 7, "a": 1}, {"epoch": 8.0, "a": 2}]', "{}", "[('a', 7, 1.0), ('a', 8, 2.0)]"),
        ("m.jsonl", '{"a": 1}\\n\\n{"a": null, "b": 2}\\n', "{}", "[('a', 0, 1.0), ('b', 1, 2.0)]"),
        ("m.csv", "epoch,a, b\\r\\n1,nan,\\r\\n2,inf,3\\r\\n", "{}", "[('a', 1, nan), ('a', 2, inf), ('b', 2, 3.0)]"),
        ("m.CSV", "a\\n1\\n2\\n", "{}", "[('a', 0, 1.0), ('a', 1, 2.0)]"),
    ],
)  # fmt: skip
def test_metrics_are_read(tmp_path: Path, name: str, text: str, final: str, points: str) -> None:
    """Numbers by name, lists of numbers, and rows with a step of their own or in their order."""
    text = text.replace("\\n", "\n").replace("\\r", "\r")
    assert measured(tmp_path, name, text) == f"({final}, {points})"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("m.json", text) for text in ("", "[1]", '{"a": true}', '{"a": "1"}', "[" * 99999)),
        ("m.json", '{"a": 1' + "0" * 400 + "}"),
        ("m.json", '[{"step": 1.5, "a": 1}]'),
        ("m.json", '[{"step": NaN, "a": 1}]'),
        ("m.json", '{"a":' * 20 + "1" + "}" * 20),
        ("m.jsonl", '{"a": 1}\n{"a"'),
        ("m.csv", ""),
        ("m.csv", "a,a\n1,2\n"),
        ("m.csv", "a\nx\n"),
        ("m.csv", "a\n1,2\n"),
        ("m.csv", 'a\n"1\n'),
    ],
)
def test_bad_metrics_are_refused(tmp_path: Path, name: str, text: str) -> None:
    """What is no numbers is one clear error, with a hint how to write them."""
    with pytest.raises(InvalidInput, match="holds no metrics") as raised:
        measured(tmp_path, name, text)
    assert raised.value.hint == metrics_file.HINTS[name.partition(".")[2]]


EXPECTED = {"lr": "0.1", "net.deep": "true", "net.sizes.0": "3", "net.sizes.1": "4"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("params.yaml", "lr: 0.1\nnet:\n  deep: yes\n  sizes: [3, 4]\n"),
        ("params.toml", "lr = 0.1\n[net]\ndeep = true\nsizes = [3, 4]\n"),
        ("params.json", '{"lr": 0.1, "net": {"deep": true, "sizes": [3, 4]}}'),
    ],
)
def test_parameters_are_read(tmp_path: Path, name: str, text: str) -> None:
    """YAML, TOML and JSON say the same, nested names with dots; the known names are found."""
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    (tmp_path / name).write_text(text)
    assert parameters_file.read_known(str(tmp_path)) == EXPECTED
    assert parameters_file.read(str(tmp_path / name)) == EXPECTED


def bomb(leaf: str) -> str:
    """References to references: nine to the power of nine leaves in few bytes."""
    lines = [f"a0: &a0 {leaf}"]
    for at in range(1, 10):
        lines.append(f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yaml", bomb("x")), ("p.yaml", bomb("[]")), ("p.yaml", "a: &a [*a]"),
        ("p.yaml", "a: !!python/object/apply:os.system [false]"), ("p.yaml", "- 1"), ("p.yaml", "{"),
        ("p.json", "[1]"), ("p.json", "[" * 99999), ("p.json", ""), ("p.toml", "a"), ("p.ini", "a=1"),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused(tmp_path: Path, name: str, text: str) -> None:
    """No code is run, nothing is followed without end: one clear error."""
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match="holds no parameters"):
        parameters_file.read(str(tmp_path / name))


def test_large_files_are_refused(tmp_path: Path) -> None:
    """A file that is too large is not read into memory."""
    for read, most in ((parameters_file.read, parameters_file.BYTES_MAX), (
        lambda path: metrics_file.read(path, None), metrics_file.BYTES_MAX,
    )):  # fmt: skip
        path = tmp_path / "large.json"
        with path.open("wb") as file:
            file.truncate(most + 1)
        with pytest.raises(InvalidInput, match="is too large"):
            read(str(path))

"""Label files of any content: all of it is kept, or the file is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsm.errors import InvalidInput
from dsm.model.names import check_label
from dsm.worktree.label_file import read_label_file
from dsm.worktree.missing_values import DEFAULT

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: text.strip() and "/" not in text and "." not in text
)
LABELS = st.text("ab é", min_size=1, max_size=4).filter(str.strip)
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text not in DEFAULT),
)  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner)
)


@settings(deadline=None)
@given(
    st.dictionaries(
        NAMES,
        st.tuples(st.lists(LABELS, max_size=3), JSON_VALUES, VALUES),
        max_size=5,
    )
)
def test_json_lines_are_kept(tmp_path_factory: pytest.TempPathFactory, table: dict) -> None:  # type: ignore[type-arg]
    """Any JSON annotation and any value of one type comes back as it was written."""
    path = tmp_path_factory.mktemp("labels") / "a.jsonl"
    kinds = [type(value) for _, _, value in table.values()]
    objects = [
        # One column for each type, so that no column has two.
        {"path": name, "labels": labels, "annotation": annotation, f"a {kind.__name__}": value}
        for (name, (labels, annotation, value)), kind in zip(table.items(), kinds, strict=True)
    ]
    path.write_text("".join(json.dumps(each) + "\n" for each in objects))
    found = read_label_file(str(path)).rows
    for written in objects:
        row = found[str(written["path"])]
        assert row.labels == tuple(dict.fromkeys(map(check_label, written["labels"])))
        annotation = None if row.annotation is None else json.loads(row.annotation)
        assert annotation == written["annotation"]
        assert row.attributes == {n: v for n, v in written.items() if n.startswith("a ")}


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text('path,label"\n;{}[]:1 ').map(str.encode))
def test_any_bytes_are_a_label_file_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Reading raises nothing but InvalidInput, in one printable line."""
    folder = tmp_path_factory.mktemp("labels")
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        path = folder / f"a.{suffix}"
        path.write_bytes(data)
        try:
            read_label_file(str(path))
        except InvalidInput as error:
            assert "\n" not in error.message
            assert str(path) in error.message

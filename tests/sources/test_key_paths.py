"""Paths of rows by their keys, and back: two directions, tested against each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.model.names import check_path
from dsm.sources.key_paths import keys_of_path, least_long, path_of_key

ANY = st.one_of(
    st.text(max_size=300), st.text("ab%/\\-0123456789abcdef ", min_size=230, max_size=260)
)
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60)
COMPONENTS = st.text("ab%25F/.\\é~ -", max_size=12)


@given(ANY, ANY)
def test_keys_that_differ_have_paths_that_differ(one: str, other: str) -> None:
    """Paths agree exactly when keys do, and each is legal."""
    paths = [path_of_key(key, "pay", "json") for key in (one, other)]
    assert (paths[0] == paths[1]) == (one == other)
    assert paths[0] == check_path(paths[0])


@given(PLAIN)
def test_the_key_of_a_path_is_found(key: str) -> None:
    """Of a key of printable ASCII that is not long, the path tells the key."""
    assert [key] == keys_of_path(path_of_key(key, "pay", "json"), "pay", "json")


@given(ANY)
def test_no_other_key_is_found(key: str) -> None:
    """What is told of a path is its key, or nothing is."""
    assert keys_of_path(path_of_key(key, "pay", "json"), "pay", "json") in ([key], None)


@given(COMPONENTS)
def test_what_is_found_has_the_path(component: str) -> None:
    """A path that a key is found for is the path of that key."""
    path = f"pay/{component}.json"
    for key in keys_of_path(path, "pay", "json") or ():
        assert path == path_of_key(key, "pay", "json")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pay/%.json", None), ("pay/%25.json", ["%"]), ("pay/a%2Fb.json", ["a/b"]),
        ("pay/a%2fb.json", []), ("pay/%4.json", []), ("pay/.json", None),
        ("pay/a.txt", []), ("other/a.json", []), ("pay/%41.json", []),
        (f"pay/{'0f' * 32}.json", ["0f" * 32]), ("pay/\u00e9.json", None),
        (f"pay/{'a' * least_long('json')}.json", None),
        (f"pay/{'a' * (least_long('json') - 1)}.json", ["a" * (least_long("json") - 1)]),
    ],
)  # fmt: skip
def test_single_paths(path: str, expected: list[str] | None) -> None:
    """Spellings that no key has name none; what may have been cut, or is the empty key, is open."""
    assert expected == keys_of_path(path, "pay", "json")

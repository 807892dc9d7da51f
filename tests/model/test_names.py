"""What names are accepted, and that showing one never steers a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dsm.errors import InvalidInput
from dsm.model.names import (
    attributes_hint,
    check_attribute_name,
    check_dataset_name,
    check_label,
    check_path,
    check_paths,
    check_tag_name,
    close_matches,
    dataset_name_for,
    lookalike_key,
    printable,
)

# Includes lone surrogates, which are how names that are not UTF-8 arrive.
ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from("ab/.\\\0\n\x1b \u202e\u200d\udcff\ud800é．ｇitdsm~:"),
        st.characters(exclude_categories=()),
    )
)
NEVER_SHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


@pytest.mark.parametrize(
    "path",
    [
        "train/cat/0001.jpg",
        "a",
        "with space/and\nnewline",
        'it\'s "quoted"',
        "esc\x1b[31m",
        "C:\\back\\slash:colon",
        "-rf",
        ".hidden/.gitignore",
        "...",
        "a..b/..c",
        "猫/é.jpg",
        "dsm/git",
        ".git2/x.dsm",
        ".gitmodules",
        "x" * 255,
        "é" * 127,
        "/".join(["d" * 255] * 16),
    ],
)
def test_a_legal_path_is_returned_as_it_is(path: str) -> None:
    """Whatever a POSIX file system allows below a folder is a path, if it is UTF-8."""
    assert path == check_path(path)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "a path is empty"),
        ("/a", "the path '/a' is absolute"),
        ("/", "the path '/' is absolute"),
        ("a//b", "the path 'a//b' has an empty component"),
        ("a/", "the path 'a/' has an empty component"),
        (".", "the path '.' has the component '.'"),
        ("a/./b", "the path 'a/./b' has the component '.'"),
        ("../a", "the path '../a' has the component '..'"),
        ("a/..", "the path 'a/..' has the component '..'"),
        ("é/../b", "the path 'é/../b' has the component '..'"),
        ("a\0b", "the path 'a\\x00b' contains a NUL character"),
        ("a\udcffb", "the name 'a\\xffb' is not UTF-8"),
        ("x/\ud800", "the name 'x/\\ud800' is not UTF-8"),
    ],
)
def test_an_illegal_path_is_refused_with_what_is_wrong(path: str, problem: str) -> None:
    """The message names the path, escaped, and the rule that it breaks."""
    with pytest.raises(InvalidInput) as caught:
        check_path(path)
    assert problem == caught.value.message


@pytest.mark.parametrize("path", ["x" * 256, "a/" + "é" * 128, "/".join(["d" * 255] * 17)])
def test_a_path_that_no_file_system_takes_is_refused(path: str) -> None:
    """Lengths count in bytes, and the message of a long path stays short."""
    with pytest.raises(InvalidInput, match="the path '") as caught:
        check_path(path)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "component",
    [
        ".git",
        ".dsm",
        ".GIT",
        ".Dsm",
        ".git.",
        ".git ",
        ".dsm. .",
        ".g\u200cit",
        "\ufeff.git",
        ".gi\u00adt",
        "．ｇｉｔ",
        ".ｄsm",
        "\u2024git",
        ".dſm",
        ".git\u00a0",
        ".git\U000e0101",
    ],
)
@pytest.mark.parametrize("place", ["{}", "{}/hooks/x", "a/{}", "é/{}/b"])
def test_an_alias_of_a_protected_folder_is_refused(component: str, place: str) -> None:
    """No path reaches into `.dsm` or `.git`, however a file system folds names."""
    with pytest.raises(InvalidInput, match="some file systems take for|never part of a dataset"):
        check_path(place.format(component))


def test_the_protected_folders_themselves_are_not_to_be_renamed() -> None:
    """Who names `.dsm` is told that it is left out, with no advice to rename it."""
    with pytest.raises(InvalidInput, match=r"in \.dsm, which is never part of a dataset") as caught:
        check_path("a/.dsm/packs")
    assert (
        caught.value.message
        == "the path 'a/.dsm/packs' lies in .dsm, which is never part of a dataset"
    )
    assert caught.value.hint is None


@given(ANY_TEXT)
@example("\udc80" * 5000)
@example("a/" * 3000)
def test_a_path_is_legal_or_refused(path: str) -> None:
    """check_path returns its argument or raises InvalidInput, and what it returns is safe."""
    try:
        checked = check_path(path)
    except InvalidInput as error:
        assert None is NEVER_SHOWN.search(error.message)
        return
    assert path == checked
    assert len(path.encode()) <= 4096
    for component in path.split("/"):
        assert component not in ("", ".", "..") and "\0" not in component


@pytest.mark.parametrize("check", [check_dataset_name, check_tag_name])
@pytest.mark.parametrize("name", ["a", "Photo-2.v1_b", "0a", "x" * 100, "1.5", "locked"])
def test_plain_names_are_accepted(check: object, name: str) -> None:
    """Letters, digits, dots, underscores and dashes make names of datasets and tags."""
    assert callable(check)
    assert name == check(name)


@pytest.mark.parametrize("check", [check_dataset_name, check_tag_name])
@pytest.mark.parametrize(
    "name",
    ["", ".a", "-a", "_a", "a..b", "a.", "a.lock", "a.LOCK", "a/b", "a b", "é", "x" * 101, "a\n"],
)
def test_other_names_are_refused(check: object, name: str) -> None:
    """A name is safe as a file name, an option's value and a part of a URL."""
    assert callable(check)
    with pytest.raises(InvalidInput, match="cannot name a"):
        check(name)


@pytest.mark.parametrize("name", ["7", "0012", "head", "HEAD", "Head"])
def test_a_tag_hides_no_changeset(name: str) -> None:
    """A tag is neither a number nor `head`; a dataset may be either."""
    assert name == check_dataset_name(name)
    with pytest.raises(InvalidInput, match="the tag name"):
        check_tag_name(name)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("photos", "photos"),
        ("My Photos (2024)", "My-Photos-2024"),
        ("Été à Paris", "Ete-a-Paris"),
        ("..hidden..", "hidden"),
        ("a...b", "a.b"),
        ("data.lock", "data"),
        ("a.lock.LOCK", "a"),
        ("猫", "dataset"),
        ("", "dataset"),
        ("\udcff\n", "dataset"),
        ("x" * 99 + ".lock", "x" * 99),
    ],
)
def test_a_folder_suggests_a_dataset_name(folder: str, name: str) -> None:
    """The name of a new dataset resembles its folder's."""
    assert name == dataset_name_for(folder)


@given(ANY_TEXT | st.text("a.-_lockLOCK ", max_size=120))
def test_a_suggested_name_is_legal(folder: str) -> None:
    """Any folder name whatever becomes a legal dataset name."""
    assert check_dataset_name(dataset_name_for(folder)) != ""


@pytest.mark.parametrize(
    ("given_label", "label"),
    [("cat", "cat"), (" cat\n", "cat"), ("e\u0301", "\u00e9"), ("a\\b", "a\\b"), ("猫", "猫")],
)
def test_a_label_is_trimmed_and_normalised(given_label: str, label: str) -> None:
    """Labels that look the same are the same."""
    assert label == check_label(given_label)


@pytest.mark.parametrize(
    "label", ["", " \t", "a\nb", "a\x1bb", "a\x85b", "\u200b", "a\udcff", "x" * 256, "é" * 256]
)
def test_other_labels_are_refused(label: str) -> None:
    """A label is visible, of one line, and at most 255 characters."""
    with pytest.raises(
        InvalidInput,
        match=r"a label is empty|has a control character or is not|is 256 characters long \(at most",
    ):
        check_label(label)


@given(ANY_TEXT)
def test_a_label_is_stable(text: str) -> None:
    """A checked label passes its check unchanged."""
    try:
        label = check_label(text)
    except InvalidInput:
        return
    assert label == check_label(label)
    assert label == unicodedata.normalize("NFC", label)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "path", "Label", "SIZE", "x" * 101, "a\udcff"])
def test_an_attribute_needs_a_name_of_its_own(name: str) -> None:
    """Columns that every manifest has, and names that cannot be shown, are refused."""
    with pytest.raises(
        InvalidInput,
        match=r"an attribute has no name|has a control character|is reserved|characters long \(at most 100\)",
    ):
        check_attribute_name(name)


def test_attributes_may_have_any_other_name() -> None:
    """Headers of label files come as people write them."""
    names = ["width", "image width", "Größe", "paths", "x.y"]
    assert names == [check_attribute_name(name) for name in names]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("back\\slash", "back\\slash"),
        ("猫 é \u00a0", "猫 é \u00a0"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[31m\x7f\0", "\\x1b[31m\\x7f\\x00"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("a\udcffb", "a\\xffb"),
        ("\ud800", "\\ud800"),
        ("\x9b31m", "\\u009b31m"),
        ("\u2028", "\\u2028"),
        ("a\\n\n", "a\\\\n\\n"),
    ],
)
def test_text_is_shown_escaped(text: str, shown: str) -> None:
    """Only what could steer a terminal is escaped, and then backslashes are too."""
    assert shown == printable(text)


@given(ANY_TEXT)
@example("".join(map(chr, range(0x3000))) + "".join(map(chr, range(0xD800, 0xE000))))
def test_shown_text_cannot_steer_a_terminal(text: str) -> None:
    """No control, no turn of the writing direction and no lone surrogate gets through."""
    shown = printable(text)
    assert None is NEVER_SHOWN.search(shown)
    assert (shown == text) == (NEVER_SHOWN.search(text) is None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Cat.jpg", "cat.JPG"),
        ("é", "e\u0301"),
        ("É", "é"),
        ("cat", "ca\u200bt"),
        ("cat", "саt"),  # Cyrillic с and а
        ("COPY", "СОРУ"),  # all Cyrillic
        ("Beta", "Вeta"),
        ("В", "в"),
        ("omega", "οmega"),
        ("file", "ﬁle"),
        ("straße", "STRASSE"),
        ("ｃat", "cat"),
    ],
)
def test_names_that_look_alike_share_a_key(one: str, other: str) -> None:
    """The key ignores case, Unicode form, invisible characters and homoglyphs."""
    assert lookalike_key(one) == lookalike_key(other)


def test_names_that_look_different_have_different_keys() -> None:
    """The key does not confuse ordinary names."""
    names = ["cat", "cats", "c4t", "chat", "猫", "кот", "αβγ", "a/b", "ab", "ё"]
    assert len(names) == len({lookalike_key(name) for name in names})


@given(st.text())
@example("\u0345\u0301ß\u1e9e")
def test_a_key_is_stable(name: str) -> None:
    """A key is its own key; a name in another Unicode form or folded has the same one."""
    key = lookalike_key(name)
    assert key == lookalike_key(key)
    assert key == lookalike_key(unicodedata.normalize("NFD", name).casefold())
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert key == lookalike_key(unicodedata.normalize(form, name))


def test_close_matches_find_a_misspelt_name() -> None:
    """The nearest candidates come first, whatever their letter case."""
    assert close_matches("comit", ["add", "commit", "status"]) == ("commit",)
    assert close_matches("PHOTO", ["Photo", "video", "photo"]) == ("Photo", "photo")
    assert close_matches("veiw", ["views", "view", "viewer"], limit=1) == ("view",)
    assert close_matches("zebra", ["add", "commit"]) == ()
    assert close_matches("add", ["add"], limit=0) == ()


@given(st.lists(st.one_of(st.text("ab/.\n\0é", max_size=6), ANY_TEXT), max_size=6))
@example(["a\n.dsm", "b"])
@example(["a\n", "b"])
@example(["a", ""])
@example(["a" * 256])
def test_many_paths_are_checked_as_each_is(paths: list[str]) -> None:
    """`check_paths` lets pass what `check_path` lets pass for each, and nothing else."""

    def passes(check: Callable[[], object]) -> bool:
        try:
            check()
        except InvalidInput:
            return False
        return True

    assert passes(lambda: check_paths(paths)) == all(
        passes(lambda path=path: check_path(path)) for path in paths
    )


def test_an_attribute_that_no_example_has_is_refused_with_what_may_be_meant() -> None:
    """The hint is a near name, else how a field becomes an attribute, else what there is."""
    assert attributes_hint("widht", ["width"]) == "did you mean width?"
    assert "--attr-field" in attributes_hint("record.lang", ["width"])
    assert attributes_hint("zoom", ["width", "camera"]) == "attributes: camera, width"
    assert attributes_hint("zoom", []) == "attributes: none"
    told = attributes_hint("lang", ["width"], has_records=True)
    assert told.startswith("attributes: width; ") and "--attr-field" in told
    assert attributes_hint("widht", ["width"], has_records=True) == "did you mean width?"

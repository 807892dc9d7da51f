"""The contract as text: what it says, on which line, and every mistake in it."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.checks.contract import BYTES_MAX, BadContract, read_contract
from dsm.checks.rules.table import RULES
from dsm.checks.toml_lines import Place, lines_of

TEXT = """\
# The pictures that the trainer of model 3 reads.
[dataset.pets.rules]
extensions = { allow = [".JPG"] }
size.max = "20 MB"

[dataset.pets.rules.labels]
vocabulary = [
  "cat",  # ] no end
  "dog",
]
severity = "warning"
reason = '''two
lines [x]'''

[[dataset.pets.rules.attribute]]
name = "width"
min = 1

[[dataset."pets".rules.attribute]]
name = "camera"
on = ["commit"]

[dataset.others.rules]
duplicates = {}
"""


def test_what_a_contract_says() -> None:
    """Rules have their options, severity, reason, occasions, and the line on which they begin."""
    contract = read_contract(TEXT.encode(), "dsm.toml", "pets")
    assert [(rule.name, rule.line, rule.severity) for rule in contract.rules] == [
        ("extensions", 3, "error"), ("size", 4, "error"), ("labels", 6, "warning"),
        ("attribute", 15, "error"), ("attribute", 19, "error"),
    ]  # fmt: skip
    extensions, size, labels, width, camera = contract.rules
    assert extensions.asked == {"allow": (".jpg",)}
    assert size.asked == {"max": 20_000_000}
    assert (labels.asked, labels.reason) == ({"vocabulary": ("cat", "dog")}, "two\nlines [x]")
    assert (width.asked, camera.asked["name"]) == ({"name": "width", "min": 1}, "camera")
    assert [rule.name for rule in contract.on("commit").rules] == ["attribute"]
    assert read_contract(TEXT.encode(), "x", "others").rules[0].name == "duplicates"
    assert read_contract(TEXT.encode(), "x", "nobody").rules == ()


def test_equal_rules_have_one_id() -> None:
    """Order and comments make no difference to the id of a contract; an option does."""

    def of(text: str) -> str:
        return read_contract(text.encode(), "f", "a").id

    one = of("[dataset.a.rules]\nsize.min = 1\nduplicates = {}")
    assert one == of("# why\n[dataset.a.rules]\nduplicates = {}\nsize = { min = 1 }")
    assert one != of("[dataset.a.rules]\nsize.min = 2\nduplicates = {}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1", ["f:1: there is nothing called 'a'; rules stand in [dataset.NAME.rules.RULE]"]),
        ("\n[dataset.a]\nx = 1", ["f:3: a dataset has rules and a schema, no 'x'"]),
        ("dataset = 1", ["f:1: dataset is no table"]),
        ("[dataset]\na = 1", ["f:2: a is no table"]),
        ("[dataset.a]\nrules = 1", ["f:2: rules is no table"]),
        ("[dataset.a.rules]\nsze = {}", ["f:2: there is no rule 'sze'; did you mean size?"]),
        ("[dataset.a.rules]\nsize = 3", ["f:2: size is no table"]),
        (
            "[dataset.a.rules.size]\nmix = 3",
            ["f:2: rule size has no 'mix'; did you mean min?"],
        ),
        (
            "[dataset.a.rules.size]\nmax = '3 QB'\nmin = -1",
            [
                "f:2: max is a number of bytes, or a text such as \"10 MB\"",
                "f:3: min is a number of bytes, or a text such as \"10 MB\"",
            ],
        ),
        ("[dataset.a.rules.size]\nmin = 2\nmax = 1", ["f:1: rule size: min is above max"]),
        ("[dataset.a.rules.balance]", ["f:1: rule balance needs max-ratio"]),
        ("[dataset.a.rules.balance]\nmax-ratio = nan", ["f:2: max-ratio is a number"]),
        (
            "[dataset.a.rules.label-counts]\nmin-share = '120%'\nmin = true",
            [
                "f:2: min-share is a share: 0 to 1, or a text such as \"5%\"",
                "f:3: min is a whole number from 0",
            ],
        ),
        (
            "[dataset.a.rules.size]\nseverity = 'fatal'\nreason = 1\non = 'push'",
            [
                "f:2: severity is one of warning, error",
                "f:3: reason is a text",
                "f:4: on is \"check\", \"commit\" or a list of these",
            ],
        ),
        (
            "[dataset.a.rules.media-types]\nallow = ['image/jpg']",
            ["f:2: allow names 'image/jpg', which dsm does not tell from others; did you mean image/jpeg?"],
        ),
        ("[dataset.a.rules.leakage]", ["f:1: rule leakage: it needs one of by, split and views"]),
        (
            "[dataset.a.rules.leakage]\nviews = ['one']",
            ["f:1: rule leakage: views names two views or more"],
        ),
        ("[dataset.'a]b'.rules]\nsize = 3", ["f:2: size is no table"]),
        ('[dataset."a#b" . rules] # ]\nsize = 3', ["f:2: size is no table"]),
        (
            "[dataset.a.rules]\nduplicates = true\nextensions = ['.jpg']",
            [
                "f:2: duplicates is no table: write duplicates = {}",
                "f:3: extensions is no table: write extensions = { allow = [...] }",
            ],
        ),
        (
            "[dataset.a.rules.change]\napproved-by = 'ok'",
            ["f:1: rule change: it needs one of max-removed, max-relabelled, max-growth and labels-stay"],
        ),
        (
            "[dataset.a.rules.change]\nlabels-stay = true\napproved-by = 'o k'",
            ["f:3: 'o k' is no key of a trailer"],
        ),
        (
            "[dataset.a.rules.image]\nmodes = ['rgb']",
            ["f:2: modes names 'rgb', which is no mode of Pillow; did you mean RGB?"],
        ),
        (
            "[dataset.a.rules.attribute]\nname = 'x'\ntype = 'int'\nvalues = ['a']",
            ["f:1: rule attribute: its values are of another type than int"],
        ),
        (
            "[dataset.a.rules]\npandera = 'schemas.py:Photos'",
            ['f:2: schema is a module and a schema of it, such as "schemas:Photos"'],
        ),
    ],
)  # fmt: skip
def test_every_mistake_has_its_line(text: str, said: list[str]) -> None:
    """All mistakes of a contract are told at once."""
    with pytest.raises(BadContract) as caught:
        read_contract(text.encode(), "f", "a")
    assert list(caught.value.items) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a = ", "f is no TOML: Invalid value (at end of document)"),
        (b"a = 1\na = 2", "f is no TOML: Cannot overwrite a value (at end of document)"),
        (b"a = 1\nb = '\xff'", "f:2: it is not UTF-8"),
        (b"a = " + b"[" * 100_000, "f cannot be read: it is nested too deeply"),
        (b"a = " + b"9" * 5000, "f cannot be read: a number in it is too large"),
        (b"#" * (BYTES_MAX + 1), "f has 1,048,577 bytes, more than 1,048,576"),
    ],
)
def test_what_is_no_contract(data: bytes, said: str) -> None:
    """Hostile files end in one line, in bounded time and memory."""
    with pytest.raises(BadContract) as caught:
        read_contract(data, "f", "a")
    assert caught.value.message == said


@pytest.mark.parametrize(
    "text",
    [
        "[dataset.a.rules]\nduplicates = {}\nduplicates = {}",
        "[dataset.a.rules.outliers]\nof = 'size'\n[dataset.a.rules.outliers]\nof = 'attr.x'",
        "[dataset.a.rules]\noutliers = {of = 'size'}\n[[dataset.a.rules.outliers]]\nof = 'attr.x'",
    ],
)
def test_a_rule_that_stands_twice_in_the_wrong_way(text: str) -> None:
    """It is told how a rule stands several times."""
    with pytest.raises(BadContract) as caught:
        read_contract(text.encode(), "f", "a")
    assert "[[dataset.NAME.rules.RULE]]" in str(caught.value.hint)


@pytest.mark.parametrize("values", ["[1, 2]", "[1.0]"])
def test_values_of_the_type_that_is_asked_for(values: str) -> None:
    """Whole numbers are integers however they are written, and floats as well."""
    for kind in ("int", "float"):
        rule = f"name = 'x'\ntype = '{kind}'\nvalues = {values}"
        assert read_contract(f"[dataset.a.rules.attribute]\n{rule}".encode(), "f", "a").rules


HEADERS = st.sampled_from(
    [("[t]", ("t",)), ("[ t ] # ]", ("t",)), ("['t']", ("t",)), ('["u]#" . t]', ("u]#", "t"))]
)
KEYS = st.sampled_from(["a", "b-c", '"d.e"', "'f'", '"g\\"#["'])
VALUES = st.sampled_from(
    ["1", '"x"', "'#'", '"""a\nb = 1\n[c]"""', "'''\n[d]\n'''", "[1,\n 2, # ]\n 3]", "{ x = 1 }", '["]"]']
)  # fmt: skip


@given(
    HEADERS,
    st.lists(st.tuples(KEYS, VALUES), unique_by=lambda pair: pair[0], max_size=5),
    st.text("\n #[]=\"'ab", max_size=20),
)
def test_lines_of_keys(header: tuple[str, Place], pairs: list[tuple[str, str]], noise: str) -> None:
    """The line of each key is that on which it stands, whatever its value holds."""
    lines, table = [header[0]], header[1]
    wanted = {}
    for key, value in pairs:
        (name,) = tomllib.loads(f"{key} = 0")
        lines.append("# " + noise.replace("\n", " "))
        wanted[*table, name] = sum(text.count("\n") + 1 for text in lines) + 1
        lines.append(f"{key} = {value}")
    text = "\n".join(lines)
    tomllib.loads(text)
    found = lines_of(text)
    assert {place: line for place, line in found.items() if len(place) > len(table)} == wanted


def test_every_rule_is_documented() -> None:
    """The page of the contract names every rule with all its options, and no other."""
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs/reference/contract.md").read_text()
    told = {
        line.split("|")[1].strip().strip("`"): line for line in page.splitlines()
        if line.startswith("| `")
    }  # fmt: skip
    for rule in RULES:
        assert {name for name in rule.options if f"`{name}`" not in told[rule.name]} == set()
    assert {rule.name for rule in RULES} <= told.keys()

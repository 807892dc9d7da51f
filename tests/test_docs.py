"""The documentation, tested like code: what it shows is what happens, what exists is described.

`DSM_UPDATE_DOCS=1` writes the output of commands into the pages instead of comparing;
`python docs/reference/generate.py` writes the generated pages.
"""

from __future__ import annotations

import importlib.util
import os
import re
import struct
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from blake3 import blake3
from console import played, steps
from hexdump import parse
from preloaded import serving

from dsm.cli.commands import COMMANDS
from dsm.errors import DsmError
from dsm.format import chunk_list, document, header, index, segment, stage_note
from dsm.repo.config import KEYS
from dsm.store.packs import Pack

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# Pages whose commands are run. The first two tutorials need data that is not ours to ship.
RUN = [
    ROOT / "README.md",
    DOCS / "tutorial" / "03-first-steps.md",
    DOCS / "tutorial" / "04-word-problems.md",
    *sorted((DOCS / "how-to").glob("*.md")),
]
FORMAT_PAGES = sorted(page for page in (DOCS / "format").glob("*.md") if page.stem != "index")
FORMAT_HEADINGS = [
    "Purpose", "Name and location", "Bytes", "Rules", "Worked example", "What a crash leaves",
    "Reader algorithm (non-normative)", "History",
]  # fmt: skip
ADR_HEADINGS = [
    "Context", "Decision", "Alternatives considered", "Consequences", "What was measured",
    "How we would notice it was wrong",
]  # fmt: skip


def shown(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def headings(text: str, level: int = 2) -> list[str]:
    """Returns the headings of a page, those in code blocks left out."""
    bare = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(rf"^{'#' * level} (.+)$", bare, re.MULTILINE)


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_reference", DOCS / "reference" / "generate.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- what is shown is what happens --------------------------------------------------------------


@pytest.fixture(scope="session")
def dsm_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    with serving(tmp_path_factory.mktemp("preloaded")) as line:
        yield line


@pytest.mark.parametrize("page", RUN, ids=shown)
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path, dsm_line: list[str]) -> None:
    """Every command of the page, run in order, prints what stands below it."""
    text = page.read_text()
    now = played(text, tmp_path, dsm_line)
    if os.environ.get("DSM_UPDATE_DOCS") == "1":
        page.write_text(now)
    assert text == now


def test_pages_that_are_run_have_commands() -> None:
    """No page is in the list for nothing."""
    assert [shown(page) for page in RUN if not list(steps(page.read_text().split("\n")))] == []


def test_examples_run(tmp_path: Path) -> None:
    """Every script in examples/ runs in an empty folder."""
    for script in sorted((ROOT / "examples").glob("*.py")):
        folder = tmp_path / script.stem
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, script], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), script.name


def test_ci_runs_the_test_command_of_the_readme() -> None:
    """`.ci/run` ends with exactly the command that the README gives."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert [len(block.splitlines()) for block in blocks[:2]] == [1, 1]
    assert commands[0].endswith("dsm demo")
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    assert script[-1] == commands[1]
    assert "set -euo pipefail" in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# --- what exists is described -------------------------------------------------------------------


def test_generated_pages_are_current() -> None:
    """The reference is what the code says; else run docs/reference/generate.py."""
    stale = [shown(page) for page, text in generator().pages().items() if page.read_text() != text]
    assert stale == []


def test_every_command_has_a_section() -> None:
    """cli.md has a section for each command of the table."""
    found = headings((DOCS / "reference" / "cli.md").read_text(), 3)
    assert [name for name in COMMANDS if f"dsm {name}" not in found] == []


def test_every_error_is_listed() -> None:
    """errors.md names each error class with its code and its exit status."""
    text = (DOCS / "reference" / "errors.md").read_text()
    classes: list[type[DsmError]] = generator().error_classes()
    assert len(classes) > 15
    rows = [f"| `{c.__module__}.{c.__name__}` | `{c.code}` | {c.exit_status} |" for c in classes]
    assert [row for row in rows if row not in text] == []


def test_every_setting_is_listed() -> None:
    """config.md names each key."""
    text = (DOCS / "reference" / "config.md").read_text()
    assert [key for key in KEYS if f"`{key}`" not in text] == []


def test_every_environment_variable_is_listed() -> None:
    """config.md names each variable of ours that the code reads."""
    read: set[str] = set()
    for source in (ROOT / "dsm").rglob("*.py"):
        read.update(re.findall(r"environ[^\n]*?\"(DSM_[A-Z_]+|NO_COLOR)\"", source.read_text()))
    text = (DOCS / "reference" / "config.md").read_text()
    assert read and [name for name in sorted(read) if f"`{name}`" not in text] == []


def test_pages_named_in_the_code_exist() -> None:
    """A module that points to a page points to one that is there."""
    missing = [
        f"{source.relative_to(ROOT)}: {name}"
        for source in sorted((ROOT / "dsm").rglob("*.py"))
        for name in re.findall(r"docs/[\w./-]+\.md", source.read_text())
        if not (ROOT / name).is_file()
    ]
    assert missing == []


def test_every_format_module_has_its_page() -> None:
    """Each module of dsm/format names its page, and each page has all headings."""
    modules = [
        import_module(f"dsm.format.{path.stem}")
        for path in sorted((ROOT / "dsm" / "format").glob("*.py")) if path.stem != "__init__"
    ]  # fmt: skip
    assert modules
    for module in modules:
        named = re.findall(r"docs/format/([\w-]+)\.md", module.__doc__ or "")
        assert named and (DOCS / "format" / f"{named[0]}.md") in FORMAT_PAGES, module.__name__
    for page in FORMAT_PAGES:
        assert headings(page.read_text()) == FORMAT_HEADINGS, page.name


def test_decisions_have_all_headings() -> None:
    """Decision records are numbered without gaps and have the six headings."""
    pages = sorted((DOCS / "adr").glob("[0-9]*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04d}" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text()
        assert headings(text) == ADR_HEADINGS, page.name
        assert text.startswith(f"# {page.name[:4]}. ") and "\nStatus: " in text, page.name
        assert len(text.split()) < 700, f"{page.name} is longer than a page"


def test_layers_in_the_pages_are_those_of_the_code() -> None:
    """The map of the architecture lists the layers that the layer test enforces."""
    from test_imports import LAYERS

    table = (DOCS / "architecture.md").read_text().split("## Map")[1].split("## Invariants")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    found = [re.sub(r"(\.py|/)$", "", name) for name in re.findall("`([^`]+)`", str(first_cells))]
    assert found == LAYERS


def test_links_resolve() -> None:
    """Every link between pages leads to a file, and to a heading where it names one."""
    broken = []
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            where = (page.parent / name).resolve() if name else page
            if not where.is_file() or (anchor and anchor not in anchors(where)):
                broken.append(f"{shown(page)}: {target}")
    assert broken == []


def test_files_named_in_pages_exist() -> None:
    """A path of this repository that a page names is there."""
    missing = []
    for page in PAGES:
        for name in re.findall(r"`((?:dsm|docs|tests|examples|\.ci)/[\w./-]+)`", page.read_text()):
            if not (ROOT / name).exists():
                missing.append(f"{shown(page)}: {name}")
    assert missing == []


def anchors(page: Path) -> set[str]:
    text = page.read_text()
    found = [heading for level in range(1, 6) for heading in headings(text, level)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_pages_are_reached() -> None:
    """Every page can be reached from the README by links."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or not page.is_file():
            continue
        seen.add(page)
        if page.suffix == ".md":
            links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
            waiting += [(page.parent / link).resolve() for link in links if ":" not in link]
    assert [shown(page) for page in PAGES if page not in seen] == []


# --- the format pages ---------------------------------------------------------------------------


def example(page: str) -> bytes:
    """Returns the bytes of the first hex dump of a format page."""
    text = (DOCS / "format" / page).read_text()
    return parse(re.findall(r"```text\n(0{8}  .*?)\n```\n", text, re.DOTALL)[0])


def test_the_pack_of_the_page_is_read(tmp_path: Path) -> None:
    """The pack that the page shows holds the four objects that it says."""
    path = tmp_path / "example.pack"
    path.write_bytes(example("pack.md"))
    pack = Pack(str(path), verify=True)
    for content in (b"hello\n", b"", b"the second object\n", b"hello\nhello\n"):
        (row,) = pack.find(blake3(content).digest())
        frame, offset, size, is_list = pack.place(row)
        assert (pack.read(frame, offset, size), is_list) == (content, False)


def test_the_chunk_list_of_the_page_is_read() -> None:
    """The list that the page shows is intact and has two chunks of the sizes that it says."""
    payload = example("chunk-list.md")
    assert chunk_list.names(payload, payload[4:36])
    decoded = chunk_list.decode(payload)
    assert [size for _, size in chunk_list.iterate(decoded.rows)] == [11, 12]
    assert (decoded.size, decoded.nested) == (23, False)


def test_the_document_of_the_page_is_read() -> None:
    """The document that the page shows is sealed, and has one spelling."""
    data = example("documents.md")
    fields = document.decode(data, "documents.md")
    assert document.encode({k: v for k, v in fields.items() if k != "format"}) == data


def test_the_header_of_the_page_is_read() -> None:
    """The header that the page shows is changeset 7, after which a query of changeset 3 stands."""
    changeset = header.decode(example("header.md"), "header.md")
    assert (changeset.number, changeset.queries) == (7, {"wards": 3})


def test_the_stage_note_of_the_page_is_read() -> None:
    """The note that the page shows uses up one segment, on top of changeset 7."""
    note = stage_note.decode(example("stage-note.md"), "stage-note.md")
    assert (note.after, note.consumed) == (7, ("00000001-0badcafe.stage",))


def test_the_manifest_id_of_the_page_is_the_hash_of_its_bytes() -> None:
    """The bytes that the page shows have the id that it states."""
    text = (DOCS / "format" / "manifest.md").read_text()
    assert f"The id is `{blake3(example('manifest.md')).hexdigest()}`" in text


def test_the_segment_of_the_page_is_read() -> None:
    """The segment that the page shows has the four rows that it says."""
    name = "00000001-0badcafe.stage"
    header, rows = segment.decode(example("stage.md"), name)
    assert (header["base"], header["name"]) == (7, name)
    assert rows.kinds == ["A", "M", "D", "F"]


def test_the_index_of_the_page_is_read() -> None:
    """The index that the page shows has the two folders that it says."""
    base = index.Base(example("index-file.md"))
    assert base.folders() == ["", "train/cat"]
    assert base.page("") == {"top.txt": 12345}


def test_a_snapshot_begins_as_the_page_says(tmp_path: Path) -> None:
    """The first 16 bytes of a cached snapshot are those of the page."""
    import dsm

    with dsm.init(tmp_path, dataset="d") as repo:
        data = repo.dataset("d")  # type: ignore[attr-defined]
        data.add({f"{number}.txt": b"%d" % number for number in range(3000)})
        data.commit("many")
        data.snapshot()
        (found,) = Path(repo.layout.cache("d")).iterdir()
        key = Path(repo.layout.cache_key)
    body = found.read_bytes()
    assert body[:16] == example("snapshot-cache.md")
    digest = blake3(body[8:-64] + found.name.encode()).digest()
    assert body[-64:-32] == digest
    place = struct.pack("<Qq", key.stat().st_ino, key.stat().st_ctime_ns)
    context = "dsm 1 cached snapshots of one copy of a repository"
    secret = blake3(key.read_bytes() + place, derive_key_context=context).digest()
    assert body[-32:] == blake3(digest, key=secret).digest()


def test_versions_recompute_from_the_page_alone() -> None:
    """A short script that knows only the page computes every test vector."""
    script = DOCS / "format" / "view_version.py"
    assert "dsm" not in re.findall(r"^(?:import|from) (\w+)", script.read_text(), re.MULTILINE)
    assert len([line for line in script.read_text().splitlines() if line.strip()]) <= 140
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd="/", check=False
    )
    count = len(generator().vectors())
    assert (done.returncode, done.stdout) == (0, f"{count} of {count} versions agree\n")
    assert count >= 10


def test_the_distribution_has_one_name() -> None:
    """The name `dsm` belongs to another project: no hint and no page has pip install that one."""
    other = re.compile(
        r"(pip3? |uv )[^\n`&]*(install|add)\b[^\n`&]*[ '\"]dsm(\[|[\s'\"`]|[=<>~]|$)", re.M
    )
    assert other.search("pip install 'dsm[torch]'")
    assert other.search("hint: pip install --upgrade dsm")
    files = [
        ROOT / "README.md",
        *(p for top in ("dsm", "docs", "examples") for p in (ROOT / top).rglob("*.*")),
    ]
    texts = [path for path in files if path.suffix in (".py", ".md", ".toml", ".sh")]
    assert [
        path.relative_to(ROOT).as_posix() for path in texts if other.search(path.read_text())
    ] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == "dsm-datasets"

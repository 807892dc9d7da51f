"""Writes the pages of this folder from the code: `python docs/reference/generate.py`.

cli.md from the commands, errors.md from the error classes, config.md from the settings, python.md
from signatures and docstrings. It also puts the golden files into the pages of ../format, and the
test vectors into its view.md. A test checks that the pages are what this script writes.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pyarrow as pa
from blake3 import blake3

import dsm
from dsm import api, errors, tracking
from dsm.catalog import Catalog
from dsm.cli import failure, group
from dsm.cli.commands import COMMANDS, SECTIONS
from dsm.datasets import Dataset
from dsm.format import manifest
from dsm.maintenance import reports as maintenance
from dsm.model import changeset, difference_report, example, reports, restore_reports, status_report
from dsm.model.attributes import attribute_types
from dsm.model.rows import Rows
from dsm.repo import config
from dsm.repo.log import Tag
from dsm.views.filters.split_definition import by_shares, hash_split
from dsm.views.query.resolve import resolve
from dsm.views.selection.picked import pick_filter
from dsm.views.view import View

HERE = Path(__file__).resolve().parent
FORMAT = HERE.parent / "format"
GOLDEN = HERE.parent.parent / "tests" / "golden" / "format"
# The functions of the package itself; `clone` answers what the command says.
EDGE = (api.init, api.open, tracking.run, tracking.log_metric, tracking.log_param)
NOTE = "<!-- Written by docs/reference/generate.py: change the code, then run that. -->\n"


def pages() -> dict[Path, str]:
    """Returns what every generated page should hold."""
    return {
        HERE / "cli.md": cli(),
        HERE / "errors.md": error_page(),
        HERE / "config.md": config_page(),
        HERE / "python.md": python(),
        **{page: with_examples(page.read_text()) for page in sorted(FORMAT.glob("*.md"))},
    }


def prose(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 100, break_on_hyphens=False) + "\n"


# --- the command line ---------------------------------------------------------------------------


def cli() -> str:
    parts = [
        f"# Commands\n\n{NOTE}",
        prose("""Paths count from the current folder. `N` is a changeset: its number, `head`,
            `head~2`, a tag, or at least 8 digits of its id. [Exit statuses](errors.md) are the
            same for all commands; what `--json` prints has [a page](json.md) of its own."""),
        "## Options of every command\n\n" + table(group.global_options(), "Option"),
        prose(f"""Their place on the line does not matter. {own_letters()} means something else by
            a letter of these: use the long form there. `dsm --version` prints the version."""),
    ]
    for title, names in SECTIONS.items():
        listed = [f"- [`dsm {name}`](#dsm-{name}): {COMMANDS[name][1]}" for name in names]
        parts.append(f"## {title}\n\n" + "\n".join(listed) + "\n")
        for name in names:
            parts += command(f"dsm {name}", group.load(name), 3)
    return "\n".join(parts)


def command(name: str, found: Any, level: int) -> Iterator[str]:
    """Yields the sections of a command and of those below it."""
    shared = {option.name for option in group.global_options()}
    own = [p for p in found.params if p.name not in shared and not getattr(p, "hidden", False)]
    arguments = [p for p in own if p.param_type_name == "argument"]
    options = [p for p in own if p.param_type_name == "option"]
    below = getattr(found, "commands", {})
    usage = [name, *(["[OPTIONS]"] if options else []), *map(shown, arguments)]
    if below:
        usage.append("COMMAND")
    lead, *rest = re.split(r"\n\n+", inspect.cleandoc(found.help or ""))
    text = [f"{'#' * level} {name}\n", lead.strip().rstrip(".") + ".\n"]
    text.append(f"```sh\n{' '.join(usage)}\n```\n")
    for paragraph in rest:
        paragraph = paragraph.removeprefix("\b\n")
        if paragraph.startswith("Examples:\n"):
            lines = [line.removeprefix("  ") for line in paragraph.splitlines()[1:]]
            text.append("Examples:\n\n```sh\n" + "\n".join(lines) + "\n```\n")
        else:
            text.append(paragraph.replace("\b", "").strip() + "\n")
    if arguments:
        text.append(table(arguments, "Argument"))
    if options:
        text.append(table(options, "Option"))
    yield "\n".join(text)
    for inner, item in below.items():
        yield from command(f"{name} {inner}", item, level + 1)


def own_letters() -> str:
    """Returns the commands for which a letter of the common options is one of their own."""
    common = {flag for option in group.global_options() for flag in option.opts}
    found = []
    for name in COMMANDS:
        shared = {option.name for option in group.global_options()}
        own = [p for p in group.load(name).params if p.name not in shared]
        if common & {flag for p in own for flag in p.opts}:
            found.append(f"`dsm {name}`")
    return " and ".join(found)


def table(parameters: list[Any], title: str) -> str:
    rows = [f"| {title} | |\n|---|---|"]
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            names = f"`{shown(parameter)}`"
        else:
            value = "" if parameter.is_flag else f" {parameter.metavar or 'TEXT'}"
            names = ", ".join(f"`{flag}{value}`" for flag in parameter.opts)
        rows.append(f"| {names.replace('|', chr(92) + '|')} | {cell(parameter.help or '')} |")
    return "\n".join(rows) + "\n"


def shown(argument: Any) -> str:
    name: str = argument.metavar or argument.name
    return name if argument.required or name.startswith("[") else f"[{name}]"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- errors -------------------------------------------------------------------------------------


def error_page() -> str:
    """Returns the exit statuses, then every class that is raised on purpose."""
    statuses = [(0, "-", "Done.")]
    direct = errors.DsmError.__subclasses__()
    for found in sorted(direct, key=lambda c: c.exit_status):
        statuses.append((found.exit_status, f"`{found.__name__}`", sentence(found)))
    statuses += [
        (failure.BUG, "any other exception", "A defect of dsm; see [below](#defects)."),
        (failure.INTERRUPTED, "`KeyboardInterrupt`", "Interrupted by Ctrl-C. Nothing is lost."),
        (
            failure.BROKEN_PIPE,
            "`BrokenPipeError`",
            "The reader of the output has exited (`| head`).",
        ),
    ]
    lines = [
        f"# Errors and exit statuses\n\n{NOTE}",
        prose("""An error is one line of cause and one line of hint on standard error.
            `DSM_DEBUG=1` adds the traceback."""),
        "| Exit status | Class in `dsm.errors` | Meaning |\n|---|---|---|",
        *(f"| {status} | {name} | {cell(meaning)} |" for status, name, meaning in statuses),
        "",
        prose(f"""An `OSError` that reaches the command line, for example of a file that it was told
            to read, also leaves with {failure.STORAGE}."""),
        "## Defects\n",
        prose("""What dsm did not foresee is a defect of dsm. One line names the kind of error and
            the place in the code, and a crash log is written to `.dsm/local/crashes`, if there is
            a repository that can be written. The next line names the file: please send it with
            your report. It has the kinds of errors, the calls within dsm, versions, and the names
            of the command and its options. It has no messages of errors, names of files, values
            of options, addresses or rows. Its owner alone can read it; the newest ten are kept,
            and all may be deleted. `DSM_DEBUG=1` shows the whole traceback, with the messages."""),
        "## Classes\n",
        prose("""Each class has a `code` of its own, which stays. A specific class is raised where
            its group would say too little; catch the group unless you need to tell them apart.
            All of them are `dsm.errors.DsmError` and carry `message`, `hint` and `items`."""),
        "| Class | `code` | Exit status | Group | Raised when |\n|---|---|---|---|---|",
    ]
    for found in sorted(error_classes(), key=lambda c: (c.exit_status, c.__module__, c.__name__)):
        parent = "" if found in direct else f"`{found.__mro__[1].__name__}`"
        where = f"`{found.__module__}.{found.__name__}`"
        lines.append(
            f"| {where} | `{found.code}` | {found.exit_status} | {parent} | {sentence(found)} |"
        )
    return "\n".join(lines) + "\n"


def error_classes() -> list[type[errors.DsmError]]:
    """Imports the whole package and returns every error class of it but the root."""
    for module in pkgutil.walk_packages(dsm.__path__, "dsm."):
        # These need libraries that few who write these pages have; they add no class of error.
        if not module.name.endswith(("__main__", "dsm.torch", "dsm.mlflow", ".to_mlflow")):
            importlib.import_module(module.name)

    def below(found: type[errors.DsmError]) -> Iterator[type[errors.DsmError]]:
        for sub in found.__subclasses__():
            yield sub
            yield from below(sub)

    return [c for c in dict.fromkeys(below(errors.DsmError)) if c.__module__.startswith("dsm.")]


def sentence(found: Any) -> str:
    """Returns the first sentence of a docstring."""
    text = " ".join(inspect.cleandoc(found.__doc__ or "").split("\n\n")[0].split())
    return cell(re.split(r"(?<=[.])\s", text)[0])


# --- settings -----------------------------------------------------------------------------------


def config_page() -> str:
    variables = {
        "DSM_DATASET": "the dataset to use, unless `-d` names one",
        "DSM_RUN": "id of the run that a process is part of, set by `dsm run`",
        "DSM_RUN_ROOT": "folder of the repository of that run",
        "DSM_RUN_DATA": "views in place of those it asks for, set by `dsm rerun` and `bisect`",
        "DSM_HOOK": "hooks of the repository that are running, outermost first; set by dsm",
        "DSM_SAFE_DIRECTORY": "repositories of other users that you trust to write to and run"
        " queries of, with `:` between them: [share one](../how-to/share-a-repository.md)",
        "DSM_AUTHOR": "the author of changesets, unless `--author` names one",
        "DSM_TRUST_SOURCES": "sources whose queries may run, as `dsm source trust` lets them:"
        " names with commas between them, `NAME@DIGEST` for one as it is now, `*` for all",
        "DSM_TRUST_REFERENCES": "addresses at which references may be read, as"
        " `dsm reference trust` lets them: with commas between them, `*` for all",
        "DSM_DEBUG": "set to 1: errors come with their traceback",
        "DSM_PAGER": "what shows the output of `log`, `diff`, `show` and `ls` on a terminal; else"
        " `PAGER`, else less; `cat` or nothing for none",
        "NO_COLOR": "set to anything: no colours, unless `--color always` asks for them",
        "FORCE_COLOR": "set to 1: colours also where no terminal is",
    }
    lines = [
        f"# Settings\n\n{NOTE}",
        prose("""Settings belong to one copy of a repository and lie in `.dsm/config.toml`, or with
            `--global` to you, in `~/.config/dsm/config.toml` (or below `XDG_CONFIG_HOME`). Read and
            change them with [`dsm config`](cli.md#dsm-config); an editor does as well. `dsm config`
            refuses a key that is not listed here, and `core.dataset` with `--global`."""),
        prose("""The first of these that says something counts: an option of the command, a variable
            of the environment, the settings of the repository, your own, the default. `dsm config
            list --show-origin` prints which file says what."""),
        prose("""A setting of a repository never names a program to run, and never says whom to
            trust: the editor comes from the environment, and the folders of other users that you
            trust (`directory` below `[safe]`) from your own file."""),
        "| Key | What it is for |\n|---|---|",
        *(f"| `{key}` | {cell(meaning)} |" for key, meaning in config.KEYS.items()),
        "\n## Environment\n",
        "| Variable | What it does |\n|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in variables.items()),
        "\n## Files in the work tree\n",
        prose("""`.dsmignore` names files that are no examples. It is written like `.gitignore` and
            counts from its own folder. What systems and editors leave behind is ignored as well:
            [leave files out](../how-to/leave-files-out.md) has the list."""),
    ]
    return "\n".join(lines)


# --- Python -------------------------------------------------------------------------------------


CATALOG_ATTRIBUTES = """\
Attributes: `root` (the folder that holds `.dsm`), `path` (`.dsm` itself), `id`, `org`, `created`
(whether `init` has just made it), and `config` with `get(key)`, `set(key, value)`, `unset(key)` and
`items()`. A `Catalog` is a context manager: leaving it closes it.
"""
INTERNAL = {"store", "identity", "create_identity", "unfinished"}


def python() -> str:
    values = (
        changeset.Changeset, changeset.Counts, example.Example, example.Change, Tag,
        reports.AddReport, status_report.Status, difference_report.Diff,
        restore_reports.RestoreReport, reports.Problem,
        maintenance.FsckReport, maintenance.Finding, maintenance.GcPlan,
    )  # fmt: skip
    parts = [
        f"# Python\n\n{NOTE}",
        prose("""`import dsm` gives `dsm.init`, `dsm.open`, what records runs, and
            `dsm.__version__`. The rest is reached from the object that they return. Times are
            integers: microseconds since 1970, UTC. `Paths` is a sequence of text or path objects.
            A `reference` is a number, `head`, `head~2`, a tag, or at least 8 digits of a
            changeset's id."""),
        "## Functions\n",
        *(routine(f"dsm.{f.__name__}", f) for f in EDGE),
    ]
    for title, found in (("Catalog", Catalog), ("Dataset", Dataset), ("View", View)):
        parts.append(f"## {title}\n\n{inspect.getdoc(found)}\n")
        if found is Catalog:
            parts.append(CATALOG_ATTRIBUTES)
        parts += members(found)
    parts.append(
        "## Checking and cleaning\n\nThese are functions over a repository, not methods of it.\n"
    )
    fsck, gc = (importlib.import_module(f"dsm.maintenance.{name}") for name in ("fsck", "gc"))
    for function in (fsck.fsck, gc.plan_gc, gc.apply_gc, gc.explain):
        parts.append(routine(f"{function.__module__}.{function.__name__}", function))
    parts.append("## Values\n\nAll are frozen dataclasses.\n")
    for value in values:
        assert is_dataclass(value)
        listed = ", ".join(f"`{f.name}: {f.type}`" for f in fields(value))
        parts.append(f"### {value.__name__}\n\n{inspect.getdoc(value)}\n\nFields: {listed}.\n")
    return "\n".join(parts)


def members(found: type) -> Iterator[str]:
    """Yields the public properties and methods, in the order of the code, inherited ones last."""
    seen: set[str] = set()
    for owner in found.__mro__[:-1]:
        for name, member in vars(owner).items():
            if name.startswith("_") or name.endswith("_") or name in seen | INTERNAL:
                continue
            seen.add(name)
            if inspect.isfunction(member):
                yield routine(f"{found.__name__}.{name}", member)
            elif isinstance(member, property):
                doc = inspect.getdoc(member) or ""
                kind = inspect.signature(member.fget).return_annotation  # type: ignore[arg-type]
                yield f"### {found.__name__}.{name}\n\nProperty: `{kind}`. {doc}".rstrip() + "\n"


def routine(name: str, function: Any) -> str:
    doc = inspect.getdoc(function) or ""
    return f"### {name}\n\n```python\n{signature(function)}\n```\n\n{doc}\n"


def signature(function: Any) -> str:
    """Returns a signature as one would write it, without `self`."""
    found = inspect.signature(function)
    words, bare_star = [], False
    for parameter in found.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not bare_star:
            words.append("*")
            bare_star = True
        word = f"{parameter.name}: {parameter.annotation}"
        if parameter.default is not parameter.empty:
            value = parameter.default
            plain = value is None or isinstance(value, (bool, int, str, tuple))
            word += f" = {value!r}" if plain else " = SILENT"
        words.append(word)
    line = f"{function.__name__}({', '.join(words)}) -> {found.return_annotation}"
    if len(line) <= 96:
        return line
    inner = "".join(f"    {word},\n" for word in words)
    return f"{function.__name__}(\n{inner}) -> {found.return_annotation}"


# --- test vectors -------------------------------------------------------------------------------

DATASET = "00112233445566778899aabbccddeeff"
CHANGESET = "1f" * 32
QUESTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"labels": ["cat"]},
    {"labels": ["dog", "cat"]},
    {"labels": ["cat", "dog", "cat"]},
    {"labels": ["cat", "dog"], "all_labels": True},
    {"labels": ["cat"], "all_labels": True},
    {"exclude": ["blurred"]},
    {"labels": ["cat"], "exclude": ["night", "blurred"]},
    {"labels": ["Katze", "chat", "кошка", "猫", "😺"]},
    {"labels": [" cafe\u0301 "]},
    {"labels": ['a "quoted" \\ label', "tab-free / slash"]},
    {"exclude": ["éclair", "zebra", "Äpfel"]},
    {"since": "2026-01-01T00:00:00Z"},
    {"since": "2026-01-01T01:00:00+01:00"},
    {"since": "2025-12-31T23:59:59.999999Z", "until": "2026-02-01T00:00:00Z"},
    {"percent": "0.8"},
    {"percent": "0.80"},
    {"percent": "80%"},
    {"percent": ".125"},
    {"percent": "1"},
    {"percent": "33.3333333333333333333333333333333333333%"},
    {"changesets": "1,3-5"},
    {"changesets": "5,3,1,4,3-4"},
    {"changesets": "1-5"},
    {"changesets": "5"},
    {"paths": ["train/**", "*.jpg"]},
    {"where": [["width", "number", ">=", ["512"]]]},
    {"where": [["width", "number", ">=", ["512.0"]], ["width", "number", ">=", ["0512"]]]},
    {"where": [["camera", "text", "in", ["right", "left", "right"]]]},
    {"where": [["camera", "text", "in", ["left"]]]},
    {"where": [["camera", "text", "=", ["left"]], ["day", "bool", "!=", ["true"]]]},
    {"target": "attr.camera"},
    {"target": "labels"},
    {"classes": ["dog", " cat "]},
    {"labels": ["cat"], "target": "attr.camera", "classes": ["right", "left"]},
    {"labels": ["cat", "dog"], "exclude": ["blurred"], "since": "2026-01-01", "percent": "50%",
     "changesets": "2-5", "paths": ["train"], "where": [["score", "number", "<", ["-0.50"]]]},
    {"split": [["path", "cv", [["train", "80%"], ["val", "10%"], ["test", "10%"]], "train"]]},
    {"split": [["path", "cv", [["a", "0.80"], ["b", "0.2"]], "a"]]},
    {"split": [["path", "cv", [["train", "80%"], ["val", "10%"], ["test", "10%"]], "not-val"]]},
    {"split": [["attr.camera", "other seed", [["x", "12.5%"], ["y", "87.5%"]], "y"]]},
    {"labels": ["cat"], "split": [["path", "b", [["x", "0.5"], ["y", "0.5"]], "y"],
     ["content", "a", [["x", "0.25"], ["y", "0.75"]], "x"],
     ["path", "b", [["one", "50%"], ["two", "50%"]], "two"]]},
    {"split": [["path", "cv", [["all", "1"]], "all"]]},
    {"views": ["or", ["view", {"labels": ["cat"]}], ["view", {"labels": ["dog"]}]]},
    {"views": ["or", ["view", {"labels": ["dog"]}], ["view", {"labels": ["cat"]}]]},
    {"views": ["and", ["view", {"labels": ["cat"]}], ["view", {"labels": ["cat"]}]]},
    {"views": ["minus", ["view", {"percent": "0.5"}], ["view", {"views":
     ["and", ["view", {"labels": ["cat"]}], ["view", {"labels": ["dog"]}]]}]]},
    {"exclude": ["owl"], "views": ["minus", ["view", {}], ["view", {"labels": ["cat"]}]]},
    {"sample": {"seed": "0", "share": "0.10"}},
    {"sample": {"seed": "other", "count": 1000}},
    {"sample": {"seed": "0", "share": "1.0"}},
    {"balance": {"column": "labels", "seed": "0", "count": 10}},
    {"labels": ["cat"], "percent": "50%", "balance": {"column": "attr.camera", "seed": "é"},
     "sample": {"seed": "é", "share": "0.5"}},
    {"pick": ["b.jpg", "a.jpg", "b.jpg"]},
    {"labels": ["cat"], "pick": ["train.jsonl#one", "é/z.wav"],
     "sample": {"seed": "0", "count": 1}},
)  # fmt: skip


class _Log:
    """A log of five changesets, of which only what a version needs is known."""

    name = "vectors"

    def head(self) -> int:
        return 5

    def resolve(self, _: object) -> int:
        return 5

    def get(self, number: int) -> Any:
        types = {"width": "int", "camera": "string", "day": "bool", "score": "float"}
        return SimpleNamespace(number=number, id=CHANGESET, attributes=types, records_files=0)


def _draws(question: dict[str, Any]) -> dict[str, Any]:
    """Returns what is drawn, in the words of `prepare`."""
    found: dict[str, Any] = {}
    if sample := question.get("sample"):
        found |= {"sample": sample.get("count", sample.get("share")), "seed": sample["seed"]}
    if balance := question.get("balance"):
        many = balance.get("count")
        how = {"balance": balance["column"]} if many is None else {"per_label": many}
        found |= {"balance": None, "seed": balance["seed"], **how}
    return found


class _Named:
    """Names that say themselves what they stand for."""

    def split_filter(self, told: Any) -> Any:
        by, seed, parts, take = told
        names, shares = by_shares([f"{name}={share}" for name, share in parts])
        return hash_split(names, shares, by=by, seed=seed).filter_of(take)

    def pick_filter(self, given: Any, *_: Any) -> Any:
        rows = pa.table({"path": sorted({*given}, key=str.encode)})
        objects = pa.array([bytes(32)] * len(rows), pa.binary(32))
        return pick_filter(given, None, rows.append_column("object", objects), "the page")


def vectors() -> list[dict[str, Any]]:
    """Returns questions with their versions, as the library computes them."""
    found = []
    for question in QUESTIONS:
        query = _query(question)
        given = {"dataset": DATASET, "number": 5, "changeset": CHANGESET, "ask": question}
        found.append({**given, "version": query.version})
    return found


def _query(question: dict[str, Any]) -> Any:
    asked = dict(question)
    conditions = [
        f"{name} {op} {', '.join(values)}" for name, _, op, values in asked.pop("where", ())
    ]
    asked |= {"where": conditions, "split": asked.get("split", ())}
    asked |= _draws(question)
    if "views" in asked:
        how, first, second = asked.pop("views")
        name = {"and": "and_", "or": "or_"}.get(how, how)
        asked |= {"view": _operand(first), name: _operand(second)}
    return resolve(_Log(), DATASET, asked, now_us=0, named=_Named)


def _operand(words: list[Any]) -> Any:
    """Returns something with the query of one view, or of several that are put together."""
    return SimpleNamespace(query=_query(words[1] if words[0] == "view" else {"views": words}))


def hashed_rows() -> str:
    """Returns the bytes that a manifest's id is the hash of, and the id."""
    rows = Rows()
    put = example.Example("a.jpg", blake3(b"one").digest(), 3, 1_700_000_000_000_000, ("cat",))
    rows.put("A", replace(put, attributes={"width": 640}))
    rows.delete("b.jpg")
    hashed = bytearray()

    class Recorder:
        def __init__(self, data: bytes):
            hashed.extend(data)

        def update(self, data: bytes | memoryview) -> None:
            hashed.extend(bytes(data))

        def hexdigest(self) -> str:
            return blake3(hashed).hexdigest()

    with mock.patch.object(manifest, "blake3", Recorder):
        found = manifest.rows_id(manifest.to_table(rows, attribute_types(rows, {})))
    lines = []
    for at in range(0, len(hashed), 16):
        part = bytes(hashed[at : at + 16])
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{at:08x}  {part[:8].hex(' '):<23}  {part[8:].hex(' '):<23}  |{shown}|")
    return "```text\n" + "\n".join(lines) + f"\n```\n\nThe id is `{found}`.\n"


def with_examples(page: str) -> str:
    """Returns a page of the format with its golden bytes and its test vectors written anew."""

    def golden(found: re.Match[str]) -> str:
        text = (GOLDEN / found[1]).read_text().rstrip("\n")
        return f"<!-- golden: {found[1]} -->\n\n```text\n{text}\n```\n"

    page = re.sub(
        r"<!-- hashed rows -->\n(?:\n```text\n(?s:.*?)\n```\n\n.*\n)?",
        lambda _: f"<!-- hashed rows -->\n\n{hashed_rows()}",
        page,
    )
    page = re.sub(r"<!-- golden: (\S+) -->\n(?:\n```text\n(?s:.*?)\n```\n)?", golden, page)
    lines = ",\n ".join(json.dumps(vector, ensure_ascii=False) for vector in vectors())
    block = f"```json\n[{lines}]\n```"
    return re.sub(r"```json\n\[.*?\]\n```", lambda _: block, page, flags=re.DOTALL)


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
        print(path.relative_to(HERE.parent.parent))

"""The table of label formats, and reading a file in the one that it is in.

To add one, write its module (a `LabelFormat`, see `format.py`) and its row. A file is taken for the
first that recognises it, else for a table of one row a path (`dsm.worktree.label_file`).
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import BinaryIO, NamedTuple

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.worktree.label_file import read_label_file
from dsm.worktree.label_formats.format import LabelFormat, LabelInput, NamedRow
from dsm.worktree.label_formats.places import Finder, Places, spellings
from dsm.worktree.label_row import LabelRow
from dsm.worktree.label_rows import LabelRows

TABLE, HUGGINGFACE = "table", "huggingface"


class _Row(NamedTuple):
    name: str
    module: str
    variable: str = "FORMAT"


_HERE = "dsm.worktree.label_formats."
_ROWS = (
    _Row("coco", _HERE + "coco"),
    _Row("label-studio", _HERE + "label_studio"),
    _Row("yolo", _HERE + "yolo"),
    _Row("pascal-voc", _HERE + "pascal_voc"),
    _Row("common-voice", _HERE + "speech", "COMMON_VOICE"),
    _Row("kaldi", _HERE + "speech", "KALDI"),
    _Row("ljspeech", _HERE + "speech", "LJSPEECH"),
)
_FORMATS = {row.name: row for row in _ROWS}
NAMES = (TABLE, HUGGINGFACE, *_FORMATS)


def read_labels(
    given: str | BinaryIO, folder: str, missing: frozenset[str], places: Places, format: str | None
) -> tuple[LabelRows, frozenset[str]]:
    """Returns what a file or folder says by path of the dataset, and which files of it were read.

    `given` is a path that counts from `folder`, or an open table; `format` is one of NAMES, by
    default what the content tells. The files are those beside the one that is given, as paths of
    the dataset. Raises NotFound, InvalidInput.
    """
    if format is not None and format not in NAMES:
        raise InvalidInput(
            f"there is no label format {printable(format)}", hint=f"formats: {', '.join(NAMES)}"
        )
    if not isinstance(given, str):
        if format not in (None, TABLE, HUGGINGFACE):
            raise InvalidInput("only a table is read from a stream", hint="name the file")
        return _table(given, folder, missing, places, format), frozenset()
    file = LabelInput(given, os.path.join(folder, given), places, missing)
    if not os.path.lexists(file.full):
        raise file.not_there()
    row = _FORMATS.get(format) if format is not None else _recognised(file)
    if row is None:
        if file.is_folder:
            raise InvalidInput(
                f"{printable(given)} is a folder without labels that are known",
                hint=f"name a file, or the format: --labels-format {', '.join(_FORMATS)}",
            )
        return _table(given, folder, missing, places, format), frozenset()
    rows = list(_loaded(row).rows(file))
    found = LabelRows(fitted(file, rows, places.finder(file.folder)), file.categories)
    return found, frozenset(file.read)


def _loaded(row: _Row) -> LabelFormat:
    found: LabelFormat = getattr(import_module(row.module), row.variable)
    return found


def _recognised(file: LabelInput) -> _Row | None:
    return next((row for row in _ROWS if _loaded(row).recognises(file)), None)


def _table(
    given: str | BinaryIO, folder: str, missing: frozenset[str], places: Places, format: str | None
) -> LabelRows:
    """Reads a table; one with `file_name` counts from its own folder first, as Hugging Face's."""
    found = read_label_file(given, folder, missing)
    if format == HUGGINGFACE and found.key != "file_name":
        raise InvalidInput("the table has no column file_name", hint="leave out --labels-format")
    if found.key != "file_name" or format == TABLE or not isinstance(given, str):
        return LabelRows(found.rows)
    file = LabelInput(given, os.path.join(folder, given), places, missing)
    rows = [NamedRow((path,), row, printable(path)) for path, row in found.rows.items()]
    return LabelRows(fitted(file, rows, places.finder(file.folder), by_ends=False))


def fitted(
    file: LabelInput, rows: list[NamedRow], finder: Finder, *, by_ends: bool = True
) -> dict[str, LabelRow]:
    """Returns the rows by the paths of their examples; those that fit none keep their first name.

    Names that lead nowhere are looked for `by_ends` of paths where none leads anywhere, or where
    they are those of another machine.

    Raises InvalidInput where two rows differ that are of one example, or a row fits several.
    """
    paths: dict[int, str] = {}
    wanted: dict[str, tuple[str, ...]] = {}
    for at, named in enumerate(rows):
        path = named.names[0] if named.exact else finder.direct(named.names)
        if path is None:
            wanted[str(at)] = tuple(spellings(named.names))
        else:
            paths[at] = path
    if paths:  # names count from a folder that is known: what is not there is missing
        wanted = {
            key: absolute
            for key, names in wanted.items()
            if (absolute := tuple(name for name in names if name.startswith("/")))
        }
    if wanted and by_ends:
        paths.update((int(key), path) for key, path in finder.by_ends(wanted).items())
    found: dict[str, LabelRow] = {}
    places: dict[str, str] = {}
    for at, named in enumerate(rows):
        path = paths.get(at, named.names[0])
        if found.setdefault(path, named.row) != named.row:
            raise file.wrong(
                f"{printable(path)} has another row, which differs ({places[path]})", named.place
            )
        places.setdefault(path, named.place)
    return found

"""In which line of its file a record stands, for people who are told what is wrong with it."""

from __future__ import annotations

import os

from dsm.errors import InvalidInput
from dsm.model.attributes import AttributeDiffers
from dsm.model.names import printable
from dsm.model.record_path import is_records_file, parts_of
from dsm.model.rows import Rows
from dsm.records.gathering import RecordsInvalid
from dsm.records.reader import read_records
from dsm.records.settings import ALL_FIELDS, RecordSettings
from dsm.worktree.tree import WorkTree


def with_line(tree: WorkTree, rows: Rows, error: AttributeDiffers) -> InvalidInput:
    """Returns an error of one of these rows as one of the line that its field stands in; as it is
    where no file of the work tree says it."""
    file, key = parts_of(error.path)
    said = rows.records[rows.paths.index(file)] if file in rows.paths else None
    if said is None or not is_records_file(said):
        return error
    settings = RecordSettings.from_text(said)[0].asked()
    if not {error.name, ALL_FIELDS} & {*settings.attributes}:
        return error  # nobody said that a field is this attribute
    try:
        with open(os.path.join(tree.root, file), "rb", buffering=0) as opened:
            read = read_records(opened, file, settings)
        number = read.numbers[read.keys.index(key)]
    except RecordsInvalid as found:  # it has the two types itself
        return found
    except (OSError, ValueError):  # it is gone, or changed meanwhile
        return error
    where = f"{printable(file)}, {read.unit} {number}"
    return InvalidInput(
        f"{where}: the field '{printable(error.name)}' {error.said}",
        hint=error.hint,
        items=(error.path,),
    )

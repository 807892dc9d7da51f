"""What a worker does with a schema of pandera: it runs its file, and validates a table.

Nothing here imports Arrow when it is loaded: this process leaves NumPy and pandas out until the job
brings them back, and Arrow goes on without what was missing when it was loaded.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dsm.checks.rule import LibraryMissing, SchemaFailure
from dsm.errors import InvalidInput
from dsm.imports import bring_back
from dsm.model.names import printable

VALUE_CHARS_MAX = 200


class SchemaFailed(InvalidInput):
    """A file that a rule names cannot be run, or what it defines is not what the rule needs."""

    code = "schema-failed"


@dataclass(frozen=True, slots=True)
class SchemaJob:
    """Validates `table`, a stream of Arrow, by the schema `name` of the Python file `source`."""

    file: str
    source: bytes
    name: str
    table: bytes

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        """Yields the failures, as one list."""
        bring_back("numpy", "pandas")
        try:
            from pandera.errors import SchemaError, SchemaErrors
        except ImportError as error:
            raise LibraryMissing(
                f"schemas of pandera need {error.name}", hint="pip install 'dsm-datasets[pandera]'"
            ) from None
        schema = self._schema()
        from pyarrow import ipc

        frame = ipc.open_stream(self.table).read_all().to_pandas()
        try:
            schema.validate(frame, lazy=True)
        except (SchemaErrors, SchemaError) as error:
            cases = error.failure_cases
            if not hasattr(cases, "to_dict"):
                yield [(None, "", str(cases), "")]
                return
            yield [_failure(each) for each in cases.to_dict("records")]
        except Exception as error:  # whatever a check of somebody does
            raise failed(self.file, error) from None
        else:
            yield []

    def _schema(self) -> Any:
        found = getattr(loaded(self.file, self.source), self.name, None)
        if not callable(getattr(found, "validate", None)):
            raise SchemaFailed(
                f"{printable(self.file)} has no schema {printable(self.name)}",
                hint="it is a DataFrameSchema, or a class made of DataFrameModel",
            )
        return found


def loaded(file: str, source: bytes) -> types.ModuleType:
    """Runs a Python file that its user trusts, and returns its module. Raises SchemaFailed."""
    module = types.ModuleType("dsm_schema")
    module.__file__ = file
    sys.modules[module.__name__] = module  # where annotations of its classes are looked up
    try:
        exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        raise failed(file, error) from None
    return module


def failed(file: str, error: BaseException) -> SchemaFailed:
    """Returns what to say of an error in such a file, with its line."""
    line = ""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    told = printable(f"{type(error).__name__}: {error}")[:300]
    return SchemaFailed(f"{printable(file)}{line} failed: {told}")


def _failure(case: dict[str, Any]) -> SchemaFailure:
    row = case.get("index")
    column = case.get("column")
    return (
        row if isinstance(row, int) and not isinstance(row, bool) else None,
        column if isinstance(column, str) else "",
        str(case.get("check"))[:VALUE_CHARS_MAX],
        str(case.get("failure_case"))[:VALUE_CHARS_MAX],
    )

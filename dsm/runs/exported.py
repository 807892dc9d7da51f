"""What became of a run that was to be written into another tracker."""

from __future__ import annotations

from dataclasses import dataclass

from dsm.errors import StorageFailed
from dsm.runs.run import Run


class ExportFailed(StorageFailed):
    """The tracker did not take a run; the next export writes it again, what it took is deleted."""

    code = "export-failed"


@dataclass(frozen=True, slots=True)
class Exported:
    """A run, its id in MLflow if it is there, and whether it came there now."""

    run: Run
    mlflow_id: str | None
    new: bool

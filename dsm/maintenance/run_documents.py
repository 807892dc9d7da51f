"""What fsck asks of runs: that each document is whole and where it belongs."""

from __future__ import annotations

import os
import re

from dsm.errors import DsmError
from dsm.evaluation.book import PredictionBook
from dsm.maintenance.findings import Findings
from dsm.repo import documents
from dsm.repo.repository import Repository
from dsm.runs.book import Runs

Needed = tuple[str, bytes, int]
KNOWN = ("start.json", "end.json", "views", "predictions")
_is_logged = re.compile(r"[0-9a-f]{16}(\.param\.json|\.points)").fullmatch


def check_runs(repository: Repository, findings: Findings) -> list[Needed]:
    """Reads every document of every run; returns (run, id, bytes) of the predictions there are.

    A folder of a run without a begin is what an interrupted begin or removal leaves: it is no run.
    """
    layout = repository.layout
    needed: list[Needed] = []
    if not os.path.lexists(layout.runs):
        return needed
    ids = set(documents.runs(layout).names())
    for entry in findings.listed(layout.runs, "document"):
        if not documents.is_run(entry):
            findings.stray(layout.runs, entry)
            continue
        folder = layout.run(entry)
        for inner in findings.listed(folder, "document"):
            if inner not in KNOWN and not _is_logged(inner):
                findings.stray(folder, inner)
        if entry in ids:
            try:
                runs = Runs(repository)
                runs.verify_points(runs.find(entry))
                for stored in PredictionBook(repository).of_run(entry):
                    needed.append((entry, bytes.fromhex(stored.object), stored.size))
            except DsmError as error:
                findings.found("document", folder, error.message)
    return needed

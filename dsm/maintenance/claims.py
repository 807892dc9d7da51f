"""Checking claimed names: those that differ from no other in letter case alone."""

from __future__ import annotations

import os

from dsm.errors import DsmError
from dsm.maintenance.findings import Findings
from dsm.repo import documents
from dsm.repo.repository import Repository


def check_claims(repository: Repository, findings: Findings) -> None:
    """Each claimed name is that of a document, or of one whose creation was interrupted."""
    layout = repository.layout
    folder = layout.names
    for entry in findings.listed(folder, "document") if os.path.lexists(folder) else ():
        if entry not in ("datasets", "sources"):
            findings.stray(folder, entry)
    for known in (documents.datasets(layout), documents.sources(layout)):
        claims, names = known.claims, known.names()
        if claims is None or not os.path.lexists(claims.folder):
            continue
        for entry in findings.documents(claims.folder, "document"):
            folded = entry.removesuffix(claims.ending)
            try:
                name = str((claims.read(folded) or {}).get("name"))
            except DsmError as error:
                findings.found("document", claims.path(folded), error.message)
                continue
            if name.casefold() != folded:
                findings.found("document", claims.path(folded), "claims another name")
            elif name not in names:
                findings.notes.append(
                    f"the name {name} is kept for a {known.what} whose creation was interrupted"
                )

"""Where the data of a changeset came from."""

from __future__ import annotations

from dsm.model.changeset import Changeset


def sources_of(changeset: Changeset) -> list[str]:
    """Returns the source of a changeset, and those of its queries, none twice."""
    found = [changeset.source] if changeset.source else []
    found += [str(each["source"]) for each in changeset.documents.values() if "source" in each]
    return list(dict.fromkeys(found))

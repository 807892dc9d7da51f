"""The header of a changeset: the document whose creation is the commit.

Its fields are those of `Changeset` but for the id, which is the BLAKE3 of the file. A header that
says what no dsm would have written is refused as damage. Specified in docs/format/header.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput
from dsm.format import document
from dsm.model.changeset import CHANGESET_KINDS, Changeset, Counts
from dsm.model.names import check_dataset_name

if TYPE_CHECKING:
    from dsm.model.queries import Document
    from dsm.model.trailers import Trailers
    from dsm.model.verdict import Verdict

ATTRIBUTE_TYPES = ("string", "int", "float", "bool")


def encode(changeset: Changeset) -> bytes:
    """Returns the file bytes of a header: all but the id, which is their hash."""
    fields: dict[str, Any] = {
        "dataset": changeset.dataset,
        "number": changeset.number,
        "transaction": changeset.transaction,
        "parent": changeset.parent,
        "kind": changeset.kind,
        "manifest": {
            "id": changeset.manifest,
            "file": changeset.manifest_file,
            "bytes": changeset.manifest_bytes,
        },
        "rows": {
            "added": changeset.counts.added,
            "modified": changeset.counts.modified,
            "relabelled": changeset.counts.relabelled,
            "deleted": changeset.counts.deleted,
            **({"files": changeset.counts.files} if changeset.counts.files else {}),
        },
        "bytes": changeset.size,
        "examples": changeset.examples,
        "attributes": dict(changeset.attributes),
        "message": changeset.message,
        "author": changeset.author,
        "time": changeset.time,
        "provenance": {"source": changeset.source, "note": changeset.note},
        "reverts": changeset.reverts,
    }
    if changeset.queries or changeset.documents:
        fields["queries"] = {
            "live": dict(changeset.queries), "documents": dict(changeset.documents)
        }  # fmt: skip
    if changeset.records_files:
        fields["records_files"] = changeset.records_files
    if changeset.trailers:
        fields["trailers"] = {key: list(values) for key, values in changeset.trailers.items()}
    if changeset.verdict is not None:
        fields["verdict"] = changeset.verdict.to_json()
    if changeset.settings:
        fields["settings"] = changeset.settings
    return document.encode(fields)


def decode(data: bytes, where: str) -> Changeset:
    """Reads a header; `where` names the file in errors. Raises UnknownFormat, DamagedData."""
    fields = document.decode(data, where)
    try:
        manifest, rows, provenance = fields["manifest"], fields["rows"], fields["provenance"]
        live, documents = _queries(fields)
        changeset = Changeset(
            number=fields["number"],
            id=blake3(data).hexdigest(),
            dataset=fields["dataset"],
            transaction=fields["transaction"],
            parent=fields["parent"],
            kind=fields["kind"],
            message=fields["message"],
            author=fields["author"],
            time=fields["time"],
            counts=Counts(
                rows["added"],
                rows["modified"],
                rows["relabelled"],
                rows["deleted"],
                rows.get("files", 0),
            ),
            size=fields["bytes"],
            examples=fields["examples"],
            manifest=manifest["id"],
            manifest_file=manifest["file"],
            manifest_bytes=manifest["bytes"],
            source=provenance["source"],
            note=provenance["note"],
            reverts=fields["reverts"],
            attributes=fields["attributes"],
            queries=live,
            documents=documents,
            records_files=fields.get("records_files", 0),
            trailers=_trailers(fields),
            verdict=_verdict(fields),
            settings=fields.get("settings", 0),
        )
        _check_types(changeset)
        if changeset.kind not in CHANGESET_KINDS:
            raise document.UnknownFormat(
                f"{where}: a changeset of kind {changeset.kind!r} needs a newer dsm"
            )
        if changeset.manifest is not None:
            int(changeset.manifest, 16)
        return changeset
    except (KeyError, TypeError, ValueError, AttributeError, InvalidInput) as error:
        raise DamagedData(f"{where} is damaged: {error}") from error


def _trailers(fields: dict[str, Any]) -> Trailers:
    if "trailers" not in fields:
        return {}
    from dsm.model.trailers import require_trailers

    return require_trailers(fields["trailers"])


def _verdict(fields: dict[str, Any]) -> Verdict | None:
    if "verdict" not in fields:
        return None
    from dsm.model.verdict import Verdict

    return Verdict.from_json(fields["verdict"])


def _queries(fields: dict[str, Any]) -> tuple[dict[str, int], dict[str, Document]]:
    """Returns the queries that stand after a changeset, and the documents that it put."""
    if "queries" not in fields:
        return {}, {}
    live, documents = fields["queries"]["live"], fields["queries"]["documents"]
    number = fields["number"]
    for name, put in live.items():
        check_dataset_name(name)
        if type(put) is not int or not 1 <= put <= number or (put == number) != (name in documents):
            raise ValueError(f"query {name} is not where it should be")
    if any(name not in live or not isinstance(each, dict) for name, each in documents.items()):
        raise TypeError("a query is of a kind that does not belong there")
    return live, documents


def _check_types(changeset: Changeset) -> None:
    """Raises TypeError when a field of a header is of another kind than what dsm writes there."""
    counts = changeset.counts
    numbers = (
        changeset.number, changeset.time, changeset.size, changeset.examples,
        changeset.manifest_bytes, counts.added, counts.modified, counts.relabelled, counts.deleted,
        counts.files, changeset.records_files, changeset.settings,
    )  # fmt: skip
    texts = (
        changeset.dataset, changeset.transaction, changeset.kind, changeset.message,
        changeset.author,
    )  # fmt: skip
    perhaps = (
        changeset.parent, changeset.manifest, changeset.manifest_file, changeset.source,
        changeset.note,
    )  # fmt: skip
    if (
        any(type(value) is not int for value in numbers)
        or any(type(value) is not int for value in (changeset.reverts,) if value is not None)
        or any(not isinstance(value, str) for value in texts)
        or any(not isinstance(value, str) for value in perhaps if value is not None)
        or any(value < 0 for value in numbers if value is not changeset.time)
        or not isinstance(changeset.attributes, dict)
        or any(kind not in ATTRIBUTE_TYPES for kind in changeset.attributes.values())
    ):
        raise TypeError("a field is of a kind that does not belong there")

"""A view as a dataset of MLflow: what `mlflow.log_input` keeps of it, without its examples."""

from __future__ import annotations

import json
from typing import Any

from dsm.errors import InvalidInput, Refused
from dsm.views.selection.described import described_columns
from dsm.views.selection.prepared import read_record
from dsm.views.selection.selection import Selection

try:
    from mlflow.data.dataset import Dataset
    from mlflow.data.dataset_source import DatasetSource
    from mlflow.data.dataset_source_registry import get_dataset_source_from_json
    from mlflow.exceptions import MlflowException
except ImportError as error:
    raise ImportError("this needs MLflow: pip install dsm-datasets[mlflow]") from error

# What MLflow takes of a digest, and how many labels are told.
DIGEST_CHARS, LABELS_MAX = 36, 1000
_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"}, "binary": {"type": "binary"}, "timestamp": {"type": "datetime"},
    "array<string>": {"type": "array", "items": {"type": "string"}}, "int": {"type": "long"},
    "float": {"type": "double"}, "bool": {"type": "boolean"},
}  # fmt: skip
# Every example has these; attributes may be missing.
_ALWAYS = {"path", "content", "labels", "time"}


class MlflowDataset(Dataset):  # type: ignore[misc]
    """A view for `mlflow.log_input`: `name`, `digest`, `source`, `schema` and `profile`.

    The digest is cut to what MLflow takes; source and profile have it whole, and the version.
    """

    def __init__(self, selection: Selection, source: DatasetSource, name: str):
        self._profile = _profile(selection)
        self._schema = {
            "mlflow_colspec": [
                {**_TYPES[kind], "name": column, "required": column in _ALWAYS}
                for column, kind in described_columns(selection.log.get(selection.query.at)).items()
            ]
        }
        super().__init__(source, name, selection.content.digest[:DIGEST_CHARS])

    def _compute_digest(self) -> str:
        return self._digest or ""

    @property
    def profile(self) -> dict[str, Any]:
        """Counts of the view: `num_rows`, `size` in bytes, examples of each label."""
        return self._profile

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of an example, as MLflow writes a column-based schema."""
        return self._schema

    def to_dict(self) -> dict[str, str]:
        """Returns what MLflow keeps."""
        return {
            **super().to_dict(),
            "schema": json.dumps(self._schema), "profile": json.dumps(self._profile),
        }  # fmt: skip


def to_mlflow(selection: Selection, name: str | None) -> MlflowDataset:
    """Returns the dataset of a prepared view. Raises InvalidInput for one that is not, Refused."""
    if read_record(selection.repository, selection.dataset, selection.version) is None:
        raise InvalidInput(
            "only a prepared view is found again",
            hint="prepare what it asks for, and log the view that `prepare` returns",
        )
    content = selection.content
    source = source_of(
        selection.repository, selection.dataset, selection.version, content.digest
    )  # fmt: skip
    return MlflowDataset(selection, source, selection.dataset if name is None else name)


def source_of(repository: Any, dataset: str, version: str, digest: str) -> DatasetSource:
    """Returns the source of a view, by the plug-in that MLflow has found. Raises Refused."""
    told = {
        "dataset": dataset, "version": version, "digest": digest, "repository": repository.id,
        "root": repository.root,
    }  # fmt: skip
    try:
        return get_dataset_source_from_json(json.dumps(told), "dsm")
    except MlflowException as error:
        raise Refused(
            "MLflow does not know dsm as a source of datasets",
            hint="install dsm-datasets again: its entry point is missing",
        ) from error


def _profile(selection: Selection) -> dict[str, Any]:
    content = selection.content
    labels = sorted(content.labels.items(), key=lambda each: (-each[1], each[0]))[:LABELS_MAX]
    found = {
        "num_rows": content.examples, "size": content.size, "version": selection.version,
        "digest": content.digest, "changeset": selection.query.at, "labels": dict(labels),
    }  # fmt: skip
    queries = [each.query.name for each in selection.queries]
    return {**found, "queries": queries} if queries else found

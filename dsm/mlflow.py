"""The source of a view for MLflow, found by it through the entry point `mlflow.dataset_source`.

`mlflow.data.get_source(dataset).load()` opens the view again, in the repository at or above the
current folder when it is the one that is meant, else where it lay when the view was logged. What
comes from a tracking server is believed in nothing: the view must have the digest that was logged.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData, DsmError, InvalidInput, NotFound

# Then MLflow looks for this module while it is not whole yet, and would warn.
_BEFORE_MLFLOW = "mlflow.data" not in sys.modules
try:
    with warnings.catch_warnings():
        if _BEFORE_MLFLOW:
            warnings.filterwarnings("ignore", "Failure attempting to register", UserWarning)
        from mlflow.data.dataset_source import DatasetSource
        from mlflow.data.dataset_source_registry import register_dataset_source
except ImportError as error:
    raise ImportError("dsm.mlflow needs MLflow: pip install dsm-datasets[mlflow]") from error

if TYPE_CHECKING:
    from dsm.catalog import Catalog
    from dsm.views.view import View

TYPE = "dsm"
ADDRESS = "dsm://"
_FIELDS = ("dataset", "version", "digest", "repository", "root")


class DsmDatasetSource(DatasetSource):  # type: ignore[misc]
    """A view of a repository: `dataset`, `version` and `digest` of the view, id and folder of the
    repository."""

    def __init__(self, *, dataset: str, version: str, digest: str, repository: str, root: str):
        self.dataset = dataset
        self.version = version
        self.digest = digest
        self.repository = repository
        self.root = root

    @property
    def uri(self) -> str:
        """The address of the view for fsspec."""
        return f"{ADDRESS}{self.dataset}@{self.version}"

    def load(self, repo: Catalog | None = None) -> View:
        """Opens the view, in `repo` when it is given.

        Raises NotFound where its repository is not found or has no such view, DamagedData when the
        view holds something else than was logged.
        """
        view = (self._repository() if repo is None else repo).view(self.version)
        if view.digest != self.digest and view.version == self.version:
            raise DamagedData(
                f"view {self.version[:12]} does not hold what was logged: its digest is"
                f" {view.digest[:12]}, not {self.digest[:12]}"
            )
        return view

    def _repository(self) -> Catalog:
        from dsm.api import open as open_repository

        for place in (".", self.root):
            try:
                repo = open_repository(place)
            except DsmError:
                continue
            if repo.id == self.repository:
                return repo
            repo.close()
        raise NotFound(
            f"the repository of view {self.version[:12]} is neither here nor in {self.root!r}",
            hint="call it in a copy of the repository, or as `load(dsm.open(PATH))`",
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns what MLflow keeps."""
        return {"uri": self.uri, **{name: getattr(self, name) for name in _FIELDS}}

    @classmethod
    def from_dict(cls, source_dict: dict[Any, Any]) -> DsmDatasetSource:
        """Reads what `to_dict` returned. Raises InvalidInput."""
        found = {name: source_dict.get(name) for name in _FIELDS}
        if not all(isinstance(value, str) and "\0" not in value for value in found.values()):
            raise InvalidInput("this is no source of a view: a field is missing")
        return cls(**{name: str(value) for name, value in found.items()})

    @staticmethod
    def _get_source_type() -> str:
        return TYPE

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return isinstance(raw_source, str) and raw_source.startswith(ADDRESS) and "@" in raw_source

    @classmethod
    def _resolve(cls, raw_source: Any) -> DsmDatasetSource:
        """Finds the view of `dsm://dataset@version` in the repository at the current folder."""
        from dsm.api import open as open_repository

        dataset, _, version = raw_source.removeprefix(ADDRESS).partition("@")
        with open_repository(".") as repo:
            view = repo.view(version.partition("/")[0])
            if dataset != view.dataset:
                raise NotFound(f"view {version} is one of {view.dataset}, not of {dataset!r}")
            return cls(
                dataset=view.dataset, version=view.version, digest=view.digest,
                repository=repo.id, root=repo.root,
            )  # fmt: skip


if _BEFORE_MLFLOW:
    register_dataset_source(DsmDatasetSource)

"""Datasets for machine learning, versioned by changesets: `dsm.init`, `dsm.open`, `dsm.clone`.

Importing this package imports nothing else, not even `__future__`: `python -m dsm` comes by here
before its search for modules is safe. The functions load what they need when asked for.
"""

from dsm.version import __version__

# Type checkers take this name for true; `typing` itself need not be imported for it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from dsm.api import clone, init, open
    from dsm.tracking import log_metric, log_param, run

__all__ = ["__version__", "clone", "init", "log_metric", "log_param", "open", "run"]


def __getattr__(name: str) -> object:
    if name in ("clone", "init", "open"):
        from dsm import api

        return getattr(api, name)
    if name in ("log_metric", "log_param", "run"):
        from dsm import tracking

        return getattr(tracking, name)
    raise AttributeError(f"module 'dsm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

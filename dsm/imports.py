"""What dsm's own processes keep from being imported.

Arrow imports NumPy and pandas wherever they are installed: 0.3 s, for nothing that dsm uses. The
invariant: an import of them fails as it does where they are not installed, in C as in Python.
"""

from __future__ import annotations

import sys

LEFT_OUT = ("numpy", "pandas")


class _LeftOut:
    """A finder that is asked first. `None` in `sys.modules` would do for Python, but code that
    Cython compiled takes that None for the module."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name in LEFT_OUT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def leave_out_numpy() -> None:
    """Makes imports of NumPy and pandas fail in this process, unless they were imported before."""
    sys.meta_path.insert(0, _LeftOut)

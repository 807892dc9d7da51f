#!python
"""Where dsm's own processes look for code: never among the data.

A data folder holds whatever people were sent, and Python looks for modules in the current folder
(`python -m`), and wherever PYTHONPATH says. The invariant: from its first line on, a process of
dsm imports nothing from the current folder or from a work tree. This file is installed as the
command `dsm`, too, because even the search for the package `dsm` must be safe; so it imports only
what every interpreter has loaded before. What Python itself loads before that (`sitecustomize`,
and more after `python -m`) is out of dsm's reach: docs/explanation/safety.md.

Left out as well are NumPy and pandas: Arrow imports them wherever they are installed, 0.3 s for
nothing that dsm uses. An import of them fails as it does where they are not installed.
"""

import os
import sys

# What dsm's own processes have put into the environment, which no other program shall inherit.
added_variables: list[str] = []

LEFT_OUT = ("numpy", "pandas")
_left_out = {*LEFT_OUT}


def safe_path(entries: list[str], folders: list[str]) -> list[str]:
    """Returns the entries of a `sys.path` from which code may come, in their order.

    Left out are relative ones, `folders` (the current one, usually), and what lies in a work tree
    of dsm. Python's own folders stay, wherever they are: a virtual environment may well lie among
    the data. So does the one that this very package was loaded from.
    """
    bases = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    own = [os.path.join(base, name) for base in bases for name in ("lib", "lib64", "local/lib")]
    own.append(getattr(sys.modules.get("site"), "USER_SITE", None) or own[0])
    own = list(map(os.path.realpath, own))
    package = sys.modules.get("dsm")
    homes = [os.path.dirname(os.path.realpath(place)) for place in getattr(package, "__path__", ())]
    places = list(map(os.path.realpath, folders))

    def safe(entry: str) -> bool:
        if not os.path.isabs(entry):
            return False
        place = os.path.realpath(entry)
        if place in homes or any(f"{place}/".startswith(f"{each}/") for each in own):
            return True
        if place in places:
            return False
        while not os.path.isdir(os.path.join(place, ".dsm")):
            if place == os.path.dirname(place):
                return True
            place = os.path.dirname(place)
        return False

    return [entry for entry in entries if safe(entry)]


def current_folders() -> list[str]:
    """Returns the current folder, and nothing where it is gone."""
    try:
        return [os.getcwd()]
    except OSError:
        return []


def keep_out_of_data() -> None:
    """Applies the rule to this process, before anything else is imported."""
    folders = current_folders()
    for at, word in enumerate(sys.argv):
        if word[:2] == "-C":  # where the command will go
            value = word[2:] or "".join(sys.argv[at + 1 : at + 2])
            folders.append(os.path.join(*folders[-1:], value))
    kept = safe_path(sys.path, folders)
    if "dsm" not in sys.modules and not any(_has_dsm(entry) for entry in kept):
        # It runs from a checkout, and this is the current folder.
        kept += [entry for entry in sys.path if os.path.isabs(entry) and _has_dsm(entry)][-1:]
    sys.path[:] = kept


def _has_dsm(entry: str) -> bool:
    return os.path.isfile(os.path.join(entry, "dsm", "imports.py"))


class _LeftOut:
    """A finder that is asked first. `None` in `sys.modules` would do for Python, but code that
    Cython compiled takes that None for the module."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name in _left_out:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def leave_out_numpy() -> None:
    """Makes imports of NumPy and pandas fail in this process, unless they were imported before."""
    sys.meta_path.insert(0, _LeftOut)


def bring_back(*names: str) -> None:
    """Lets what was left out be imported; what was loaded without it goes on without it."""
    _left_out.difference_update(names)


def bring_numpy_back() -> None:
    """Lets what computes with NumPy import it."""
    bring_back("numpy")


if __name__ == "__main__":
    keep_out_of_data()
    from dsm.__main__ import main

    sys.exit(main())

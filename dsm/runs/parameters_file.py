"""Parameters that stand in a file: YAML, TOML or JSON, nested ones by names with dots."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.runs.files import content

KNOWN = ("params.yaml", "params.toml", "params.json")
BYTES_MAX = 1 << 18
COUNT_MAX = 5000
DEPTH_MAX = 16


def read_known(folder: str) -> dict[str, str]:
    """Reads the first of `KNOWN` that is in a folder; empty without one. Raises InvalidInput."""
    for name in KNOWN:
        if os.path.isfile(os.path.join(folder, name)):
            return read(os.path.normpath(os.path.join(folder, name)))
    return {}


def read(path: str) -> dict[str, str]:
    """Reads the parameters of a file, name to value as text. Raises InvalidInput."""
    data = content(path, BYTES_MAX)
    try:
        found = _parse(path, data)
        if found is None:
            return {}  # an empty file of YAML
        if not isinstance(found, dict):
            raise ValueError("it is not a mapping of names")
        parameters: dict[str, str] = {}
        for seen, (name, value) in enumerate(_values(found, "", 0)):
            if seen >= COUNT_MAX:
                raise ValueError(f"they are more than {COUNT_MAX:,}")
            if value is not None:
                parameters[name] = value
        return parameters
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{path} holds no parameters: {printable(' '.join(str(error).split())[:120])}"
        ) from error


def _parse(path: str, data: bytes) -> Any:
    ending = path.rpartition(".")[2].lower()
    text = data.decode()
    if ending == "toml":
        return tomllib.loads(text)
    if ending == "json":
        return json.loads(text)
    if ending not in ("yaml", "yml"):
        raise ValueError("its name ends in none of .yaml, .toml and .json")
    try:
        import yaml
    except ImportError:
        raise InvalidInput(
            f"{path} cannot be read: PyYAML is not installed",
            hint="pip install pyyaml, or write TOML or JSON",
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _values(found: Any, above: str, depth: int) -> Iterator[tuple[str, str | None]]:
    """Yields names and values, None for what has parts.

    Its caller sets the bound: by its references YAML can say much in few bytes, and nothing too.
    """
    if depth > DEPTH_MAX:
        raise ValueError(f"it is nested deeper than {DEPTH_MAX} levels")
    for name, value in found.items() if isinstance(found, dict) else enumerate(found):
        if isinstance(value, (dict, list)):
            yield f"{above}{name}", None
            yield from _values(value, f"{above}{name}.", depth + 1)
        else:
            yield f"{above}{name}", _text(value)


def _text(value: Any) -> str:
    """Returns a value as its file would spell it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)

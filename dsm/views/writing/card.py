"""The card beside a materialised view: the README.md that `datasets.load_dataset(FOLDER)` reads.

Made from the final document alone, as the Croissant description is. Its last line is a seal, the
BLAKE3 of all lines before it: only a card whose seal is right is dsm's own, and is ever replaced.
Specified in docs/format/materialised.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from blake3 import blake3

from dsm.errors import DsmError
from dsm.store import disk
from dsm.store.whole_file import read_file
from dsm.views.writing.output_folder import OutputFolder

CARD = "README.md"
CLASS_LABEL = "class_label"
_BYTES_MAX = 16 << 20  # a list of classes has at most 400,000 bytes, which escapes multiply
_SEAL = b"<!-- dsm get: "
_SEALED = re.compile(rb"(?s)(.*)" + re.escape(_SEAL) + rb"([0-9a-f]{64}) -->\n")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def write_card(
    folder: OutputFolder, document: Mapping[str, Any], config: dict[str, Any] | None
) -> None:
    """Writes the card of what a final document speaks of, unless a README.md of others is there.

    `config` is that of its format: `FormatWriter.card`.
    """
    if config is None:
        return
    if not os.path.lexists(folder.path(CARD)) or is_own(folder):
        folder.put(CARD, describe(document, config))


def remove_card(folder: OutputFolder) -> None:
    """Removes the card, if it is one that dsm has written and nobody has changed."""
    if is_own(folder):
        disk.remove(folder.path(CARD))


def is_own(folder: OutputFolder) -> bool:
    """Whether README.md is as dsm has written it."""
    try:
        found = _SEALED.fullmatch(read_file(folder.path(CARD), _BYTES_MAX) or b"")
    except DsmError:  # a link, a folder, or more than a card has
        return False
    return found is not None and blake3(found[1]).hexdigest().encode() == found[2]


def describe(document: Mapping[str, Any], config: dict[str, Any]) -> bytes:
    """Returns the card: a head in YAML that the library reads, a few lines for people, the seal."""
    name, version = document["dataset"]["name"], document["version"]
    head = "\n".join(_yaml(_with_classes(config, document["classes"]), ""))
    text = f"""---
{head}
---

# {name}, view {version[:12]}

{document["examples"]} examples of the dataset {name}: view `{version}`, content
`{document["digest"]}`. Written by `dsm get`.

```python
from datasets import load_dataset

examples = load_dataset("FOLDER")  # the folder that this file is in
```

"""
    data = text.encode()
    return data + _SEAL + blake3(data).hexdigest().encode() + b" -->\n"


def _with_classes(value: Any, classes: list[str]) -> Any:
    """Puts the class list where the recorded features say only that a column is a class."""
    if isinstance(value, dict):
        return {key: _with_classes(item, classes) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_classes(item, classes) for item in value]
    if value == CLASS_LABEL:
        return {CLASS_LABEL: {"names": {str(index): name for index, name in enumerate(classes)}}}
    return value


def _yaml(value: Any, indent: str) -> Iterator[str]:
    """Yields the lines of mappings, lists and texts as block YAML."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                yield f"{indent}{_text(key)}: {_text(item)}"
            else:
                yield f"{indent}{_text(key)}:"
                yield from _yaml(item, indent + "  ")
    else:
        for item in value:
            if isinstance(item, str):
                yield f"{indent}- {_text(item)}"
            else:
                first, *rest = _yaml(item, indent + "  ")
                yield f"{indent}- {first[len(indent) + 2 :]}"
                yield from rest


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

"""Computes versions of views from docs/format/view.md alone: needs blake3, knows nothing of dsm.

Run it beside view.md: it checks the test vectors of the page, and exits 1 when a version differs.
"""

import json
import pathlib
import re
import sys
import unicodedata

from blake3 import blake3


def canonical(value):
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def version(dataset, number, changeset, labels, all_labels, exclude):
    at = {"changeset": changeset, "number": number}
    query = {"at": at, "dataset": dataset, "format": 1, "kind": "view"}
    wanted = sorted({unicodedata.normalize("NFC", label.strip()) for label in labels})
    if wanted:
        query["labels"] = {"all" if all_labels and len(wanted) > 1 else "any": wanted}
    if exclude:
        query["exclude"] = sorted({unicodedata.normalize("NFC", s.strip()) for s in exclude})
    return blake3(canonical(query).encode()).hexdigest()


page = pathlib.Path(__file__).with_name("view.md").read_text(encoding="utf-8")
vectors = json.loads(re.search(r"```json\n(\[.*?\])\n```", page, re.DOTALL)[1])
wrong = [v for v in vectors if v.pop("version") != version(**v)]
print(f"{len(vectors) - len(wrong)} of {len(vectors)} versions agree", *wrong, sep="\n")
sys.exit(1 if wrong or not vectors else 0)

"""Computes versions from view.md beside it, knowing nothing of dsm; exits 1 on a difference."""

import json
import pathlib
import re
from datetime import UTC, datetime
from decimal import Context
from unicodedata import normalize

from blake3 import blake3


def label_list(given):
    return sorted({normalize("NFC", label.strip()) for label in given})


def decimal(text):
    text = text[:-1] + "e-2" if text[-1] == "%" else text
    return format(Context(prec=400).create_decimal(text).normalize(Context(prec=400)), "f")


def instant(text):
    time = datetime.fromisoformat(text)
    return (time.astimezone(UTC) if time.tzinfo else time).replace(tzinfo=None).isoformat() + "Z"


def runs(text):
    ends = [part.split("-") for part in text.split(",")]
    all_ = sorted({n for end in ends for n in range(int(end[0]), int(end[-1]) + 1)})
    return [
        [n, next(m for m in all_ if m >= n and m + 1 not in all_)]
        for n in all_
        if n - 1 not in all_
    ]


def condition(name, kind, op, given):
    values = sorted({decimal(value) if kind == "number" else value for value in given})
    op = "=" if op == "in" and len(values) == 1 else op
    return {"attribute": name, "op": op, "is": kind, "values": values}


def version(dataset, number, changeset, ask):
    at = {"changeset": changeset, "number": number}
    query = {"at": at, "dataset": dataset, "format": 1, "kind": "view"}
    if labels := label_list(ask.get("labels", ())):
        query["labels"] = {"all" if ask.get("all_labels") and labels[1:] else "any": labels}
    if "exclude" in ask:
        query["exclude"] = label_list(ask["exclude"])
    query |= {name: instant(ask[name]) for name in ("since", "until") if name in ask}
    if (share := decimal(ask.get("percent", "1"))) != "1":
        query["percent"] = share
    if (listed := runs(ask.get("changesets", f"1-{number}"))) != [[1, number]]:
        query["changesets"] = listed
    if "paths" in ask:
        query["paths"] = sorted(set(ask["paths"]))
    if found := {str(each): each for each in (condition(*c) for c in ask.get("where", ()))}:
        query["where"] = sorted(found.values(), key=lambda each: list(each.values()))
    text = json.dumps(query, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return blake3(text.encode()).hexdigest()


page = pathlib.Path(__file__).with_name("view.md").read_text("utf-8")
vectors = json.loads(re.search(r"```json\n(\[.*?\])\n```", page, re.DOTALL)[1])
wrong = [vector for vector in vectors if vector.pop("version") != version(**vector)]
print(f"{len(vectors) - len(wrong)} of {len(vectors)} versions agree", *wrong, sep="\n")
raise SystemExit(1 if wrong or not vectors else 0)

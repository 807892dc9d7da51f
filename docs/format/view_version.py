"""Computes versions from view.md beside it, knowing nothing of dsm; exits 1 on a difference."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from pathlib import Path
from unicodedata import normalize

from blake3 import blake3

EMPTY = [[], "1", {"column": "labels"}]


def decimal(text):
    digits = f"{Decimal(text.replace('%', 'e-2')):f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def instant(text):
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC).isoformat()[:-6] + "Z"


def runs(text):
    parts = [[int(end) for end in part.split("-")] for part in text.split(",")]
    listed = {number for part in parts for number in range(part[0], part[-1] + 1)}
    ends = ([n for n in sorted(listed) if n + step not in listed] for step in (-1, 1))
    return [list(run) for run in zip(*ends, strict=True)]


def condition(name, kind, op, given):
    values = tuple(sorted({decimal(each) if kind == "number" else each for each in given}))
    op = "=" if op == "in" and len(values) == 1 else op
    return ("attribute", name), ("op", op), ("is", kind), ("values", values)


def version(dataset, ask, **at):
    query = {"format": 1, "kind": "view", "dataset": dataset, "at": at}
    query["changesets"] = runs(ask.get("changesets", f"1-{at['number']}"))
    query |= {"paths": sorted({*ask.get("paths", ())}), "percent": decimal(ask.get("percent", "1"))}
    for name in ("labels", "exclude"):
        query[name] = sorted({normalize("NFC", label.strip()) for label in ask.get(name, ())})
    if labels := query["labels"]:
        query["labels"] = {"all" if ask.get("all_labels") and len(labels) > 1 else "any": labels}
    query |= {name: instant(ask[name]) for name in ("since", "until") if name in ask}
    query["where"] = [dict(c) for c in sorted({condition(*each) for each in ask.get("where", ())})]
    listed = {"classes": [normalize("NFC", name.strip()) for name in ask.get("classes", ())]}
    query["target"] = {"column": ask.get("target", "labels")} | (listed if "classes" in ask else {})
    asked = {name: it for name, it in query.items() if it not in [*EMPTY, [[1, at["number"]]]]}
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return blake3(text.encode()).hexdigest()


page = Path(__file__).with_name("view.md").read_text("utf-8")
vectors = json.loads(page.split("```json\n")[1].split("```")[0])
ties = json.loads(page.split("```json\n")[2].split("```")[0])
newest = sorted(ties["paths"], key=lambda path: blake3(path.encode()).digest(), reverse=True)
share = newest[: ceil(Decimal(ties["percent"]) * len(newest))]
wrong = [] if sorted(share) == ties["taken"] else [ties]
wrong += [vector for vector in vectors if vector.pop("version") != version(**vector)]
print(f"{len(vectors) - len(wrong)} of {len(vectors)} versions agree", *wrong, sep="\n")
raise SystemExit(1 if wrong or not vectors else 0)

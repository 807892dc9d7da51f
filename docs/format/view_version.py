"""Computes versions from view.md beside it, knowing nothing of dsm; exits 1 on a difference."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, gcd, isqrt, lcm
from pathlib import Path
from unicodedata import normalize

from blake3 import blake3

CONTEXT = "dsm view 1: examples drawn by hash"
PURE = {"format", "kind", "dataset", "at", "views"}
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


def canonical(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def part(by, seed, parts, take):
    shares = {name: Fraction(decimal(share)) for name, share in parts}
    of = lcm(*(share.denominator for share in shares.values()))
    first, found = 0, []
    for name, share in shares.items():
        end = first + int(share * of)
        if (name == take) or take == f"not-{name}":
            found = [[first, end]] if name == take else [[0, first], [end, of]]
        first = end
    runs = [run for run in found if run[0] < run[1]]
    by_all = gcd(of, *(end for run in runs for end in run))
    runs = [[end // by_all for end in run] for run in runs]
    return {"by": by, "seed": seed, "of": of // by_all, "take": runs}


def drawn(by, seed, unit, purpose="split"):
    key = blake3(f"{purpose}\n{by}\n{seed}".encode(), derive_key_context=CONTEXT).digest()
    return int.from_bytes(blake3(unit.encode(), key=key).digest()[:8], "little")


def taken(split, units):
    by, seed, of, strata = split["by"], split["seed"], split["of"], split.get("strata")
    buckets = {unit: drawn(by, seed, unit) * of >> 64 for unit in units}
    if strata:
        rare = Counter(label for labels in units.values() for label in labels)
        own = {
            u: min(labels, key=lambda n: (rare[n], n), default="") for u, labels in units.items()
        }
        sizes = Counter(own.values())
        step = max(1, (isqrt(5 * of * of) - of) // 2)
        step = next(each for each in range(step, step + of) if gcd(each, of) == 1)
        for at, stratum in enumerate(sorted(sizes, key=lambda name: (-sizes[name], name))):
            deal = sorted((drawn(by, seed, u), u) for u in units if own[u] == stratum)
            for i, (_, unit) in enumerate(deal):
                buckets[unit] = ((2 * i + 1) * of // (2 * len(deal)) + at * step) % of
    return [u for u, bucket in buckets.items() if any(a <= bucket < b for a, b in split["take"])]


def sampled(sample, paths):
    paths = sorted(paths, key=lambda path: drawn("path", sample["seed"], path, "sample"))
    return sorted(paths[: ceil(Decimal(sample["share"]) * len(paths))])


def joined(kind, parts):
    inner = [each for part in parts for each in part.get(kind, [part])]
    found = [each for _, each in sorted({canonical(each): each for each in inner}.items())]
    return found[0] if len(found) == 1 else {kind: found}


def negated(part):
    if "view" in part:
        return {"not": part}
    if "not" in part:
        return part["not"]
    ((kind, parts),) = part.items()
    return joined("any" if kind == "all" else "all", [negated(each) for each in parts])


def expression(dataset, words, at):
    if words[0] == "view":
        asked = query_of(dataset, words[1], **at)
        return asked["views"] if asked.keys() == PURE else {"view": asked}
    first, second = (expression(dataset, each, at) for each in words[1:])
    second = negated(second) if words[0] == "minus" else second
    return joined("any" if words[0] == "or" else "all", [first, second])


def version(dataset, ask, **at):
    return blake3(canonical(query_of(dataset, ask, **at)).encode()).hexdigest()


def query_of(dataset, ask, **at):
    query = {"format": 1, "kind": "view", "dataset": dataset, "at": at}
    query["changesets"] = runs(ask.get("changesets", f"1-{at['number']}"))
    query |= {"paths": sorted({*ask.get("paths", ())}), "percent": decimal(ask.get("percent", "1"))}
    for name in ("labels", "exclude"):
        query[name] = sorted({normalize("NFC", label.strip()) for label in ask.get(name, ())})
    if labels := query["labels"]:
        query["labels"] = {"all" if ask.get("all_labels") and len(labels) > 1 else "any": labels}
    query |= {name: instant(ask[name]) for name in ("since", "until") if name in ask}
    query["where"] = [dict(c) for c in sorted({condition(*each) for each in ask.get("where", ())})]
    parts = {canonical(part(*each)): part(*each) for each in ask.get("split", ())}
    query["splits"] = [p for _, p in sorted(parts.items()) if p["take"] != [[0, p["of"]]]]
    if "pick" in ask:
        held = b"".join(path.encode() + b"\0" for path in sorted({*ask["pick"]}))
        query["picks"] = [{"object": blake3(held).hexdigest(), "examples": len({*ask["pick"]})}]
    if "balance" in ask:
        query["balance"] = ask["balance"]
    sample = dict(ask.get("sample", {"share": "1"}))
    sample |= {"share": decimal(sample["share"])} if "share" in sample else {}
    query |= {"sample": sample} if sample.get("share") != "1" else {}
    listed = {"classes": [normalize("NFC", name.strip()) for name in ask.get("classes", ())]}
    query["target"] = {"column": ask.get("target", "labels")} | (listed if "classes" in ask else {})
    asked = {name: it for name, it in query.items() if it not in [*EMPTY, [[1, at["number"]]]]}
    if "views" in ask:
        asked["views"] = expression(dataset, ask["views"], at)
        if "view" in asked["views"] and asked.keys() == PURE:
            return asked["views"]["view"]
    return asked


page = Path(__file__).with_name("view.md").read_text("utf-8")
blocks = [json.loads(block.split("```")[0]) for block in page.split("```json\n")[1:]]
vectors, ties, sample, *draws = blocks
newest = sorted(ties["paths"], key=lambda path: blake3(path.encode()).digest(), reverse=True)
share = newest[: ceil(Decimal(ties["percent"]) * len(newest))]
wrong = [] if sorted(share) == ties["taken"] else [ties]
wrong += [sample] if sampled(sample["sample"], sample["paths"]) != sample["taken"] else []
wrong += [draw for draw in draws if taken(draw["split"], draw["units"]) != draw["taken"]]
wrong += [vector for vector in vectors if vector.pop("version") != version(**vector)]
print(f"{len(vectors) - len(wrong)} of {len(vectors)} versions agree", *wrong, sep="\n")
raise SystemExit(1 if wrong or not vectors else 0)

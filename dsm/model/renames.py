"""Which new path is an old one under another name: the same content, and as much of the path as
possible."""

from __future__ import annotations

from collections.abc import Mapping


def paired(
    new: Mapping[str, bytes], gone: Mapping[str, bytes], *, shared: bool = False
) -> dict[str, str]:
    """Returns for new paths the path that went, both given with the id of their content.

    Of several with the same content those belong together that end alike, in the most folders; then
    the first with the first. With `shared` one that went serves several new paths, once each has
    served; else what is left has no pair.
    """
    pairs: dict[str, str] = {}
    sources = _by_content(gone)
    for oid, targets in _by_content(new).items():
        olds = sources.get(oid)
        if not olds:
            continue
        if len(olds) == len(targets) == 1:
            pairs[targets[0]] = olds[0]
            continue
        left = _matched(targets, olds, pairs, used_up=True)
        if shared and left:
            for target in _matched(left, olds, pairs, used_up=False):
                pairs[target] = olds[0]
    return pairs


def _by_content(paths: Mapping[str, bytes]) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = {}
    for path in sorted(paths):
        found.setdefault(paths[path], []).append(path)
    return found


def _matched(
    targets: list[str], olds: list[str], pairs: dict[str, str], *, used_up: bool
) -> list[str]:
    """Pairs paths of one content, those that share the longest end first; returns what is left.

    With `used_up`, an old path serves once, in the end also a new path that ends otherwise.
    """
    depth = max(path.count("/") for path in targets) + 1
    waiting, free = list(targets), list(olds)
    for parts in range(depth, -1 if used_up else 0, -1):
        ends: dict[str, list[str]] = {}
        for old in free:
            ends.setdefault(_end(old, parts), []).append(old)
        left: list[str] = []
        taken: set[str] = set()
        for found in ends.values():
            found.reverse()  # the first one is taken first
        for target in waiting:
            fitting = ends.get(_end(target, parts))
            if not fitting:
                left.append(target)
                continue
            pairs[target] = fitting.pop() if used_up else fitting[-1]
            taken.add(pairs[target])
        waiting = left
        if used_up:
            free = [old for old in free if old not in taken]
        if not waiting or not free:
            break
    return waiting


def _end(path: str, parts: int) -> str:
    """Returns the last so many parts of a path; all of it when it has fewer."""
    return "/".join(path.rsplit("/", parts)[-parts:]) if parts else ""

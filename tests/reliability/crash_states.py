"""What a disk may hold after a power cut, worked out from a recording of primitives.

The rules are those that POSIX gives and no more: the bytes of a file are durable after its fsync,
else it may be empty, zeroed, cut, or whole; a name (made, replaced or removed) is durable after an
fsync of its folder, else it may or may not be so, whatever became of other names. Real file systems
keep more, which hides missing steps: hence this model beside the real power cuts.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dsm.store import disk

Content = dict[int, bytes]  # file -> its bytes
Names = dict[str, dict[str, int | None]]  # folder -> name -> file (None: a folder)


@dataclass(slots=True)
class Moment:
    """The disk as a running process sees it, and the primitive that is about to be made."""

    operation: str
    path: str
    names: Names
    content: Content


@dataclass
class Recording:
    """All moments of a run below `base`, and where each of its steps ended."""

    base: str
    moments: list[Moment] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    _files: dict[tuple[int, int], int] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def observe(self, operation: str, path: str) -> None:
        """Takes down the state before a primitive. Give it to `disk.observe`."""
        names, content = self._look()
        self.moments.append(Moment(operation, os.path.abspath(path), names, content))

    def end(self) -> None:
        """Marks the end of a step: what it did is acknowledged now."""
        self.observe("end", self.base)
        self.ends.append(len(self.moments) - 1)

    def _look(self) -> tuple[Names, Content]:
        names: Names = {}
        content: Content = {}
        seen: dict[str, int] = {}
        inodes: dict[int, int] = {}
        waiting = [self.base] if os.path.isdir(self.base) else []
        while waiting:
            folder = waiting.pop()
            entries = names[folder] = {}
            for entry in os.scandir(folder):
                if entry.is_dir(follow_symlinks=False):
                    entries[entry.name] = None
                    waiting.append(entry.path)
                    continue
                inode = entry.inode()
                number = inodes.get(inode, self._known(entry.path, inode))
                inodes[inode] = seen[entry.path] = entries[entry.name] = number
                with open(entry.path, "rb") as file:
                    content[number] = file.read()
        self._last = seen
        self._files = {(inode, 0): number for inode, number in inodes.items()}
        return names, content

    def _known(self, path: str, inode: int) -> int:
        """An inode that was there a moment ago is the same file; numbers are given out again."""
        known = self._files.get((inode, 0))
        if known is not None:
            return known
        self._count += 1
        return self._count


@dataclass(slots=True)
class Durable:
    """What has been synced so far."""

    names: Names
    content: Content

    def after(self, moment: Moment) -> None:
        """Takes in one primitive."""
        folder, _, name = moment.path.rpartition("/")
        if moment.operation == "fsync folder" and moment.path in moment.names:
            self.names[moment.path] = dict(moment.names[moment.path])
        elif moment.operation == "fsync":
            number = moment.names.get(folder, {}).get(name)
            if number is not None:
                self.content[number] = moment.content[number]


DAMAGES = ("empty", "zeros", "half")
State = dict[str, bytes | None]  # path below the base -> bytes (None: a folder)


def states(
    recording: Recording,
    first: int,
    last: int,
    rng: random.Random,
    samples: int = 2,
    *,
    every_damage: bool = True,
) -> Iterator[tuple[int, State]]:
    """Yields (moment, what may be on disk if the power goes there), without repetitions.

    Bytes that were not synced are whole, and damaged in each way, or in one way after the other.
    """
    ways = [DAMAGES] if every_damage else [(damage,) for damage in DAMAGES]
    start = recording.moments[0]
    durable = Durable({k: dict(v) for k, v in start.names.items()}, dict(start.content))
    seen: set[int] = set()
    damages = itertools.cycle(ways)
    for at, moment in enumerate(recording.moments):
        if first <= at <= last:
            for state in _at(recording.base, durable, moment, rng, samples, damages):
                key = hash(frozenset(state.items()))
                if key not in seen:
                    seen.add(key)
                    yield at, state
        durable.after(moment)


def _at(
    base: str,
    durable: Durable,
    moment: Moment,
    rng: random.Random,
    samples: int,
    damages: Iterator[tuple[str, ...]],
) -> Iterator[State]:
    pending = sorted(
        (folder, name)
        for folder in moment.names
        for name in {*moment.names[folder], *durable.names.get(folder, {})}
        if moment.names[folder].get(name, -1) != durable.names.get(folder, {}).get(name, -1)
    )
    every = set(pending)
    choices = [set(), every]
    choices += [{one} for one in pending] + [every - {one} for one in pending]
    choices += [{one for one in pending if rng.random() < 0.5} for _ in range(samples)]
    for applied in choices:
        yield _state(base, durable, moment, applied, "whole")
        for damage in next(damages):
            yield _state(base, durable, moment, applied, damage)


def _state(
    base: str, durable: Durable, moment: Moment, applied: set[tuple[str, str]], damage: str
) -> State:
    state: State = {}
    waiting = [base]
    while waiting:
        folder = waiting.pop()
        old, new = durable.names.get(folder, {}), moment.names.get(folder, {})
        for name in {*old, *new}:
            chosen = new if (folder, name) in applied else old
            if name not in chosen:
                continue
            number, path = chosen[name], f"{folder}/{name}"
            if number is None:
                state[path[len(base) + 1 :]] = None
                waiting.append(path)
            else:
                state[path[len(base) + 1 :]] = _bytes(durable, moment, number, damage)
    return state


def _bytes(durable: Durable, moment: Moment, number: int, damage: str) -> bytes:
    synced = durable.content.get(number)
    # A file that has lost its last name keeps what was synced of it.
    now = moment.content.get(number, synced or b"")
    if synced == now or damage == "whole":
        return now
    kept = synced if synced is not None and now.startswith(synced) else b""
    if damage == "empty":
        return kept
    if damage == "zeros":
        return kept + bytes(len(now) - len(kept))
    return now[: len(kept) + (len(now) - len(kept)) // 2]


def lay_down(state: State, base: Path) -> None:
    """Makes a folder hold a state, whatever it held."""
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    for path in sorted(state):
        content = state[path]
        if content is None:
            os.mkdir(f"{base}/{path}")
        else:
            with open(f"{base}/{path}", "xb") as file:
                file.write(content)


def record(
    base: Path, steps: list[Callable[[], object]], also: disk.Observer = lambda *_: None
) -> Recording:
    """Runs steps one after the other; `also` is asked first, and may SKIP a primitive."""
    recording = Recording(str(base))
    recording.end()

    def observer(operation: str, path: str) -> object:
        answer = also(operation, path)
        if answer is not disk.SKIP:
            recording.observe(operation, path)
        return answer

    with disk.observe(observer):
        for step in steps:
            step()
            recording.end()
    return recording

"""Ways to break the protocol on purpose: each must be noticed by some test, or the tests are blind.

A mutant is installed with pytest's monkeypatch, or as an observer of the disk that skips what it
should not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from dsm.format.stage_note import SUFFIX as NOTE
from dsm.history import manifests
from dsm.repo.log import ChangesetLog
from dsm.store import disk, objects, whole_file
from dsm.worktree.stage import Stage

Install = Callable[[pytest.MonkeyPatch], "disk.Observer | None"]


@dataclass(frozen=True)
class Mutant:
    """One broken build; `install` returns an observer when it needs one."""

    name: str
    install: Install


def replace_everywhere(patch: pytest.MonkeyPatch, name: str, original: Any, new: Any) -> None:
    """Replaces a function in every module that has imported it."""
    for module in list(sys.modules.values()):
        ours = getattr(module, "__name__", "").startswith("dsm.")
        if ours and getattr(module, name, None) is original:
            patch.setattr(module, name, new)


class Target:
    """Knows which final file the temporary one being written now is for."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.path = ""
        original = whole_file.create_file

        def create_file(path: str, data: bytes, folder: str) -> bool:
            self.path = path
            try:
                return original(path, data, folder)
            finally:
                self.path = ""

        replace_everywhere(patch, "create_file", original, create_file)


def without_fsync(pattern: str) -> Install:
    """Drops the fsync of every file whose final (or own) path matches."""

    def install(patch: pytest.MonkeyPatch) -> disk.Observer:
        target = Target(patch)

        def observer(operation: str, path: str) -> object:
            if operation == "fsync" and re.search(pattern, target.path or path):
                return disk.SKIP
            return None

        return observer

    return install


def without_folder_fsync(pattern: str) -> Install:
    """Drops every fsync of the folders that match."""

    def install(_patch: pytest.MonkeyPatch) -> disk.Observer:
        def observer(operation: str, path: str) -> object:
            found = operation == "fsync folder" and re.search(pattern, path)
            return disk.SKIP if found else None

        return observer

    return install


def deferred(first: tuple[Any, str], until: tuple[Any, str], answer: object = None) -> Install:
    """Swaps two steps: `first` happens only after `until` has."""

    def install(patch: pytest.MonkeyPatch) -> None:
        waiting: list[Callable[[], object]] = []
        early, late = getattr(*first), getattr(*until)

        def postponed(*args: Any, **options: Any) -> object:
            waiting.append(lambda: early(*args, **options))
            return answer

        def then(*args: Any, **options: Any) -> object:
            result = late(*args, **options)
            while waiting:
                waiting.pop(0)()
            return result

        patch.setattr(*first, postponed)
        patch.setattr(*until, then)

    return install


def _header_before_manifest(patch: pytest.MonkeyPatch) -> None:
    create, append = whole_file.create_file, ChangesetLog.append
    waiting: list[Callable[[], object]] = []

    def later(*args: Any) -> bool:
        waiting.append(lambda: create(*args))
        return True

    def then(self: ChangesetLog, fields: Any) -> object:
        result = append(self, fields)
        while waiting:
            waiting.pop(0)()
        return result

    patch.setattr(manifests, "create_file", later)
    patch.setattr(ChangesetLog, "append", then)


def _link_before_fsync(patch: pytest.MonkeyPatch) -> None:
    def create_file(path: str, data: bytes, folder: str) -> bool:
        import os

        temporary = os.path.join(folder, f"new-{os.urandom(8).hex()}")
        disk.write_new(temporary, data, durable=False)
        created = disk.claim(temporary, path)
        fd = os.open(path, os.O_RDONLY)
        disk.sync_file(fd, path)
        os.close(fd)
        disk.sync_dir(os.path.dirname(path))
        return created

    replace_everywhere(patch, "create_file", whole_file.create_file, create_file)


def _written_in_place(patch: pytest.MonkeyPatch) -> None:
    def create_file(path: str, data: bytes, _folder: str) -> bool:
        import os

        try:
            disk.write_new(path, data)
        except disk.WriteFailed as error:
            if error.errno == 17:
                return False
            raise
        disk.sync_dir(os.path.dirname(path))
        return True

    replace_everywhere(patch, "create_file", whole_file.create_file, create_file)


def _pack_named_before_fsync(patch: pytest.MonkeyPatch) -> None:
    sync_file = disk.sync_file

    def sync(fd: int, path: str) -> None:
        if not path.endswith(".pack"):
            sync_file(fd, path)

    patch.setattr(disk, "sync_file", sync)


def _note_cleared_first(patch: pytest.MonkeyPatch) -> None:
    clear = Stage.clear

    def first(self: Stage, transaction: str, consumed: tuple[str, ...]) -> None:
        import os

        disk.remove(os.path.join(self._folder, transaction + NOTE))
        clear(self, transaction, consumed)

    patch.setattr(Stage, "clear", first)


def _stage_cleared_before_commit(patch: pytest.MonkeyPatch) -> None:
    announce = Stage.announce

    def announce_and_clear(
        self: Stage, transaction: str, after: int, consumed: tuple[str, ...], forget: list[str]
    ) -> None:
        announce(self, transaction, after, consumed, forget)
        self.clear(transaction, consumed)

    patch.setattr(Stage, "announce", announce_and_clear)


def _no_note(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stage, "announce", lambda *_: None)


# Found by the model of crash states.
OF_THE_ORDER = [
    Mutant("no fsync of packs", without_fsync(r"\.pack$")),
    Mutant("no fsync of manifests", without_fsync("/manifests/")),
    Mutant("no fsync of headers", without_fsync("/changesets/")),
    Mutant("no fsync of stage segments", without_fsync(r"\.stage$")),
    Mutant("no fsync of commit notes", without_fsync(r"\.commit$")),
    Mutant("no fsync of tags", without_fsync("/tags/")),
    Mutant("no fsync of repo.json", without_fsync(r"/repo\.json$")),
    Mutant("no fsync of dataset.json", without_fsync(r"/dataset\.json$")),
    Mutant("no fsync of the settings", without_fsync("/config-")),
    Mutant("no fsync of the folder of packs", without_folder_fsync("/packs$")),
    Mutant("no fsync of the shelves of packs", without_folder_fsync("/packs/..$")),
    Mutant("no fsync of the folder of manifests", without_folder_fsync("/manifests$")),
    Mutant("no fsync of the folder of headers", without_folder_fsync("/changesets$")),
    Mutant("no fsync of the folder of the stage", without_folder_fsync("/stage/data$")),
    Mutant("no fsync of the folder of tags", without_folder_fsync("/tags$")),
    Mutant("no fsync of the folder of datasets", without_folder_fsync("/datasets$")),
    Mutant("no fsync of a dataset's folder", without_folder_fsync("/datasets/data$")),
    Mutant("no fsync of .dsm", without_folder_fsync(r"/\.dsm$")),
    Mutant("header before manifest", _header_before_manifest),
    Mutant("stage segment before its packs", deferred((objects, "publish_pack"), (Stage, "write"))),
    Mutant("note after the header", deferred((Stage, "announce"), (ChangesetLog, "append"))),
    Mutant("name before the bytes are durable", _link_before_fsync),
    Mutant("name of a pack before its bytes are durable", _pack_named_before_fsync),
    Mutant("no temporary files", _written_in_place),
    Mutant("note cleared before the segments", _note_cleared_first),
    Mutant("stage cleared before the commit point", _stage_cleared_before_commit),
    Mutant("no note", _no_note),
]

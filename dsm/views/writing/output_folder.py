"""What is known of a folder that a view is, or is being, materialised in.

Two documents: the journal lists the files that are whole while the rest is written, and the final
document (`dataset.json`), written last, says that all are there. Invariant: a file listed in
either was durable under its name before it was listed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from typing import Any

from blake3 import blake3

from dsm.errors import Conflict, DamagedData, DsmError
from dsm.format import document
from dsm.store import disk
from dsm.store.whole_file import read_file
from dsm.views.writing.output_file import Written, hashes_of

HIDDEN = ".dsm-get"
TEMPORARY = "tmp-"
PARTIAL = "partial-"
IGNORE_FILE = ".dsmignore"


class OtherContent(Conflict):
    """The folder holds another view, another form of it, or files that dsm did not write."""

    code = "other-content"


class OutputFolder:
    """A folder to write into; `stem` tells apart what may lie in one folder side by side.

    `head` is what two materialisations must agree in for one to stand for the other; `mode` is
    that of documents.
    """

    def __init__(self, folder: str, head: dict[str, Any], stem: str = "", *, mode: int = 0o644):
        self.folder = folder
        self.head = head
        self.mode = mode
        self.document = os.path.join(folder, f"{stem}.json" if stem else "dataset.json")
        self.hidden = os.path.join(folder, f"{HIDDEN}-{stem}" if stem else HIDDEN)
        self._journal = os.path.join(self.hidden, "journal")
        self._lock_path = os.path.join(self.hidden, "lock")
        self._lock: int | None = None

    def path(self, name: str) -> str:
        """Where a file of this name lies."""
        return os.path.join(self.folder, name)

    def temporary(self, name: str) -> str:
        """A path for a file that is being written, used by nobody else."""
        return os.path.join(self.hidden, f"{TEMPORARY}{os.urandom(6).hex()}-{name}")

    def partial(self, name: str) -> str:
        """A path for a file that is being written, and taken up by the next run."""
        return os.path.join(self.hidden, PARTIAL + name)

    # --- one builder at a time ---

    def __enter__(self) -> OutputFolder:
        while True:
            try:
                disk.make_dirs(self.hidden, durable=False)
                fd = disk.lock(self._lock_path, exclusive=True)
            except disk.WriteFailed as error:
                dangling = os.path.islink(self.folder) and not os.path.exists(self.folder)
                if error.errno == errno.ENOENT and not dangling:
                    continue  # who was here before us has just finished and tidied up
                raise
            try:
                here = fd is not None and os.path.samestat(os.fstat(fd), os.stat(self._lock_path))
            except FileNotFoundError:
                here = False
            if here:
                self._lock = fd
                return self
            if fd is not None:
                disk.unlock(fd)

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            disk.unlock(self._lock)
            self._lock = None

    def tidy(self) -> None:
        """Removes everything that was only there while the work went on."""
        self.remove_temporaries()
        for path in (self._journal, self._lock_path):
            disk.discard(path)
        disk.remove_empty(self.folder, [os.path.basename(self.hidden)])

    def sweep(self) -> None:
        """Removes what a builder left that died when all but that was done."""
        if not os.path.isdir(self.hidden):
            return
        with contextlib.suppress(DsmError):  # a courtesy: who may only read may read
            fd = disk.lock(self._lock_path, exclusive=True, patience=0)
            if fd is not None:
                self.tidy()
                disk.unlock(fd)

    def give_up(self) -> None:
        """Tidies after a failure that left nothing to go on with."""
        with contextlib.suppress(DsmError):
            self.tidy()

    def remove_temporaries(self, *, partial: bool = True) -> None:
        """Removes what builders that died have left; what can be taken up only if `partial`."""
        try:
            names = os.listdir(self.hidden)
        except FileNotFoundError:
            return
        for name in names:
            if name.startswith(TEMPORARY) or (partial and name.startswith(PARTIAL)):
                disk.discard(os.path.join(self.hidden, name))

    # --- the final document ---

    def read(self) -> dict[str, Any] | None:
        """Returns the final document; None when there is none. Raises DamagedData."""
        data = read_file(self.document)
        return None if data is None else decode(data, self.document)

    def finished(self) -> dict[str, Any] | None:
        """Returns the final document of this very materialisation, None when there is none.

        Raises OtherContent when the folder holds another one.
        """
        fields = self.read()
        if fields is not None and not self._is_mine(fields):
            raise self._other(fields)
        return fields

    def write(self, fields: dict[str, Any]) -> None:
        """Writes the final document: from now on the files are all there."""
        self.put(os.path.basename(self.document), document.encode({**self.head, **fields}))

    def put(self, name: str, data: bytes) -> None:
        """Writes a small file in one step, durably."""
        disk.rewrite(self.path(name), data, self.temporary(name), mode=self.mode, durable=True)

    def keep_from_adding(self) -> None:
        """Keeps a folder of our own from being added where it lies in a work tree."""
        if not set(os.listdir(self.folder)) - {os.path.basename(self.hidden)}:
            self.put(IGNORE_FILE, b"*\n")

    def publish(self, temporary: str, written: Written) -> None:
        """Gives a durable file its name and lists it in the journal."""
        disk.replace(temporary, self.path(written.name))
        disk.sync_dir(self.folder)
        disk.append(self._journal, _line(written.to_json()))

    def retract(self) -> None:
        """Takes back that everything is there, before anything is changed."""
        disk.remove(self.document)
        disk.sync_dir(self.folder)

    # --- the journal ---

    def begun(self) -> dict[str, Written] | None:
        """Returns what the journal lists; None when nothing was begun here.

        Raises OtherContent when it is the journal of another materialisation.
        """
        lines = (read_file(self._journal) or b"").split(b"\n")
        if not lines[0]:
            return None
        found: dict[str, Written] = {}
        for number, line in enumerate(lines):
            try:
                fields = json.loads(line)
                if number == 0:
                    if not self._is_mine(fields):
                        raise self._other(fields)
                else:
                    written = Written.from_json(fields)
                    found[written.name] = written
            except (ValueError, KeyError, TypeError):
                # The last line may have been cut short; what it told of is written once more.
                if number == 0:
                    return None
                continue
        return found

    def begin(self) -> None:
        """Starts a journal."""
        disk.discard(self._journal)
        disk.append(self._journal, _line(self.head))

    def _is_mine(self, fields: dict[str, Any]) -> bool:
        return all(fields.get(key) == value for key, value in self.head.items())

    def _other(self, fields: dict[str, Any]) -> OtherContent:
        version = str(fields.get("version"))
        if version != self.head["version"]:
            what = f"view {version[:12]}"
        else:
            what = f"this view as {fields.get('layout')}"
            if fields.get("layout") == self.head.get("layout"):
                what += f" with {_shown(fields.get('options'))}"
        return OtherContent(
            f"{self.folder} holds {what}",
            hint="give another folder with -o, or --force to replace it",
        )


def _shown(options: object) -> str:
    if not isinstance(options, dict) or not options:
        return "other options"
    return ", ".join(f"{name} {value}" for name, value in sorted(options.items()))


def _line(fields: dict[str, Any]) -> bytes:
    return document.canonical(fields) + b"\n"


def decode(data: bytes, where: str) -> dict[str, Any]:
    """Reads a final document, which may be larger than other documents. Raises DamagedData."""
    try:
        fields: dict[str, Any] = json.loads(data)
        seal = fields.pop("seal")
        if seal != blake3(document.canonical(fields)).hexdigest():
            raise ValueError("its contents do not fit its seal")
        if fields["format"] != document.FORMAT:
            raise document.UnknownFormat(
                f"{where} has format {fields['format']!r:.20}",
                hint="a newer dsm wrote it: upgrade with `pip install --upgrade dsm-datasets`",
            )
        for item in fields["files"]:
            Written.from_json(item)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedData(
            f"{where} is damaged: {error}", hint="--force writes everything anew"
        ) from error
    return fields


def sizes_agree(place: OutputFolder, files: list[dict[str, Any]]) -> bool:
    """Whether every file is there with its size."""
    for item in files:
        try:
            if os.lstat(place.path(item["name"])).st_size != item["size"]:
                return False
        except OSError:
            return False
    return True


def is_whole(place: OutputFolder, written: Written) -> bool:
    """Whether a listed file is there, byte by byte: it is read and hashed."""
    path = place.path(written.name)
    try:
        if os.path.islink(path) or os.stat(path).st_size != written.size:
            return False
        found = hashes_of(path, sha256=bool(written.sha256))
        return found == (written.size, written.blake3, written.sha256)
    except OSError:
        return False

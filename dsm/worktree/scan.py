"""Walking the work tree: which files there are, with their stat, in a stable order.

A folder is read once and its files come out together, sorted by name. Nothing is read but names and
stats. What cannot be an example (sockets, devices, pipes, links out of the root) is reported, never
silently dropped. Links to files are followed when they stay below the root; links to folders only
on request, and never into a folder that is being walked already.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from dsm.errors import NotFound, StorageFailed
from dsm.files.stat import Stat, stat_of
from dsm.model.names import printable
from dsm.model.reports import Problem
from dsm.worktree.ignore import IGNORE_FILE, IgnoreRules

Above = tuple[tuple[int, int], ...]  # (device, inode) of the folders being walked
SPECIAL = {
    stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}  # fmt: skip
OWN_FOLDERS = frozenset((".dsm", ".git"))

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NAME = attrgetter("name")


@dataclass(slots=True)
class Folder:
    """The files of one folder: `path` is relative to the root ("" is the root itself)."""

    path: str
    names: list[str] = field(default_factory=list)
    stats: list[Stat] = field(default_factory=list)


@dataclass(slots=True)
class Notes:
    """What the walk could not take: `skipped` is no example, `failed` could not be looked at."""

    skipped: list[Problem] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)


class Scan:
    """One walk below `root`. Iterate `folders(...)`, then look at `notes`."""

    def __init__(
        self,
        root: str,
        *,
        follow_symlinks: bool = False,
        temporary: str | None = None,
        defaults: bool = True,
        force: bool = False,
    ):
        """`temporary` is where the journals of temporary files lie; those files are passed over.

        `defaults` says whether the default list is ignored, `force` that nothing is.
        """
        self.root = root
        self._temporary = temporary
        self.defaults = defaults
        self.force = force
        self.follow_symlinks = follow_symlinks
        self.notes = Notes()
        self._real_root = os.path.realpath(root)

    def folders(self, start: str = "", rules: IgnoreRules | None = None) -> Iterator[Folder]:
        """Yields every folder at or below `start` (relative, "" is the root), parents first.

        Raises StorageFailed when `start` itself cannot be read; folders below that cannot be read
        are noted as failed.
        """
        own = self.leads_elsewhere(start) if start else None
        if own:
            self.notes.skipped.append(Problem(start, own))
            return
        if rules is None:
            rules = self.rules_for(start)
        top = os.path.join(self.root, start) if start else self.root
        try:
            st = os.stat(top)
        except FileNotFoundError:
            raise NotFound(
                f"the folder {printable(top)} is not there",
                hint="make it; `dsm restore` then brings back what the dataset has",
            ) from None
        # A stack and not recursion: a tree may be deeper than Python's call stack.
        waiting: list[tuple[str, IgnoreRules, Above]]
        waiting = [(start, rules, ((st.st_dev, st.st_ino),))]
        while waiting:
            path, rules, above = waiting.pop()
            found, subfolders = self._read(path, rules)
            if found is not None:
                yield found
                below = (self._enter(path, name, rules, above, link) for name, link in subfolders)
                waiting += reversed([item for item in below if item is not None])

    def rules_for(self, start: str) -> IgnoreRules:
        """Collects the ignore rules on the way from the root down to the folder `start`."""
        if self.force:
            return IgnoreRules.none()
        rules = IgnoreRules.at(self.root, defaults=self.defaults)
        walked = ""
        for part in start.split("/") if start else ():
            walked = f"{walked}/{part}" if walked else part
            folder = os.path.join(self.root, walked)
            has_file = os.path.isfile(os.path.join(folder, IGNORE_FILE))
            rules = rules.enter(walked, folder, has_file)
        return rules

    def _enter(
        self, parent: str, name: str, rules: IgnoreRules, above: Above, is_link: bool
    ) -> tuple[str, IgnoreRules, Above] | None:
        """Prepares a folder to be walked; None when it cannot or must not be."""
        path = f"{parent}/{name}" if parent else name
        full = os.path.join(self.root, path)
        try:
            if is_link or self.follow_symlinks:
                st = os.stat(full)
                here = (st.st_dev, st.st_ino)
                if here in above:
                    self.notes.skipped.append(Problem(path, "a link to a folder above it"))
                    return None
                above = (*above, here)
            ignore_file = os.path.join(full, IGNORE_FILE)
            return path, rules.enter(path, full, os.path.exists(ignore_file)), above
        except OSError as error:
            self.notes.failed.append(Problem(path, error.strerror or str(error)))
            return None

    def _read(self, start: str, rules: IgnoreRules) -> tuple[Folder | None, list[tuple[str, bool]]]:
        folder = Folder(start)
        subfolders: list[tuple[str, bool]] = []
        try:
            # Through a descriptor: the stat of each entry then needs no walk down from the root.
            fd = os.open(os.path.join(self.root, start) if start else self.root, _FOLDER)
        except OSError as error:
            self.notes.failed.append(Problem(start or ".", error.strerror or str(error)))
            return None, subfolders
        try:
            with os.scandir(fd) as entries:
                listed = sorted(entries, key=_NAME)
            self._sort_out(listed, folder, subfolders, rules)
        except OSError as error:
            self.notes.failed.append(Problem(start or ".", error.strerror or str(error)))
            return None, []
        finally:
            os.close(fd)
        return folder, subfolders

    def _sort_out(
        self,
        listed: list[os.DirEntry[str]],
        folder: Folder,
        subfolders: list[tuple[str, bool]],
        rules: IgnoreRules,
    ) -> None:
        lead = folder.path + "/" if folder.path else ""
        names, stats = folder.names, folder.stats
        unsure = rules.hints is None
        firsts, lasts, tails, plain = rules.hints or ((), (), (), ())
        for entry in listed:
            name = entry.name
            # Few names look like one that is ignored: this runs once a file.
            looks_so = (
                unsure
                or name[0] in firsts
                or (name[-1] in lasts and name.endswith(tails))
                or name in plain
            )
            try:
                if entry.is_file(follow_symlinks=False):
                    if looks_so and self._left_out(rules, lead, name):
                        continue
                    st = entry.stat(follow_symlinks=False)
                    names.append(name)
                    stats.append((st.st_mtime_ns, st.st_ctime_ns, st.st_ino, st.st_size))
                elif entry.is_dir(follow_symlinks=False):
                    if not (looks_so and rules.ignored(lead + name, True)):
                        subfolders.append((name, False))
                else:
                    self._unusual(entry, lead + name, folder, subfolders, rules)
            except FileNotFoundError:
                continue  # removed since the folder was read
            except OSError as error:
                self.notes.failed.append(Problem(lead + name, error.strerror or str(error)))

    def _left_out(self, rules: IgnoreRules, lead: str, name: str) -> bool:
        return self._is_temporary(name) or rules.ignored(lead + name, False)

    def _is_temporary(self, name: str) -> bool:
        if self._temporary is None or not name.startswith(".dsm-"):
            return False
        from dsm.files.temporaries import is_temporary

        return is_temporary(self._temporary, name)

    def _unusual(
        self,
        entry: os.DirEntry[str],
        path: str,
        folder: Folder,
        subfolders: list[tuple[str, bool]],
        rules: IgnoreRules,
    ) -> None:
        if not entry.is_symlink():
            kind = stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
            if not rules.ignored(path, False):
                self.notes.skipped.append(Problem(path, SPECIAL.get(kind, "not a regular file")))
            return
        try:
            is_folder = entry.is_dir()
        except OSError:  # a link to itself
            is_folder = False
        if rules.ignored(path, is_folder):
            return
        problem = self._link_problem(path)
        if problem:
            self.notes.skipped.append(Problem(path, problem))
        elif is_folder:
            subfolders.append((entry.name, True))
        else:
            st = entry.stat()
            folder.names.append(entry.name)
            folder.stats.append(stat_of(st))

    def _link_problem(self, path: str) -> str | None:
        """Returns why a link is not followed, or None when it is."""
        full = os.path.join(self.root, path)
        try:
            st = os.stat(full)
        except OSError as error:
            return f"a broken link ({error.strerror})"
        if stat.S_ISDIR(st.st_mode) and not self.follow_symlinks:
            return "a link to a folder (use --follow-symlinks)"
        if not stat.S_ISDIR(st.st_mode) and not stat.S_ISREG(st.st_mode):
            return "a link to something that is not a file"
        return self.leads_elsewhere(path)

    def leads_elsewhere(self, path: str) -> str | None:
        """Returns why links make a path lead to what is not stored, or None when they do not.

        The one rule for all ways into the store: nothing of .dsm or .git, and nothing from outside
        the dataset's folder unless links are followed on request; whatever is tracked already.
        """
        full = os.path.join(self.root, path)
        real, top = os.path.realpath(full) + os.sep, self._real_root.rstrip(os.sep) + os.sep
        behind = "" if os.path.islink(full) else "behind "
        # What the dataset's folder lies in itself makes no difference.
        if not OWN_FOLDERS.isdisjoint(real.removeprefix(top).split(os.sep)):
            return f"{behind}a link into .dsm or .git"
        if not self.follow_symlinks and not real.startswith(top):
            return f"{behind}a link out of the dataset's folder (use --follow-symlinks)"
        return None

    def behind_link(self, path: str) -> bool:
        """Whether the way from the root to a path leads through a link."""
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        return any(os.path.islink(os.path.join(self.root, folder)) for folder in above)

    def single(self, path: str, *, tracked: bool = False) -> Stat | None:
        """Returns the stat of one file named by the user, None when it was noted as skipped.

        A tracked one may lie behind a link to a folder of the dataset. Raises NotFound when
        nothing has that name.
        """
        full = os.path.join(self.root, path)
        try:
            st = os.lstat(full)
            if not (tracked or self.follow_symlinks) and self.behind_link(path):
                reason = "behind a link to a folder (use --follow-symlinks)"
                self.notes.skipped.append(Problem(path, reason))
                return None
            is_link = stat.S_ISLNK(st.st_mode)
            problem = self._link_problem(path) if is_link else self.leads_elsewhere(path)
            if problem:
                self.notes.skipped.append(Problem(path, problem))
                return None
            if is_link:
                st = os.stat(full)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"there is no file or folder {path!r}") from error
        except OSError as error:
            raise StorageFailed(f"cannot look at {path!r}: {error.strerror}") from error
        if not stat.S_ISREG(st.st_mode):
            kind = SPECIAL.get(stat.S_IFMT(st.st_mode), "not a regular file")
            self.notes.skipped.append(Problem(path, kind))
            return None
        return stat_of(st)


def without_nested(paths: tuple[str, ...]) -> list[str]:
    """Drops duplicates and paths that lie below another one."""
    kept: list[str] = []
    chosen: set[str] = set()
    for path in sorted(set(paths)):
        parts = path.split("/")
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        if "" in chosen or above & chosen:
            continue
        chosen.add(path)
        kept.append(path)
    return kept

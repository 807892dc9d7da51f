"""Deterministic tar: the same bytes everywhere, and every reader reads it."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from hexdump import dump
from hypothesis import given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import InvalidInput
from dsm.views.writing import tar_header

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300
).filter(lambda name: not name.startswith("/") and not name.endswith("/") and "//" not in name)


def archive(members: list[tuple[str, bytes]]) -> bytes:
    parts = [
        part
        for name, data in members
        for part in (tar_header.header(name, len(data)), data, tar_header.padding(len(data)))
    ]
    return b"".join([*parts, tar_header.END])


def listed(data: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as reader:
        return [(m.name, reader.extractfile(m).read()) for m in reader]  # type: ignore[union-attr]


def test_golden_tar(golden: Callable[[str, str], None]) -> None:
    """A short name and a long one are written exactly so."""
    golden("views/tar-v1.hex", dump(archive([("a.txt", b"hello\n"), ("d/" * 60 + "猫", b"")])))


@given(st.lists(st.tuples(NAMES, st.binary(max_size=1500)), max_size=4))
def test_tarfile_reads_what_was_written(members: list[tuple[str, bytes]]) -> None:
    """Python's tarfile lists the same names and bytes, whatever the names."""
    assert listed(archive(members)) == members


LONG = [
    "a" * 99, "a" * 100, "a" * 101, "b" * 255, "dir/" * 30 + "x", "dir/" * 100 + "y" * 255,
    "é" * 50, "é" * 51, "猫" * 33 + "ab", "猫" * 34, "d" * 155 + "/" + "f" * 100,
    "new\nline", "spa ce", "-dash", "quote'\"", "back\\slash", "x" * 93, "x" * 989, "x" * 995,
]  # fmt: skip


def test_names_of_any_length(tmp_path: Path) -> None:
    """Names beyond 100 and 255 bytes are whole, for Python and for GNU tar."""
    source = random.Random(0)
    members = [(name, source.randbytes(n * 100)) for n, name in enumerate(LONG)]
    data = archive(members)
    assert listed(data) == members
    assert len(data) % 512 == 0
    if shutil.which("tar"):
        (tmp_path / "x.tar").write_bytes(data)
        short = {n: d for n, d in members if max(len(p.encode()) for p in n.split("/")) <= 255}
        (tmp_path / "out").mkdir()
        subprocess.run(["tar", "-xf", "../x.tar", "--", *short], cwd=tmp_path / "out", check=True)
        found = {
            path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
            for path in (tmp_path / "out").rglob("*") if path.is_file()
        }  # fmt: skip
        assert found == short


@pytest.mark.parametrize("size", [0, 1, 511, 512, (8 << 30) - 1, 8 << 30, (8 << 30) + 1, 10**13])
@pytest.mark.parametrize("name", ["x", "n" * 150])
def test_sizes_beyond_eight_gigabytes(tmp_path: Path, size: int, name: str) -> None:
    """The header of a huge member is read by Python and by GNU tar with its full size."""
    header = tar_header.header(name, size)
    with tarfile.open(fileobj=io.BytesIO(header), mode="r:") as reader:
        member = reader.next()
        assert member is not None and (member.name, member.size) == (name, size)
    if shutil.which("tar") and size < 10**12:
        # A sparse file stands for the content.
        with (tmp_path / "huge.tar").open("wb") as file:
            file.write(header)
            file.truncate(len(header) + size + len(tar_header.padding(size)) + len(tar_header.END))
        shown = subprocess.run(
            ["tar", "-tvf", tmp_path / "huge.tar"], capture_output=True, text=True, check=True
        )
        assert str(size) in shown.stdout.split() and shown.stdout.rstrip().endswith(name)


def test_the_same_view_gives_the_same_bytes(make_work: Callable[..., Work], tmp_path: Path) -> None:
    """However the examples were added, packed and compressed, the tar is the same."""
    source = random.Random(4)
    files = {f"d{n % 3}/file {n}": source.randbytes(source.randint(0, 3000)) for n in range(60)}
    files |= {"large": source.randbytes(3 << 20), "empty": b"", "n" * 150: b"long name"}
    digests = set()
    for way in ("at once", "one by one", "backwards"):
        work = make_work(way.replace(" ", ""))
        names = list(files) if way != "backwards" else list(files)[::-1]
        groups = [names] if way == "at once" else [[name] for name in names]
        for group in groups:
            work.ds.add({name: files[name] for name in group}, labels=["x"])
        work.ds.commit("one")
        path = work.ds.prepare(labels=["x"]).get(str(tmp_path / "out" / way), format="tar").path
        digests.add(blake3(Path(path).read_bytes()).hexdigest())
        assert listed(Path(path).read_bytes()) == sorted(files.items())
    assert len(digests) == 1


def test_members_are_plain(work: Work, tmp_path: Path) -> None:
    """Members have no owner, no time and mode 644: nothing of the machine is in the tar."""
    work.commit("one", a="a", **{"x" * 120: "b"})
    path = work.ds.prepare().get(str(tmp_path), format="tar").path
    with tarfile.open(path) as reader:
        for member in reader:
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert (member.mtime, member.mode, member.type) == (0, 0o644, tarfile.REGTYPE)


def test_a_view_to_a_stream(work: Work, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Written to a stream the tar has the bytes of the file, and nothing goes anywhere else."""
    work.commit("one", a="a", b="b" * 2000)
    view = work.ds.prepare()
    sink = io.BytesIO()
    assert view.get("-", format="tar", sink=sink).path == "-"
    written = sink.getvalue()
    assert tuple(capfdbinary.readouterr()) == (b"", b"")
    with pytest.raises(InvalidInput, match="no stream is given"):
        view.get("-", format="tar")
    path = view.get(str(work.root / "out"), format="tar").path
    assert written == Path(path).read_bytes()

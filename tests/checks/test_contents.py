"""Rules that read content to the end: whole files pass, each broken one is found by its rule."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from situations import Work

from dsm.checks import examining, facts
from dsm.checks.probes import content as content_probe
from dsm.checks.probes import json_text, parquet, probe, text
from dsm.checks.probes.probe import Content, Probe
from dsm.checks.rule import LibraryMissing

from . import files
from .files import picture, png_of, sound

CONTRACT = """\
[dataset.data.rules]
decodes = {}
extension-fits = {}
image = { min-width = 8, max-width = 100, max-height = 50, max-pixels = 3000, modes = ["RGB"], extensions = [".jpg", ".png"] }
audio = { min-seconds = 0.5, max-seconds = 2, rates = [8000], channels = [1], silence = -60, extensions = [".wav"] }
text = { min-chars = 3, max-chars = 200, extensions = [".txt"] }
personal-data = {}
"""  # fmt: skip
JPEG, PNG, WAV = picture(), picture("PNG"), sound()
PARQUET, MP4, WEBM, AVI = files.table(), files.video(), files.matroska(), files.avi()
WHOLE = {
    "a.jpg": JPEG, "progressive.jpg": picture(progressive=True), "a.png": PNG, "a.wav": WAV,
    "piped.wav": files.piped(WAV), "large.wav": files.large(WAV),
    "a.txt": b"a cat\n", "utf.txt": "Überall Katzen, ça va".encode(), "a.json": b'{"a": [1]}',
    "a.jsonl": b'{"a": 1}\n{"a": 2}\n', "b.gif": picture("GIF"), "c.webp": picture("WEBP"),
    "d.bmp": picture("BMP"), "e.tif": picture("TIFF"), "unknown.bin": bytes(range(256)),
    "t.parquet": PARQUET, "v.mp4": MP4, "v.webm": WEBM, "v.avi": AVI,
    "v.mkv": files.matroska(b"matr"), "live.webm": files.matroska(live=True),
    "t.csv": b'\xef\xbb\xbf"a","b, c"\r\n1,"two\nlines"\r\n\r\n', "t.tsv": b"a\tb\n1\t2,3,4\n",
    "wide.csv": 'a,b\n1,"Ä\nx"\n'.encode("utf-16"), "semicolons.csv": "é;b\n1,5;2\n".encode("latin-1"), "padded.jpg": JPEG + bytes(100),
    "sums.txt": b"He had 4,111 of 1234567890 on 12/10/2020 at 10:30:15; v1.2.3; 4111 1111 1111 1112",
    "same-day.txt": b"2020-01-02 10:00, 555 of 1,000,000 (3.14.15) = 1:2:3, #0123456789",
}  # fmt: skip
PII = {
    "email": b"write to jane.doe+x@mail.example.org, please", "phone": b"call +49 30 901820 now",
    "phone in brackets": b"call (415) 555-2671", "card": b"4111-1111-1111-1111",
    "card without blanks": b"pays with 5500005555555559.", "iban": b"DE89 3704 0044 0532 0130 00",
    "iban in one": b"to GB82WEST12345698765432,", "ssn": b"her number is 123-45-6789.",
    "nino": b"AB 12 34 56 C", "dni": b"12345678Z", "codice fiscale": b"RSSMRA85T10A562S",
    "insee": b"2 69 05 49 588 157 80", "ahv": b"756.9217.0769.85", "cpf": b"529.982.247-25",
    "ipv4": b"from 8.8.8.8 at noon", "ipv6": b"from 2001:db8::8a2e:370:7334",
}  # fmt: skip
BROKEN: dict[str, tuple[str, bytes, set[str]]] = {
    "a cut JPEG": ("x.jpg", JPEG[:-200], {"decodes"}),
    "a JPEG without its last bytes": ("x.jpg", JPEG[:-2], {"decodes"}),
    "a marker that cannot be there": ("x.jpg", JPEG[:700] + b"\xff\xc0" + JPEG[702:], {"decodes"}),
    "half a header": ("x.jpg", JPEG[:100], {"decodes"}),
    "a cut PNG": ("x.png", PNG[:-20], {"decodes"}),
    "a flipped bit": ("x.png", PNG[:500] + bytes([PNG[500] ^ 1]) + PNG[501:], {"decodes"}),
    "a bomb": ("x.png", png_of(100_000, 100_000), {"decodes"}),
    "a smaller bomb": ("x.png", png_of(12_000, 12_000), {"decodes", "image"}),
    "endless passes": ("x.jpg", JPEG[:-2] + b"\xff\xda\0\x08" * 10_000 + b"\xff\xd9", {"decodes"}),
    "noise that begins so": ("x.jpg", b"\xff\xd8\xff\xe0" + bytes(500), {"decodes"}),
    "a PNG that is called JPEG": ("x.jpg", PNG, {"extension-fits"}),
    "text that is called PNG": ("x.png", b"not found", {"extension-fits", "image"}),
    "a page that is called sound": ("x.wav", b"<html>404</html>", {"extension-fits", "audio"}),
    "narrow": ("x.jpg", picture(pixels=Image.new("RGB", (4, 24))), {"image"}),
    "wide": ("x.jpg", picture(pixels=Image.new("RGB", (101, 2))), {"image"}),
    "tall": ("x.jpg", picture(pixels=Image.new("RGB", (10, 51))), {"image"}),
    "many pixels": ("x.jpg", picture(pixels=Image.new("RGB", (100, 50))), {"image"}),
    "grey": ("x.jpg", picture(pixels=Image.new("L", (32, 24))), {"image"}),
    "with a palette": ("x.png", picture("PNG", Image.new("P", (32, 24))), {"image"}),
    "a cut sound": ("x.wav", WAV[:-100], {"decodes"}),
    "a sound without a form": ("x.wav", WAV[:12] + WAV[36:], {"decodes"}),
    "a sound written to the end but for its header": ("x.wav", WAV[:40] + bytes(4) + WAV[44:], {"decodes"}),
    "a sound whose form makes no sense": ("x.wav", WAV[:34] + b"\x08" + WAV[35:], {"decodes"}),
    "an endless sound": ("x.flac", files.endless_flac(), {"decodes"}),
    "silence": ("x.wav", sound(level=0), {"audio"}),
    "a short sound": ("x.wav", sound(0.1), {"audio"}),
    "a long sound": ("x.wav", sound(3), {"audio"}),
    "another rate": ("x.wav", sound(rate=4000), {"audio"}),
    "stereo": ("x.wav", sound(channels=2), {"audio"}),
    "latin-1": ("x.txt", "ein Kätzchen".encode("latin-1"), {"text"}),
    "UTF-16": ("x.txt", "cat".encode("utf-16"), {"text"}),
    "a NUL": ("x.txt", b"a" * 70 + b"\0", {"text"}),
    "a short text": ("x.txt", b"a", {"text"}),
    "a long text": ("x.txt", b"a" * 201, {"text"}),
    "no JSON": ("x.json", b'{"a": 1,}', {"decodes"}),
    "deep JSON": ("x.json", b"[" * 100_000, {"decodes"}),
    "a broken line": ("x.jsonl", b'{"a": 1}\n{"a": \n', {"decodes"}),
    "not a number": ("x.json", b'{"a": NaN}', {"decodes"}),
    "an infinite number in a line": ("x.jsonl", b'{"a": 1}\n{"a": -Infinity}\n', {"decodes"}),
    "a cut table": ("x.parquet", PARQUET[:-5], {"decodes"}),
    "a table without its data": ("x.parquet", b"PAR1" + PARQUET[-200:], {"decodes"}),
    "a table damaged within": ("x.parquet", PARQUET[:40] + bytes(20) + PARQUET[60:], {"decodes"}),
    "a cut video": ("x.mp4", MP4[:-5], {"decodes"}),
    "a video that nothing describes": ("x.mp4", MP4[:24], {"decodes"}),
    "a cut WebM": ("x.webm", WEBM[:-5], {"decodes"}),
    "a cut live WebM": ("x.webm", files.matroska(live=True)[:-5], {"decodes"}),
    "a WebM of nothing": ("x.webm", WEBM[:45] + bytes(100), {"decodes"}),
    "a WebM called MKV": ("x.mkv", WEBM, {"extension-fits"}),
    "a cut AVI": ("x.avi", AVI[:-9], {"decodes"}),
    "an AVI without its pictures": ("x.avi", AVI.replace(b"movi", b"INFO"), {"decodes"}),
    "a row of one field more": ("x.csv", b"a,b\n1,2\n1,2,3\n", {"decodes"}),
    "a row of one field less, in UTF-16": ("x.csv", "a,b\n1\n".encode("utf-16"), {"decodes"}),
    "a quote that does not end": ("x.csv", b'a,b\n1,"2\n3,4\n', {"decodes"}),
    "a line that does not end": ("x.tsv", b"a\tb\n" + b"1" * (2 << 20), {"decodes"}),
    "a position": ("x.jpg", files.placed(), {"personal-data"}),
    "an author": ("x.jpg", files.signed(), {"personal-data"}),
    **{name: ("x.txt", text, {"personal-data"}) for name, text in PII.items()},
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """A dataset of whole files with a contract that reads them."""
    work = Work(tmp_path_factory.mktemp("whole"))
    work.path("dsm.toml").write_text(CONTRACT)
    work.ds.add(WHOLE)
    work.ds.commit("whole")
    yield work
    work.repo.close()


def test_whole_files_pass(whole: Work) -> None:
    """No rule finds anything in whole files of every kind."""
    report = whole.ds.check()
    assert [finding.told for finding in report.findings()] == []
    assert report.judged == len(WHOLE)


def test_what_json_is_says_its_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that Python takes for numbers are none; how many digits a number has is nobody's
    business; and what is too large for one document is read as lines."""

    def problem(data: bytes) -> object:
        return text.examine(Content(io.BytesIO(data), len(data)), "application/json").get("problem")

    nan = "NaN is no number in JSON (RFC 8259)"
    assert problem(b"[\n  1,\n  NaN\n]") == nan
    assert problem(b'{"a": NaN}\n') == nan
    assert problem(b'{"a": 1}\n{"a": NaN}\n') == f"line 2: {nan}"
    assert problem(b'{"a": NaN}\n{"a": 1}\n') == f"line 1: {nan}"
    assert problem(b'{\n "a": 1,\n "b" 2\n}') == "it is no JSON: see line 3"
    for fine in (b"[" + b"9" * 5000 + b"]", b'["NaN", 1e999]', b"\xef\xbb\xbf{}"):
        assert problem(fine) is None
    monkeypatch.setattr(probe, "WHOLE_BYTES_MAX", 20)
    monkeypatch.setattr(json_text, "WHOLE_BYTES_MAX", 20)
    assert problem(b'{"a": 1}\n' * 5) is None
    assert problem(b'{"a": 1}\n' * 5 + b"{\n") == "it is no JSON: see line 6"
    for large in (b"[1,\n" + b"2,\n" * 9 + b"3]", b"[" + b"1, " * 9 + b"2]"):
        assert problem(large) == "it has too many bytes to be decoded"


def test_tables_that_stand_for_much_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small Parquet file of very many values, or of very large ones, is found in bounded time and
    memory, whatever its footer says."""
    large = files.table([b"\0" * (8 << 20)] * 2)

    def problem(data: bytes) -> str:
        return str(parquet.examine(Content(io.BytesIO(data), len(data)), "")["problem"])

    assert len(large) < 1 << 20
    monkeypatch.setattr(parquet, "COLUMN_BYTES_MAX", 10 << 20)
    assert problem(large) == "a column of a group is too large to be decoded"
    monkeypatch.setattr(parquet, "VALUES_MAX", 100_000)
    monkeypatch.setattr(parquet, "VALUES_PER_BYTE", 1)
    many = files.table([1] * 1_000_000)
    assert f"its 1,000,000 values in {len(many):,} bytes are too many" in problem(many)
    with parquet.memory_of_at_most(64 << 20), pytest.raises(MemoryError):
        bytearray(1 << 30)
    assert len(bytearray(1 << 30)) == 1 << 30


def test_each_broken_file_is_found(whole: Work) -> None:
    """Each is found by its rule and by no other, in bounded time, and the others still pass."""
    paths = {name: f"{n}/{path}" for n, (name, (path, _, _)) in enumerate(BROKEN.items())}
    whole.ds.add({paths[name]: data for name, (_, data, _) in BROKEN.items()})
    found: dict[str | None, set[str]] = {}
    for finding in whole.ds.check(staged=True).findings():
        found.setdefault(finding.path, set()).add(finding.rule)
    whole.ds.unstage()
    expected = {name: rules for name, (_, _, rules) in BROKEN.items()}
    assert {name: found.get(paths[name], set()) for name in BROKEN} == expected


def test_findings_are_masked(whole: Work) -> None:
    """No finding repeats what it found."""
    whole.ds.add({f"{n}.txt": text for n, text in enumerate(PII.values())})
    assert whole.ds.check(staged=True).errors == len(PII)
    told = " ".join(finding.told for finding in whole.ds.check(staged=True).findings())
    whole.ds.unstage()
    secrets = ("jane.doe", "901820", "555-2671", "4111", "3704", "123-45", "8.8.8", "12345678")
    assert [secret for secret in secrets if secret in told] == []
    kept = b"".join(path.read_bytes() for path in (whole.root / ".dsm/local/near").iterdir())
    assert b"jane.doe" not in kept


def test_personal_data_in_what_is_said(whole: Work) -> None:
    """Paths, labels, attributes and annotations are looked at; `in` and `kinds` choose."""
    whole.ds.add({"jane@example.org/a.txt": b"cat"}, labels=["+49 30 901820"])
    whole.ds.label(["jane@example.org/a.txt"], attributes={"by": "8.8.8.8"}, annotation='"DE89370400440532013000"')  # fmt: skip
    rules = whole.path("rules.toml")
    found: dict[str, list[str]] = {}
    for more in ("", 'in = ["path"]', 'kinds = ["ip"]'):
        rules.write_text(f"[dataset.data.rules]\npersonal-data = {{ {more} }}\n")
        report = whole.ds.check(staged=True, rules=rules)
        found[more] = sorted(f.text for f in report.findings())
    whole.ds.unstage()
    assert found == {
        "": [
            "its annotation holds an IBAN: DE…00", "its attribute by holds an IP address: 8…",
            "its labels holds a phone number: …20", "its path holds an e-mail address: j…@e….org",
        ],
        'in = ["path"]': ["its path holds an e-mail address: j…@e….org"],
        'kinds = ["ip"]': ["its attribute by holds an IP address: 8…"],
    }  # fmt: skip


def test_content_is_read_once(whole: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found out is kept by object and version of the probe: other thresholds, and the
    same content elsewhere, read nothing; another version reads it anew."""
    whole.ds.check()
    read: list[int] = []
    probe = content_probe.PROBE

    def counted(version: int) -> Probe:
        def examine(content: Any) -> Any:
            read.append(content.size)
            return content_probe.examine(content)

        return Probe(probe.name, version, examine)

    rules = whole.path("other.toml")
    rules.write_text('[dataset.data.rules]\nimage = { min-width = 9, extensions = [".jpg"] }\n')
    whole.ds.add({"copy.jpg": JPEG})
    for version, expected in ((probe.version, 0), (99, 1)):
        monkeypatch.setitem(facts.PROBES, "content", counted(version))
        whole.ds.check(staged=True, rules=rules)
        assert len(read) == expected
    whole.ds.unstage()


def test_workers_find_the_same(whole: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examined by two processes, the same is found."""
    rules = whole.path("decodes.toml")
    rules.write_text("[dataset.data.rules]\ndecodes = {}\n")
    whole.ds.add({f"{n}.jpg": JPEG[: -n - 1] for n in range(20)})
    monkeypatch.setattr(examining, "WORKERS_OBJECTS", 4)
    monkeypatch.setattr(type(whole.repo), "workers", 2)
    found = {finding.path for finding in whole.ds.check(staged=True, rules=rules).findings()}
    whole.ds.unstage()
    assert found == {f"{n}.jpg" for n in range(20)}


CRASHING = """\
import importlib.util, os, signal

spec = importlib.util.spec_from_file_location("as_it_is", {!r})
as_it_is = importlib.util.module_from_spec(spec)
spec.loader.exec_module(as_it_is)

class SoundFile(as_it_is.SoundFile):
    def __init__(self, file):
        if b"crash" in file.read():
            os.kill(os.getpid(), signal.SIGSEGV)
        file.seek(0)
        super().__init__(file)
"""


@pytest.mark.parametrize("objects", [2, 2000])
def test_a_decoder_that_crashes_is_a_finding(
    whole: Work, objects: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example at which a decoder takes its process with it is found, the others are judged as
    ever, and once the library is mended they are asked again."""
    found = importlib.util.find_spec("soundfile")
    if found is None or found.origin is None:
        pytest.skip("soundfile is not installed")
    (tmp_path / "soundfile.py").write_text(CRASHING.format(found.origin))
    rules = whole.path("crash.toml")
    rules.write_text("[dataset.data.rules]\ndecodes = {}\n")
    whole.ds.add(
        {f"{n}.wav": sound(0.1, level=n + 1) for n in range(20)}
        | {f"c{n}.wav": sound(0.1, level=n + 30) + b"crash%d" % (n + objects) for n in range(3)}
        | {"cut.wav": WAV[:-200]}
    )
    monkeypatch.setattr(examining, "WORKERS_OBJECTS", objects)
    monkeypatch.setattr(type(whole.repo), "workers", 2)
    crashing = {f"c{n}.wav": "its decoder crashes (SIGSEGV)" for n in range(3)}
    told = []
    for path in (tmp_path, None):
        with monkeypatch.context() as patched:
            if path is not None:
                patched.syspath_prepend(path)
            report = whole.ds.check(staged=True, rules=rules)
            told.append({each.path: each.text for each in report.findings()})
    whole.ds.unstage()
    cut = {"cut.wav": told[0]["cut.wav"]}
    assert told == [crashing | cut, cut]


def test_a_library_that_is_missing_is_named(
    whole: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Pillow a rule that decodes pictures says what to install, and does not pass; with it
    the next check decodes."""
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL/__init__.py").write_text("raise ImportError('no Pillow')\n")
    monkeypatch.syspath_prepend(tmp_path)
    whole.ds.add({"new.jpg": picture(quality=31), "new.txt": b"cat"})
    with pytest.raises(LibraryMissing, match="pip install pillow") as caught:
        whole.ds.check(staged=True, only=["decodes"])
    assert caught.value.message.count("rule decodes") == 1
    assert whole.ds.check(staged=True, only=["extension-fits", "text"]).errors == 0
    monkeypatch.undo()
    assert whole.ds.check(staged=True, only=["decodes"]).errors == 0
    whole.ds.unstage()


@pytest.mark.parametrize(
    "rule",
    [
        "text.encoding = 'latin-1'", "audio.silence = 3", "audio.rates = []", "image.modes = 'RGB'",
        "image = { min-width = 9, max-width = 8 }", "personal-data.kinds = ['name']",
        "personal-data.in = ['nowhere']", "decodes.extensions = ['jpg']",
    ],
)  # fmt: skip
def test_options_that_cannot_be(whole: Work, rule: str, tmp_path: Path) -> None:
    """They are told with their line before anything is read."""
    from dsm.checks.contract import BadContract

    path = tmp_path / "rules.toml"
    path.write_text(f"[dataset.data.rules]\n{rule}\n")
    with pytest.raises(BadContract) as caught:
        whole.ds.check(rules=path)
    assert ":2: " in caught.value.items[0]


def test_sounds_are_decoded_by_soundfile(whole: Work, tmp_path: Path) -> None:
    """A whole FLAC passes, one that is cut off does not, and silence is heard in it."""
    soundfile = pytest.importorskip("soundfile")
    wave = [0.5, -0.5] * 4000
    for name, samples in (("a", wave), ("silent", [0.0] * 8000)):
        soundfile.write(tmp_path / f"{name}.flac", samples, 8000)
    data = (tmp_path / "a.flac").read_bytes()
    silent = (tmp_path / "silent.flac").read_bytes()
    whole.ds.add({"a.flac": data, "cut.flac": data[: len(data) // 2], "silent.flac": silent})
    rules = whole.path("sounds.toml")
    rules.write_text(
        "[dataset.data.rules]\ndecodes = {}\naudio = { rates = [8000], silence = -60 }\n"
    )
    found = {(each.path, each.rule) for each in whole.ds.check(staged=True, rules=rules).findings()}
    whole.ds.unstage()
    assert found == {("cut.flac", "decodes"), ("silent.flac", "audio")}

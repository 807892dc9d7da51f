"""One page about examples: what it says, and that nothing of the data is markup in it."""

from __future__ import annotations

import io
import json
import re
import wave
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from checks.files import endless_flac, png_of
from pages import CHROMIUM, EVIL, SCRIPT, Elements, in_browser
from situations import Work

from dsm.report import decoding
from dsm.report.decoding import Decoder
from dsm.report.gather import Report, gather
from dsm.report.markdown import markdown
from dsm.report.page import MARK, VALUES_MAX, page
from dsm.report.samples import SOUND_MAX, groups, waveform

SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload=\"document.title='pwned'\"><script>1</script></svg>"
CONTRACT = """\
[dataset.data.rules]
labels.vocabulary = ["cat"]
extensions = { allow = [".jpg"], reason = "<b>bold</b>" }
"""


def picture(color: str) -> bytes:
    image = pytest.importorskip("PIL.Image", reason="needs dsm-datasets[images]")
    out = io.BytesIO()
    image.new("RGB", (200, 100), color).save(out, "JPEG")
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join((i % 100 * 300).to_bytes(2, "little") for i in range(2400)))
    return out.getvalue()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Pictures, texts, sounds and drawings whose names, labels, attributes and bytes are markup."""
    work = Work(tmp_path_factory.mktemp("report"))
    work.ds.add({f"cat/{n}.jpg": picture("red") for n in range(60)}, labels=["cat"])
    work.ds.commit("first")
    work.ds.add({f"{EVIL}.jpg": picture("blue")}, labels=[EVIL, "cat"])
    files = {f"{SCRIPT}.txt": SCRIPT.encode(), "a.svg": SVG, "a.wav": sound(), "b.bin": b"\0\1"}
    work.ds.add(files, labels=[SCRIPT])
    work.ds.label(["a.wav"], attributes={"note": EVIL, "rate": 8000})
    work.ds.commit("second")
    work.path("dsm.toml").write_text(CONTRACT)
    return work


@pytest.fixture(scope="module")
def report(hostile: Work) -> Report:
    return reported(hostile, "1..2", "1")


def reported(work: Work, word: str, against: str | None = None, **options: Any) -> Report:
    of = work.repo.example_set(word)
    other = None if against is None else work.repo.example_set(against)
    check = work.ds.check
    return gather(of, other, other, lambda: check(of.number), time=0, **options)


def test_fields_of_records_have_figures_and_drift(tmp_path: Path) -> None:
    """With `fields` they are read, and shown on both sides; without it no record is."""
    work = Work(tmp_path)
    for name, shift in (("a.jsonl", 0), ("b.jsonl", 40)):
        rows = [{"n": n, "score": n % 10 + shift} for n in range(40)]
        work.ds.add_records(rows, name=name)
        work.ds.commit(name)
    of, other = (work.repo.example_set(word) for word in ("1..2", "1"))
    found = [
        gather(of, other, other, lambda: None, time=0, fields=fields) for fields in (False, True)
    ]
    assert [[c.column for c in each.summary.columns if c.column.startswith("record.")]
            for each in found] == [[], ["record.n", "record.score"]]  # fmt: skip
    assert found[1].drift is not None
    assert [each.column for each in found[1].drift.moved if "record." in each.column] == [
        "record.score"
    ]


def test_values_that_are_not_shown_are_counted(tmp_path: Path) -> None:
    """Of more labels than are kept apart all are counted, and a rare one is not told as none."""
    work = Work(tmp_path)
    for name, count in (("a.jsonl", 2500), ("b.jsonl", 1200)):
        rows = [{"n": n, "label": f"{n % count:04}"} for n in range(2500)]
        work.ds.add_records(rows, name=name, label="label")
        work.ds.commit(name)
    of, other = (work.repo.example_set(word) for word in ("1", "2"))
    found = page(gather(of, other, other, lambda: None, time=0))
    labels = found[found.index("<h3>labels</h3>") :]
    assert f"… and at least {2500 - VALUES_MAX:,} more values" in labels
    assert "<td class=n>0.1%<td class=n>&lt;0.1%<td>" in labels


def test_a_report_gathers_figures_changes_drift_and_findings(report: Report) -> None:
    """Of a range: what it put, against what was there, what the rules find, what to look at."""
    assert report.summary.examples == 5
    assert report.changes is not None and report.drift is not None and report.checks is not None
    assert [(name, count) for name, count, _ in report.changes.kinds] == [
        ("added", 5), ("changed content", 0), ("other labels", 0),
    ]  # fmt: skip
    assert report.drift.examples == (60, 5)
    assert {sample.path for sample, _ in report.failing} == {
        f"{EVIL}.jpg", f"{SCRIPT}.txt", "a.svg", "a.wav", "b.bin",
    }  # fmt: skip
    shown = {sample.path: sample for _, samples in report.gallery for sample in samples}
    assert shown[f"{EVIL}.jpg"].image and not shown["a.svg"].image
    assert len(shown["a.wav"].bars) == 60 and shown["a.wav"].sound
    assert shown[f"{SCRIPT}.txt"].text == SCRIPT


def test_findings_that_are_not_on_the_page_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that finds more than the page holds says how many are left out."""
    monkeypatch.setattr("dsm.report.gather.FINDINGS_MAX", 6)
    work = Work(tmp_path)
    work.ds.add({f"{n}.txt": b"%d" % n for n in range(8)}, labels=["cat"])
    work.ds.commit("one")
    work.path("dsm.toml").write_text(CONTRACT)
    html = page(reported(work, "1"))
    assert "… and 3 more</summary>" in html
    assert "<li>… and 2 that are not on this page</li>" in html


def test_nothing_of_the_data_is_markup(report: Report) -> None:
    """The page has its own two scripts, no handler, no style attribute, and no address."""
    html = page(report)
    elements = Elements(html)
    assert html.startswith(MARK)
    assert (elements.found["script"], elements.found["style"]) == (2, 1)
    assert "img" not in elements.found and "b" not in str(elements.handlers)
    assert elements.handlers == set()
    assert all(address.startswith("#") for address in elements.addresses)
    assert "<b>bold" not in html


def test_every_table_scrolls_within_itself_and_every_link_has_a_heading(report: Report) -> None:
    """A narrow window never scrolls as a whole, and a section is found by its heading."""
    html = page(report)
    assert html.count("<table>") == html.count("<div class=scroll><table>") > 3
    for address in Elements(html).addresses - {"#main"}:
        assert re.search(f"<h2 id={address[1:]}>", html) is not None


def test_the_policy_allows_its_own_script_only(report: Report) -> None:
    """The hashes in the policy are those of the style and the script in the page."""
    html = page(report)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None and policy[1].startswith("default-src 'none';")
    for element in ("style", "script"):
        content = re.search(f"<{element}>(.*?)</{element}>", html, re.DOTALL)
        assert content is not None
        digest = b64encode(sha256(content[1].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy[1]
    assert "unsafe" not in policy[1] and "http" not in policy[1]


def test_the_data_of_the_gallery_are_whole(report: Report) -> None:
    """The document in the page can be read, and has each text as it is."""
    found = re.search(r'id="data">(.*?)</script>', page(report), re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert {group["label"]: group["count"] for group in data["groups"]} == {
        SCRIPT: 4, EVIL: 1, "cat": 1,
    }  # fmt: skip
    assert len(data["failing"]) == 5
    assert all("f" in data["samples"][row] for row in data["failing"])


def test_markdown_shows_names_as_they_are(report: Report) -> None:
    """No name is markup of Markdown or HTML, and no table is broken."""
    text = markdown(report)
    assert "<img" not in text.replace("\\<img", "") and "<script" not in text.replace(
        "\\<script", ""
    )
    assert "### Rules: failed" in text and "### Against" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_a_gallery_has_its_share_of_each_label(hostile: Work) -> None:
    """As many of each label, evenly from the first to the last; never more than asked for."""
    table = hostile.ds.snapshot()
    found = groups(table, 9)
    assert [(each.label, each.count, len(each.rows)) for each in found] == [
        ("cat", 61, 3), (SCRIPT, 4, 3), (EVIL, 1, 1),
    ]  # fmt: skip
    assert found[0].rows[0] < found[0].rows[1] < found[0].rows[2]
    assert reported(hostile, "1", gallery=0).gallery == ()


def test_a_view_of_nothing_and_damaged_sounds_have_a_page(hostile: Work) -> None:
    """No example, no drift, no finding: the page says so; what is no sound has no waveform."""
    html = page(reported(hostile, "2..2", "1"))
    assert "no label" not in html and '<b class="">0</b>' in html
    for data in (b"", b"RIFF", sound()[:40], sound()[:50], b"RIFF\xff\xff\xff\xffWAVEfmt "):
        assert waveform(data) == ()


def test_sounds_have_a_player_of_their_media_type(tmp_path: Path) -> None:
    """Each sound that is small is on the page as it is; without a waveform where it is no WAV."""
    work = Work(tmp_path)
    kinds = {
        "audio/flac": b"fLaC", "audio/ogg": b"OggS", "audio/mpeg": b"ID3", "audio/wav": sound(),
    }  # fmt: skip
    work.ds.add({f"{kind[6:]}.sound": data for kind, data in kinds.items()}, labels=["a"])
    work.ds.add({"large.flac": b"fLaC" + bytes(SOUND_MAX)}, labels=["a"])
    work.ds.commit("first")
    made = gather(work.repo.example_set("1"), None, None, lambda: None, time=0)
    shown = {each.path: each for _, samples in made.gallery for each in samples}
    for kind, data in kinds.items():
        one = shown[f"{kind[6:]}.sound"]
        assert (one.sound_type, one.sound) == (kind, b64encode(data).decode())
        assert bool(one.bars) == (kind == "audio/wav")
        assert f'"m": "{kind}"' in page(made)
    assert shown["large.flac"].sound == ""


def test_every_sound_that_can_be_decoded_has_a_waveform(tmp_path: Path) -> None:
    """FLAC, Ogg and WAV of 24 bits are as loud as they are in WAV of 16 bits; what is cut
    off, and what promises years, has none."""
    soundfile = pytest.importorskip("soundfile", reason="needs dsm-datasets[audio]")
    samples = [0.5 * (n // 100 % 2) for n in range(12_000)]
    with Decoder() as decoder:
        for form, kind, subtype in (
            ("WAV", "audio/wav", "PCM_24"), ("FLAC", "audio/flac", "PCM_16"),
            ("OGG", "audio/ogg", "VORBIS"),
        ):  # fmt: skip
            soundfile.write(tmp_path / form, samples, 8000, format=form, subtype=subtype)
            data = (tmp_path / form).read_bytes()
            bars = decoder.small(kind, data)
            assert (form, len(bars)) == (form, 60)
            assert form == "OGG" or set(bars) == {50}
            assert 40 < min(bars) <= max(bars) < 65
            assert decoder.small(kind, data[:40]) == b""
        assert decoder.small("audio/flac", endless_flac()) == b""
        assert decoder.small("audio/mpeg", b"ID3") == b""


HOSTILE_LIBRARY = """\
import os, signal

class SoundFile:
    def __init__(self, file):
        said = file.read()
        if b"crash" in said:
            os.kill(os.getpid(), signal.SIGSEGV)
        while b"endless" in said:
            pass
        raise ValueError
"""


def test_a_decoder_that_crashes_or_never_ends_costs_one_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures before and after it are made, until too many processes were lost."""
    (tmp_path / "soundfile.py").write_text(HOSTILE_LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(decoding, "LOST_MAX", 2)
    red = picture("red")
    made = []
    with Decoder(seconds=0) as decoder:
        for sound in (b"fine", b"crash", b"endless", b"crash"):
            assert decoder.small("audio/flac", b"fLaC" + sound) == b""
            made.append(decoder.small("image/jpeg", red)[:2])
    assert made == [b"\xff\xd8"] * 3 + [b""]


def test_hostile_pictures_have_no_thumbnail() -> None:
    """Bombs, endless passes, cut files, and other formats than their first bytes say."""
    data = picture("red")
    with Decoder() as decoder:
        assert decoder.small("image/jpeg", data)
        for kind, bad in (
            ("image/png", png_of(100_000, 100_000)), ("image/png", png_of(12_000, 12_000)),
            ("image/jpeg", data[:-2] + b"\xff\xda\0\x08" * 600 + b"\xff\xd9"),
            ("image/jpeg", data[:200]), ("image/jpeg", b"\xff\xd8\xff" + bytes(999)),
            ("image/png", data), ("image/heif", data), ("image/svg+xml", SVG),
        ):  # fmt: skip
            assert (kind, decoder.small(kind, bad)) == (kind, b"")


def test_pictures_without_room_are_named(
    hostile: Work, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the bound of a page an example says that its picture has no room, and the page counts."""
    monkeypatch.setattr("dsm.report.samples.PICTURES_MAX", 1)
    html = page(reported(hostile, "1"))
    assert html.count('"n": "no room for its picture"') == 59
    assert "59 pictures are not shown" in html
    assert "not shown" not in page(report)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("hash", ["", "#gallery"])
def test_a_browser_runs_nothing_of_the_data(report: Report, tmp_path: Path, hash: str) -> None:
    """In a real browser the gallery is filled, hostile texts are text, and the title stays."""
    file = tmp_path / "report.html"
    file.write_text(page(report))
    shown = in_browser(file.as_uri() + hash, tmp_path)
    elements = Elements(shown)
    assert "<title>dsm report: changesets 1..2 of data</title>" in shown
    assert elements.found["script"] == 2
    # Four have the most frequent label, which is shown first, and five fail.
    assert elements.found["li"] >= 9
    assert elements.found["audio"] == 2
    assert all(a.startswith(("#", "data:image/jpeg;base64,", "data:audio/wav;base64,"))
               for a in elements.addresses)  # fmt: skip

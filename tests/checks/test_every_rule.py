"""One contract of all rules, over pictures, sounds, questions and tables: each way to break the
data is found by its rules and by no other, and the sound data pass."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from situations import Work

from . import files
from .files import picture, png_of, sound

CONTRACT = """\
[dataset.data.rules]
extensions.allow = [".jpg", ".txt", ".wav", ".json", ".parquet"]
media-types.allow = ["image/jpeg", "text/plain", "audio/wav", "application/json", "application/vnd.apache.parquet"]
extension-fits = {}
size = { min = 1, max = "60 kB" }
path.pattern = '(train|test)/[a-z]+/(?:[a-z0-9]+)+\\.[a-z]+'
decodes = {}
image = { min-width = 16, max-width = 200, min-height = 16, modes = ["RGB"], extensions = [".jpg"] }
audio = { min-seconds = 0.2, max-seconds = 5, rates = [8000], channels = [1], silence = -60, extensions = [".wav"] }
text = { min-chars = 20, max-chars = 2000, extensions = [".txt"] }
personal-data = {}
labels = { vocabulary = ["cat", "dog"], max = 1 }
classes.are = ["cat", "dog"]
label-counts = { labels = ["cat", "dog"], min = 28, min-share = "40%" }
balance = { max-ratio = 1.5, labels = ["cat", "dog"] }
conflicting-labels = {}
outliers = { of = "attr.iso" }
duplicates = {}
duplicates-near = {}
leakage = { by = "folder", near = true }
change = { max-removed = "10%", max-relabelled = "10%", max-growth = "25%", labels-stay = true, approved-by = "approved" }
drift = { against = "v1", columns = ["labels", "attr.iso"] }

[[dataset.data.rules.attribute]]
name = "iso"
type = "int"
min = 50
max = 6400
required = true

[[dataset.data.rules.attribute]]
name = "camera"
values = ["left", "right"]
max-missing = "10%"

[[dataset.data.rules.attribute]]
name = "serial"
pattern = "([A-Z]+)+[0-9]+"
unique = true
"""  # fmt: skip
LABELS = ("cat", "dog")
LEVELS = range(100, 450, 50)  # of iso


def scene(seed: int, side: int = 48) -> Image.Image:
    """A picture of soft spots, of its own for each number."""
    spots = Image.frombytes("RGB", (8, 8), random.Random(seed).randbytes(192))
    return spots.resize((side, side), Image.Resampling.BICUBIC)


def photo(seed: int, **more: object) -> bytes:
    return picture("JPEG", scene(seed), quality=90, **more)


def question(seed: int) -> str:
    """A question of words that nobody has heard of, of its own for each number."""
    drawn = random.Random(seed)
    words = [
        "".join(drawn.choice("bdfgklmnprstvz") + drawn.choice("aeiou") for _ in range(3))
        for _ in range(24)
    ]
    return f"{' '.join(words).capitalize()}: how many are left of {drawn.randrange(100)}?"


def example(number: int) -> tuple[str, bytes]:
    """An example of those that are sound, by path."""
    folder = f"{'test' if number % 5 == 4 else 'train'}/{LABELS[number % 2]}"
    if number < 44:
        return f"{folder}/{number}.jpg", photo(number)
    if number < 54:
        return f"{folder}/q{number}.txt", question(number).encode()
    if number < 58:
        return f"{folder}/s{number}.wav", sound(0.3, level=4000 + number)
    table = (f"{folder}/t{number}.parquet", files.table())
    return table if number < 59 else (f"{folder}/a{number}.json", b'{"answer": 4}')


class Kept:
    """Cats and dogs in two folders, in balance, each with what was said of it."""

    def __init__(self, root: Path):
        self.work = Work(root)
        self.work.path("dsm.toml").write_text(CONTRACT)
        self.work.ds.set_target(classes=["cat", "dog"])
        paths: list[str] = []
        ds = self.work.ds
        for label in LABELS:
            numbers = [n for n in range(60) if LABELS[n % 2] == label]
            found = dict(map(example, numbers))
            ds.add(found, labels=[label])
            paths += found
        for at, level in enumerate(LEVELS):
            ds.label(paths[at :: len(LEVELS)], attributes={"iso": level, "camera": "left"})
        for number in range(3):
            ds.label([paths[number]], attributes={"serial": f"AB{number}"})
        ds.commit("sound")
        ds.tag("v1")

    def put(self, path: str, content: bytes, *labels: str, **said: object) -> None:
        self.work.ds.add({path: content}, labels=labels)
        self.work.ds.label([path], attributes={"camera": "left", "iso": 200, **said})  # type: ignore[dict-item]

    def broken(self) -> set[str]:
        """The rules that what is staged fails, which then is staged no more."""
        found = {finding.rule for finding in self.work.ds.check(staged=True).findings()}
        self.work.ds.unstage()
        return found

    def read(self, path: str) -> bytes:
        return self.work.ds.read(path)


Way = Callable[[Kept], object]
CAT, DOG, TESTED = "train/cat/0.jpg", "train/dog/1.jpg", "test/cat/4.jpg"


def new(
    content: bytes | Callable[[Kept], bytes],
    path: str = "train/cat/new.jpg",
    label: str = "cat",
    **said: object,
) -> Way:
    return lambda kept: kept.put(
        path, content if isinstance(content, bytes) else content(kept), label, **said
    )


def text(content: str | bytes) -> Way:
    return new(content.encode() if isinstance(content, str) else content, "train/cat/new.txt")


def asked(more: str) -> Way:
    """A question with something in it that it should not hold."""
    return text(f"{question(900)} {more}")


def attribute(**said: object) -> Way:
    return lambda kept: kept.work.ds.label([CAT], attributes=said)  # type: ignore[arg-type]


def several(count: int, *labels: str, iso: int | None = None) -> Way:
    """So many pictures, of these labels in turn; without `iso` it spreads as in what is there."""

    def act(kept: Kept) -> None:
        for label in labels:
            numbers = [n for n in range(count) if labels[n % len(labels)] == label]
            found = {f"train/{label}/n{n}.jpg": photo(500 + n) for n in numbers}
            kept.work.ds.add(found, labels=[label])
        for level in {LEVELS[n % len(LEVELS)] if iso is None else iso for n in range(count)}:
            paths = [
                f"train/{labels[n % len(labels)]}/n{n}.jpg"
                for n in range(count)
                if iso or LEVELS[n % len(LEVELS)] == level
            ]
            kept.work.ds.label(paths, attributes={"iso": level, "camera": "left"})

    return act


def anew(
    change: Callable[[Image.Image], Image.Image], quality: int = 70, of: str = TESTED
) -> Callable[[Kept], bytes]:
    return lambda kept: picture(
        "JPEG", change(Image.open(io.BytesIO(kept.read(of)))), quality=quality
    )


def relabel(paths: list[str], label: str) -> Way:
    return lambda kept: kept.work.ds.label(paths, set=[label])


def paths_of(label: str, count: int) -> list[str]:
    numbers = range(0 if label == "cat" else 1, 44, 2)
    found = [f"{'test' if n % 5 == 4 else 'train'}/{label}/{n}.jpg" for n in numbers]
    return found[:count]


ALL_CATS = ["train/cat", "test/cat"]
JPEG = photo(800)
EXIF = Image.Exif()
EXIF[0x013B] = "jane.doe@example.org"
WAYS: dict[str, tuple[Way, set[str]]] = {
    "a JPEG that is cut off": (new(JPEG[:-40]), {"decodes"}),
    "a JPEG of which only the header came": (new(JPEG[:120]), {"decodes"}),
    "a PNG called JPEG": (new(picture("PNG", scene(801))), {"media-types", "extension-fits"}),
    "a page of an error called JPEG": (new(b"<!DOCTYPE html><p>404"), {"extension-fits", "image"}),
    "no bytes": (new(b""), {"size"}),
    "too many bytes": (new(JPEG + bytes(70_000)), {"size"}),
    "zeros": (new(bytes(3000)), {"media-types", "extension-fits", "image"}),
    "a small picture": (new(picture("JPEG", scene(802, 12))), {"image"}),
    "a wide picture": (new(picture("JPEG", scene(803).resize((201, 48)))), {"image"}),
    "a grey picture": (new(picture("JPEG", scene(804).convert("L"))), {"image"}),
    "an image bomb": (new(png_of(100_000, 100_000)), {"media-types", "extension-fits", "decodes"}),
    "endless passes": (new(JPEG[:-2] + b"\xff\xda\0\x08" * 5000 + b"\xff\xd9"), {"decodes"}),
    "a position in EXIF": (new(files.placed()), {"personal-data"}),
    "an author in EXIF": (new(photo(805, exif=EXIF)), {"personal-data"}),
    "a tested picture in train": (lambda kept: new(kept.read(TESTED))(kept), {"duplicates", "leakage"}),
    "a tested picture, encoded anew": (new(anew(lambda image: image)), {"duplicates-near", "leakage"}),
    "a tested picture, cropped": (new(anew(lambda image: ImageOps.crop(image, 1))), {"duplicates-near", "leakage"}),
    "a tested picture, made larger": (new(anew(lambda image: image.resize((96, 96)))), {"duplicates-near", "leakage"}),
    "a picture of train twice": (lambda kept: new(kept.read(CAT))(kept), {"duplicates"}),
    "a cat that is a dog, too": (
        lambda kept: new(kept.read(CAT), "train/dog/new.jpg", "dog")(kept), {"duplicates", "conflicting-labels"},
    ),
    "a tested question with other punctuation": (
        lambda kept: text(kept.read("test/cat/q44.txt").upper().replace(b":", b" -"))(kept), {"duplicates-near", "leakage"},
    ),
    "latin-1": (text("Wie viele Kätzchen bleiben übrig?".encode("latin-1")), {"text"}),
    "UTF-16": (text("How many kittens are left over?".encode("utf-16")), {"text"}),
    "a short text": (text("How many?"), {"text"}),
    "a long text": (text(" ".join(question(n) for n in range(600, 620))), {"text"}),
    "an archive called text": (text(gzip.compress(b"x" * 99)), {"text", "media-types", "extension-fits"}),
    "an e-mail in a question": (asked("Write to jane.doe@example.org."), {"personal-data"}),
    "a card number": (asked("She pays with 4111 1111 1111 1111."), {"personal-data"}),
    "an IBAN": (asked("He pays to DE89 3704 0044 0532 0130 00."), {"personal-data"}),
    "a telephone number": (asked("Call +49 30 901820."), {"personal-data"}),
    "an e-mail in UTF-16": (text(f"{question(901)} jane.doe@example.org".encode("utf-16")), {"personal-data", "text"}),
    "an IP address": (asked("It came from 8.8.8.8."), {"personal-data"}),
    "a national id": (asked("Her number is 123-45-6789."), {"personal-data"}),
    "an e-mail in a folder": (new(JPEG, "train/jane@example.org/new.jpg"), {"personal-data", "path"}),
    "silence": (new(sound(0.3, level=0), "train/cat/new.wav"), {"audio"}),
    "another rate": (new(sound(0.3, rate=16000), "train/cat/new.wav"), {"audio"}),
    "stereo": (new(sound(0.3, channels=2), "train/cat/new.wav"), {"audio"}),
    "a short sound": (new(sound(0.1), "train/cat/new.wav"), {"audio"}),
    "a sound that is cut off": (new(sound(0.4)[:-99], "train/cat/new.wav"), {"decodes"}),
    "an endless sound": (
        new(files.endless_flac(), "train/cat/new.wav"), {"decodes", "audio", "media-types", "extension-fits"},
    ),
    "no JSON": (new(b'{"answer": 4,}', "train/cat/new.json"), {"decodes"}),
    "deep JSON": (new(b"[" * 50_000, "train/cat/new.json"), {"decodes"}),
    "a damaged table": (new(files.table()[:-6], "train/cat/new.parquet"), {"decodes"}),
    "another extension": (new(JPEG, "train/cat/new.jpeg"), {"extensions"}),
    "a capital in a folder": (new(JPEG, "train/Cat/new.jpg"), {"path"}),
    "a name at which patterns explode": (new(JPEG, f"train/cat/{'a' * 200}!"), {"path", "extensions"}),
    "no label": (lambda kept: kept.work.ds.label([CAT], set=[]), {"labels", "classes"}),
    "a typo in a label": (new(JPEG, label="cta"), {"labels", "classes"}),
    "two labels": (lambda kept: kept.work.ds.label([CAT], add=["dog"]), {"labels"}),
    "an attribute of none": (attribute(iso=None), {"attribute"}),
    "an attribute out of range": (attribute(iso=49), {"attribute"}),
    "an outlier": (attribute(iso=6300), {"outliers"}),
    "a value that nobody knows": (attribute(camera="Left"), {"attribute"}),
    "a serial number of another form": (attribute(serial="ab"), {"attribute"}),
    "a serial number at which patterns explode": (attribute(serial="A" * 4000), {"attribute"}),
    "a serial number twice": (attribute(serial="AB1"), {"attribute"}),
    "a camera missing at many": (
        lambda kept: kept.work.ds.label(["test"], attributes={"camera": None}), {"attribute"},
    ),
    "labels that are swapped": (
        lambda kept: (relabel(paths_of("cat", 4), "dog")(kept), relabel(paths_of("dog", 4), "cat")(kept)), {"change"},
    ),
    "labels that were changed one way": (relabel(paths_of("cat", 8), "dog"), {"change", "label-counts", "balance", "drift"}),
    "a label that vanishes": (relabel(ALL_CATS, "dog"), {"change", "label-counts", "balance", "drift"}),
    "many that are removed": (
        lambda kept: kept.work.ds.remove(paths_of("cat", 4) + paths_of("dog", 4), keep_files=True), {"change", "label-counts"},
    ),
    "growth at once": (
        several(18, "cat", "dog"), {"change"},
    ),
    "a class that comes alone": (several(14, "cat"), {"drift"}),
    "an attribute that moved": (
        several(14, "cat", "dog", iso=400), {"drift"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("every"))


def test_sound_data_pass(kept: Kept) -> None:
    """No rule finds anything in them, nor in one more example of each kind."""
    report = kept.work.ds.check()
    assert [each.told for each in report.findings()] == []
    assert len({ran.rule.name for ran in report.ran}) == 22
    kept.put("train/cat/new.jpg", photo(700), "cat", serial="CD1")
    kept.put("train/dog/new.txt", question(700).encode(), "dog")
    kept.put("train/cat/new.wav", sound(0.5), "cat")
    kept.put("train/dog/new.json", json.dumps({"a": [1]}).encode(), "dog")
    assert kept.broken() == set()


@pytest.mark.parametrize("name", WAYS)
def test_each_way_to_break_them_is_found(kept: Kept, name: str) -> None:
    """It is found by its rules, and by no other."""
    act, rules = WAYS[name]
    act(kept)
    assert kept.broken() == rules

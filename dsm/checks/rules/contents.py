"""Rules of what content says when it is read to the end; what it says is kept for the next time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import names_of
from dsm.checks.facts import TableFacts
from dsm.checks.probes.probe import Facts
from dsm.checks.rule import Failing, LibraryMissing, Rule, Subject, failing
from dsm.history.fold import records_mask
from dsm.model.names import close_matches, quoted

ENCODINGS = ("utf-8", "ascii")
_TEXT, _JSON = "text/plain", "application/json"
_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB",
          "HSV", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # fmt: skip
# What names of files promise; what is not here promises nothing.
PROMISED = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".jpe": "image/jpeg", ".png": "image/png",
    ".gif": "image/gif", ".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff",
    ".webp": "image/webp", ".avif": "image/avif", ".heic": "image/heif", ".flac": "audio/flac",
    ".ogg": "audio/ogg", ".opus": "audio/ogg", ".wav": "audio/wav", ".mp3": "audio/mpeg",
    ".pdf": "application/pdf", ".zip": "application/zip", ".gz": "application/gzip",
    ".zst": "application/zstd", ".npy": "application/x-npy", ".npz": "application/zip",
    ".h5": "application/x-hdf5", ".hdf5": "application/x-hdf5", ".mkv": "video/x-matroska",
    ".webm": "video/webm", ".avi": "video/x-msvideo",
    ".parquet": "application/vnd.apache.parquet", ".mp4": "video/mp4",
    ".json": "application/json", ".jsonl": "application/json",
    ".txt": _TEXT, ".md": _TEXT, ".csv": _TEXT, ".tsv": _TEXT,
}  # fmt: skip


def encoding(value: Any) -> str:
    """The encoding of text. Raises ValueError."""
    if value not in ENCODINGS:
        raise ValueError(f"is one of {', '.join(ENCODINGS)}")
    return str(value)


def _modes(value: Any) -> tuple[str, ...]:
    """A list of modes as Pillow writes them. Raises ValueError."""
    found = options.texts(value)
    for mode in found:
        if mode not in _MODES:
            near = close_matches(mode, _MODES, 1)
            meant = f"; did you mean {near[0]}?" if near else f": it has {', '.join(_MODES)}"
            raise ValueError(f"names {quoted(mode)}, which is no mode of Pillow{meant}")
    return found


def numbers(value: Any) -> tuple[int, ...]:
    """A list of whole numbers. Raises ValueError."""
    if not isinstance(value, list) or not value:
        raise ValueError("is a list of whole numbers, such as [16000]")
    return tuple(options.count(each) for each in value)


def decibel(value: Any) -> float:
    """A level in dB of full scale, 0 at most. Raises ValueError."""
    found = options.number(value)
    if found > 0:
        raise ValueError("is a level in dB of full scale, such as -60")
    return float(found)


EXTENSIONS = {"extensions": options.suffixes, "optional": options.flag}


class ContentRule(Rule):
    """A rule that asks a probe. Those of some file name extensions only, if they are given."""

    reads_content = True
    needs: tuple[str, ...] = ()  # kinds of content whose library it cannot do without

    def check(self, subject: Subject) -> Iterator[Failing]:
        named = self.asked.get("extensions")
        if named is not None and subject.table.num_rows and not self.asked.get("optional"):
            found = pc.any(self._named(subject.fresh)).as_py()
            if not found and not pc.any(self._named(subject.table)).as_py():
                yield Failing(f"no example has a name that ends in {' or '.join(named)}")
        yield from self.look(subject)

    def look(self, subject: Subject) -> Iterator[Failing]:
        """Yields what fails among the examples that it looks at; see `check`."""
        raise NotImplementedError

    def _named(self, table: pa.Table) -> Any:
        """Returns which names have one of the extensions asked for."""
        paths, mask = pc.utf8_lower(names_of(table)), None
        for suffix in self.asked["extensions"]:
            ends = pc.ends_with(paths, suffix)
            mask = ends if mask is None else pc.or_(mask, ends)
        return mask

    def judged(self, subject: Subject) -> tuple[pa.Table, TableFacts]:
        """Returns the examples that it looks at, which have some bytes, and what is said of them.

        Raises LibraryMissing.
        """
        table = subject.fresh.filter(pc.greater(subject.fresh.column("size"), 0))
        if "extensions" in self.asked:
            table = table.filter(self._named(table))
        assert subject.facts is not None, "this rule reads content"
        said = subject.facts("content", table)
        for each in said.facts if self.needs else ():
            if "missing" in each and each["type"].startswith(self.needs):
                raise LibraryMissing(each["missing"])
        return table, said

    def problem(self) -> str | None:
        for key in self.asked:
            low, high = self.asked.get(key), self.asked.get("max" + key.removeprefix("min"))
            if key.startswith("min-") and high is not None and low > high:
                return f"{key} is above max{key.removeprefix('min')}"
        return super().problem()


class Decodes(ContentRule):
    """Pictures, sounds, JSON and CSV are decoded to the end."""

    name = "decodes"
    about = "pictures, sounds, JSON, CSV and Parquet are decoded to the end; videos are whole"
    options = {**EXTENSIONS}  # noqa: RUF012

    needs = ("image/", "audio/")

    def look(self, subject: Subject) -> Iterator[Failing]:
        table, said = self.judged(subject)
        broken = said.where(lambda facts: "problem" in facts)
        problems = said.column(lambda facts: facts.get("problem"))
        yield from failing(table, broken, "{}", problems)
        yield from self._tables(subject, table, said)

    def _tables(self, subject: Subject, table: pa.Table, said: TableFacts) -> Iterator[Failing]:
        """Yields what is called CSV or TSV, is text, and is no table."""
        assert subject.facts is not None, "this rule reads content"
        named = pc.match_substring_regex(table.column("path"), r"(?i)\.[ct]sv\z")
        texts = said.where(lambda facts: "encoding" in facts and "problem" not in facts)
        some = table.filter(pc.and_(named, texts))
        if some.num_rows:
            read = subject.facts("delimited", some)
            broken = read.where(lambda facts: "problem" in facts)
            problems = read.column(lambda facts: facts.get("problem"))
            yield from failing(some, broken, "{}", problems)


class ExtensionFits(ContentRule):
    """The name promises the kind of content that there is."""

    name = "extension-fits"
    about = "content is of the type that the extension of its name promises"
    options = {**EXTENSIONS}  # noqa: RUF012

    def look(self, subject: Subject) -> Iterator[Failing]:
        table, said = self.judged(subject)
        kinds = said.column(lambda facts: facts["type"])
        # A line or a row of a file is not what the name of the file promises.
        parts = pc.and_(records_mask(table), pc.not_equal(names_of(table), table.column("path")))
        paths = pc.if_else(parts, "", table.column("path")).to_pylist()
        promised = pa.array(
            [PROMISED.get(os.path.splitext(path)[1].lower()) for path in paths], pa.string()
        )
        # What is called text may begin as JSON does.
        json = pc.and_(pc.equal(promised, _TEXT), pc.equal(kinds, _JSON))
        wrong = pc.and_not(pc.not_equal(promised, kinds), json)
        told = pc.binary_join_element_wise(kinds, promised, ", and its name promises ")
        yield from failing(table, wrong, "its content is {}", told)


class Image(ContentRule):
    """Pictures have these sizes and modes."""

    name = "image"
    about = "examples are pictures of these sizes (pixels) and modes, by Pillow"
    options = {  # noqa: RUF012
        "min-width": options.count, "max-width": options.count, "min-height": options.count,
        "max-height": options.count, "max-pixels": options.count, "modes": _modes,
        **EXTENSIONS,
    }  # fmt: skip
    needs = ("image/",)

    def look(self, subject: Subject) -> Iterator[Failing]:
        table, said = self.judged(subject)
        kinds = said.column(lambda facts: facts["type"])
        strange = said.where(lambda facts: not facts["type"].startswith("image/"))
        yield from failing(table, strange, "it is no picture, but {}", kinds)
        for side in ("width", "height"):
            yield from _bounds(self, table, said, side, side, " pixels")
        most = self.asked.get("max-pixels")
        if most is not None:
            pixels = said.column(lambda f: f["width"] * f["height"] if "width" in f else None,
                                 pa.int64())  # fmt: skip
            yield from failing(
                table, pc.greater(pixels, most), f"{{}} pixels are more than {most:,}", pixels
            )
        modes = self.asked.get("modes")
        if modes is not None:
            mode = said.column(lambda facts: facts.get("mode"))
            other = pc.invert(pc.is_in(mode, value_set=pa.array(modes, pa.string())))
            other = pc.and_(other, pc.is_valid(mode))
            yield from failing(table, other, f"its mode is {{}}, not {' or '.join(modes)}", mode)


class Audio(ContentRule):
    """Sounds have these lengths, rates and channels, and are no silence."""

    name = "audio"
    about = "examples are sounds of these lengths, rates and channels; silence is a peak in dB"
    options = {  # noqa: RUF012
        "min-seconds": options.number, "max-seconds": options.number, "rates": numbers,
        "channels": numbers, "silence": decibel, **EXTENSIONS,
    }  # fmt: skip
    needs = ("audio/",)

    def look(self, subject: Subject) -> Iterator[Failing]:
        table, said = self.judged(subject)
        kinds = said.column(lambda facts: facts["type"])
        strange = said.where(lambda facts: not facts["type"].startswith("audio/"))
        yield from failing(table, strange, "it is no sound, but {}", kinds)
        yield from _bounds(self, table, said, "seconds", "seconds", " seconds", pa.float64())
        for option, fact, unit in (("rates", "rate", " Hz"), ("channels", "channels", " channels")):
            allowed = self.asked.get(option)
            if allowed is not None:
                has = said.column(_fact(fact), pa.int64())
                other = pc.invert(pc.is_in(has, value_set=pa.array(allowed, pa.int64())))
                other = pc.and_(other, pc.is_valid(has))
                words = " or ".join(f"{each:,}" for each in allowed)
                yield from failing(table, other, f"it has {{}}{unit}, not {words}", has)
        quiet = self.asked.get("silence")
        if quiet is not None:
            silent = said.where(lambda f: "peak" in f and (f["peak"] is None or f["peak"] < quiet))
            yield from failing(table, silent, f"it is silent: no sample is above {quiet:g} dB")


class Text(ContentRule):
    """Text is of this encoding and length."""

    name = "text"
    about = "examples are text of this encoding (utf-8 by default) and of so many characters"
    options = {  # noqa: RUF012
        "encoding": encoding, "min-chars": options.count, "max-chars": options.count,
        **EXTENSIONS,
    }  # fmt: skip

    def look(self, subject: Subject) -> Iterator[Failing]:
        table, said = self.judged(subject)
        wanted = self.asked.get("encoding", "utf-8")
        kinds = said.column(lambda facts: facts["type"])
        other = said.where(lambda facts: "encoding" not in facts)
        yield from failing(table, other, "it is no text, but {}", kinds)
        bad = said.where(lambda facts: facts.get("encoding", "") is None)
        at = said.column(lambda facts: facts.get("bad"), pa.int64())
        yield from failing(table, bad, "it is not UTF-8: see byte {}", at)
        nul = said.where(lambda facts: bool(facts.get("nul")))
        yield from failing(table, nul, "it holds a NUL character")
        if wanted == "ascii":
            other = said.where(lambda facts: facts.get("encoding") == "utf-8")
            yield from failing(table, other, "it holds characters outside of ASCII")
        yield from _bounds(self, table, said, "chars", "chars", " characters")


def _bounds(
    rule: Rule, table: pa.Table, said: TableFacts, option: str, fact: str, unit: str,
    kind: Any = None,
) -> Iterator[Failing]:  # fmt: skip
    """Yields what lies outside of min-… and max-…; what is not known is not judged here."""
    low, high = rule.asked.get(f"min-{option}"), rule.asked.get(f"max-{option}")
    if low is None and high is None:
        return

    values = said.column(_fact(fact), pa.int64() if kind is None else kind)
    word = f"its {option} of {{}}" if option in ("width", "height") else f"{{}}{unit}"
    verb = "is" if option in ("width", "height") else "are"
    if low is not None:
        below = pc.less(values, low)
        yield from failing(table, below, f"{word} {verb} fewer than {low:,}", values)
    if high is not None:
        above = pc.greater(values, high)
        yield from failing(table, above, f"{word} {verb} more than {high:,}", values)


def _fact(name: str) -> Callable[[Facts], Any]:
    """Returns what reads one fact; None where it is not known."""
    return lambda facts: facts.get(name)

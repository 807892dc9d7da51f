"""Transcripts of recordings: Common Voice, LJSpeech and Kaldi.

A transcript is the member `text` of the annotation; who speaks, and what else is said of a
recording, are attributes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.example import AttributeValue
from dsm.model.names import check_attribute_name, printable
from dsm.worktree.label_formats.format import LabelFormat, LabelInput, NamedRow
from dsm.worktree.label_formats.numbers import number_of
from dsm.worktree.label_row import LabelRow, json_text
from dsm.worktree.label_source import PATH_COLUMNS

_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")
_COUNTS = ("up_votes", "down_votes")
_VOTES_MAX = 10  # digits
_PARTS = {"text", "utt2spk", "wav.scp", "segments"}


def _annotation(**members: str) -> str:
    return json_text(members)


class CommonVoiceFormat(LabelFormat):
    """A table with tabs, whose quotes are letters; clips lie in `clips/`."""

    def recognises(self, file: LabelInput) -> bool:
        """The columns `client_id`, `path` and `sentence`."""
        header = file.head.partition("\n")[0].rstrip("\r").split("\t")
        return {"client_id", "path", "sentence"} <= set(header)

    def rows(self, file: LabelInput) -> Iterable[NamedRow]:
        """See `LabelFormat.rows`."""
        header: list[str] | None = None
        for number, line in file.lines():
            cells, place = line.split("\t"), f"line {number}"
            if header is None:
                header = [name.strip() for name in cells]
                _check(file, header, place)
                continue
            if len(cells) != len(header):
                problem = f"there are {len(cells)} fields, but {len(header)} in the header"
                raise file.wrong(problem, place)
            told = dict(zip(header, cells, strict=True))
            path = told.pop("path")
            annotation = _annotation(text=told.pop("sentence"))
            attributes: dict[str, AttributeValue] = {}
            for name, cell in told.items():
                if not cell.strip() or cell.strip() in file.missing:
                    continue
                if name in _COUNTS:
                    if not (cell.isascii() and cell.isdigit() and len(cell) <= _VOTES_MAX):
                        problem = f"'{printable(cell[:40])}' is not a whole number"
                        raise file.wrong(problem, f"{place}, {name}")
                    attributes[name] = int(cell)
                else:
                    attributes[name] = cell
            name = path if "." in os.path.basename(path) else path + ".mp3"
            row = LabelRow(annotation=annotation, attributes=attributes, adds_members=True)
            yield NamedRow((f"clips/{name}", name), row, place)


def _check(file: LabelInput, header: list[str], place: str) -> None:
    missing = {"path", "sentence"} - set(header)
    if missing or len(set(header)) < len(header):
        problem = f"there is no column {min(missing)}" if missing else "a column occurs twice"
        raise file.wrong(problem, place)
    for name in header:
        if name in ("path", "sentence"):
            continue
        try:
            check_attribute_name(name)
        except InvalidInput as error:
            raise file.wrong(error.message, place, error.hint) from None


class LjSpeechFormat(LabelFormat):
    """`id|transcript|normalised transcript`, without a header; recordings lie in `wavs/`."""

    def recognises(self, file: LabelInput) -> bool:
        """Two bars or one in the first line, and no column name before them."""
        if not file.name.endswith((".csv", ".txt")):
            return False
        first = next((line for line in file.head.split("\n") if line.strip()), "")
        name = first.partition("|")[0].strip()
        return first.count("|") in (1, 2) and "," not in name and name not in ("", *PATH_COLUMNS)

    def rows(self, file: LabelInput) -> Iterable[NamedRow]:
        """See `LabelFormat.rows`."""
        for number, line in file.lines():
            cells, place = line.split("|"), f"line {number}"
            if len(cells) not in (2, 3) or not cells[0].strip():
                problem = f"there are {len(cells)} fields; id|text or id|text|normalised text are"
                raise file.wrong(f"{problem} expected", place)
            members = {"text": cells[1]}
            if len(cells) == 3:
                members["normalized_text"] = cells[2]
            row = LabelRow(annotation=_annotation(**members), adds_members=True)
            yield NamedRow(_recordings(cells[0].strip(), "wavs/"), row, place)


class KaldiFormat(LabelFormat):
    """A data folder, or one of its files: `text`, `utt2spk` and, where there is one, `wav.scp`."""

    def recognises(self, file: LabelInput) -> bool:
        """The names of the files."""
        if file.is_folder:
            return any(os.path.isfile(os.path.join(file.full, n)) for n in ("text", "utt2spk"))
        return file.name in _PARTS and bool(file.head)

    def rows(self, file: LabelInput) -> Iterable[NamedRow]:
        """See `LabelFormat.rows`."""
        parts: dict[str, _ByUtterance] = {}
        for name in sorted(_PARTS):
            full = os.path.join(file.folder, name)
            if os.path.isfile(full) and not os.path.islink(full):
                one = file if full == file.full else file.beside(full)
                parts[name] = _by_utterance(one)
        texts, speakers = parts.get("text", {}), parts.get("utt2spk", {})
        spans = parts.get("segments", {})
        yield from _of_recordings(file, spans, parts)
        for key in {**texts, **speakers}:
            if key in spans:
                continue
            attributes: dict[str, AttributeValue] = {"utterance": key}
            if key in speakers:
                attributes["speaker"] = speakers[key][0]
            annotation = _annotation(text=texts[key][0]) if key in texts else None
            place = (texts.get(key) or speakers[key])[1]
            row = LabelRow(annotation=annotation, attributes=attributes, adds_members=True)
            yield NamedRow(_names_of(key, parts), row, place)


_ByUtterance = dict[str, tuple[str, str]]  # what is said of each, and where


def _of_recordings(
    file: LabelInput, spans: _ByUtterance, parts: dict[str, _ByUtterance]
) -> Iterable[NamedRow]:
    """Yields a row for each recording that has several utterances: where each of them lies."""
    found: dict[str, list[dict[str, Any]]] = {}
    places: dict[str, str] = {}
    for key, (told, place) in spans.items():
        cells = told.split()
        if len(cells) != 3:
            raise file.wrong("a recording, a start and an end are expected", place)
        start, end = (number_of(file, cell, place) for cell in cells[1:])
        made: dict[str, Any] = {"utterance": key, "start": start, "end": end}
        for part, name in (("text", "text"), ("utt2spk", "speaker")):
            if key in parts.get(part, {}):
                made[name] = parts[part][key][0]
        found.setdefault(cells[0], []).append(made)
        places.setdefault(cells[0], place)
    for recording, segments in found.items():
        annotation = json_text({"segments": segments})
        row = LabelRow(annotation=annotation, adds_members=True)
        yield NamedRow(_names_of(recording, parts), row, places[recording])


def _names_of(key: str, parts: dict[str, _ByUtterance]) -> tuple[str, ...]:
    recording = parts.get("wav.scp", {}).get(key, ("", ""))[0]
    # What a pipe would run is no name: nothing is ever run.
    named = () if not recording or recording.endswith("|") else (recording,)
    return (*named, *_recordings(key, "wav/"))


def _by_utterance(file: LabelInput) -> _ByUtterance:
    found: _ByUtterance = {}
    for number, line in file.lines():
        key, _, rest = line.strip().replace("\t", " ", 1).partition(" ")
        place = f"{file.name}, line {number}"
        if key in found:
            raise file.wrong(f"'{printable(key)}' occurs twice", f"line {number}")
        found[key] = (rest.strip(), place)
    return found


def _recordings(key: str, folder: str) -> tuple[str, ...]:
    if key.lower().endswith(_SUFFIXES):
        return (key, folder + key)
    return tuple(f"{before}{key}{suffix}" for suffix in _SUFFIXES for before in (folder, ""))


COMMON_VOICE, LJSPEECH, KALDI = CommonVoiceFormat(), LjSpeechFormat(), KaldiFormat()

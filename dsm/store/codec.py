"""Whether and how bytes are compressed: a probe decides, per kind of file.

Small files of one kind share most of their bytes (headers, keys, mark-up), which no frame of its
own can use: they are gathered into frames of about 16 KB and compressed with a dictionary that
was trained on the first ones. Reading one of them costs one such frame, a few microseconds.
Media and other dense bytes are stored as they are. Nothing here affects any id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import zstandard

E = TypeVar("E")

GROUP_BYTES = 32 << 10  # a shared frame is closed once it holds this many raw bytes
TRAIN_BYTES = 2 << 20  # enough small files to train on: this many bytes …
TRAIN_FILES = 1500  # … or this many files
TRAIN_FILES_MIN = 32
DICTIONARY_BYTES = 16 << 10  # measured: more gains < 0.5 % on images, text and audio headers
WORTH = 0.95  # compressed must be at most this share of raw
PROBE_BYTES = 256 << 10
LEVEL = 3
GROUP_LEVEL = 6
_CARRIES_SIZE = 0b1110_0000  # bits of a frame's first byte: content size field, single segment

# Kinds whose bytes are dense already; small ones are still tried, for the headers they share.
MEDIA = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".png",
        ".webp",
        ".avif",
        ".heic",
        ".gif",
        ".mp3",
        ".m4a",
        ".aac",
        ".ogg",
        ".opus",
        ".flac",
        ".mp4",
        ".mkv",
        ".mov",
        ".webm",
        ".avi",
        ".zip",
        ".gz",
        ".tgz",
        ".bz2",
        ".xz",
        ".zst",
        ".7z",
        ".npz",
        ".parquet",
    ]
)


class _Engines(Generic[E]):
    """Compressors or decompressors, of which each thread takes one of its own: while one is at work
    other Python code runs, and two calls at once would mix up what they write."""

    __slots__ = ("_idle", "_make")

    def __init__(self, make: Callable[[], E]):
        self._make = make
        self._idle = [make()]

    def take(self) -> E:
        """Returns one that nobody uses."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def put(self, engine: E) -> None:
        """Gives one back."""
        self._idle.append(engine)


def _parameters(level: int) -> zstandard.ZstdCompressionParameters:
    # Sizes are in the pack's frame table and every object is hashed, so the frame carries neither
    # its magic number, nor a size, nor a checksum: 12 bytes a frame, 4 % of a small image.
    return zstandard.ZstdCompressionParameters.from_level(
        level,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )


def compressor(level: int, dictionary: bytes | None = None) -> Callable[[bytes], bytes]:
    """Returns a function that compresses one frame; threads may share it."""
    parameters = _parameters(level)
    trained = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
    if trained is not None:
        trained.precompute_compress(compression_params=parameters)
    engines = _Engines(
        lambda: zstandard.ZstdCompressor(dict_data=trained, compression_params=parameters)
    )

    def compress(data: bytes) -> bytes:
        engine = engines.take()
        try:
            return engine.compress(data)
        finally:
            engines.put(engine)

    return compress


def many_compressor(level: int) -> Callable[[Sequence[bytes]], list[bytes]]:
    """Returns a function that compresses many frames, during which other threads run; threads must
    not share it."""
    engine = zstandard.ZstdCompressor(compression_params=_parameters(level))

    def compress(parts: Sequence[bytes]) -> list[bytes]:
        if not parts or not hasattr(engine, "multi_compress_to_buffer"):
            return [engine.compress(part) for part in parts]
        frames = engine.multi_compress_to_buffer([*parts], threads=1)
        return [frames[number].tobytes() for number in range(len(frames))]

    return compress


def decompressor(dictionary: bytes | None = None) -> Callable[[bytes, int], bytes]:
    """Returns a function that decompresses one frame of a known raw size; threads may share it.

    It raises ValueError when the bytes are not a frame of that size; so does this function when
    the dictionary is damaged.
    """
    try:
        trained = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
        engines = _Engines(
            lambda: zstandard.ZstdDecompressor(
                dict_data=trained, format=zstandard.FORMAT_ZSTD1_MAGICLESS, max_window_size=1 << 27
            )
        )
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error

    def decompress(frame: bytes, raw_size: int) -> bytes:
        # A size in the frame itself (which ours never carry) would overrule the bound below.
        if not frame or frame[0] & _CARRIES_SIZE:
            raise ValueError("not a frame as dsm writes them")
        engine = engines.take()
        try:
            # The size bounds the output, so a hostile frame cannot take more memory than it says.
            raw = engine.decompress(frame, max_output_size=max(1, raw_size))
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
        finally:
            engines.put(engine)
        if len(raw) != raw_size:
            raise ValueError(f"a frame of {len(raw)} bytes where {raw_size} were promised")
        return raw

    return decompress


def train(samples: list[bytes]) -> bytes | None:
    """Trains a dictionary on small files; None when they have too little in common."""
    if len(samples) < TRAIN_FILES_MIN:
        return None
    try:
        return zstandard.train_dictionary(DICTIONARY_BYTES, list(samples), level=LEVEL).as_bytes()
    except zstandard.ZstdError:
        return None


def grouped(sizes: list[int]) -> list[tuple[int, int]]:
    """Cuts a run of files into shared frames: (first, past the last) index of each."""
    groups, first, total = [], 0, 0
    for index, size in enumerate(sizes):
        total += size
        if total >= GROUP_BYTES:
            groups.append((first, index + 1))
            first, total = index + 1, 0
    if first < len(sizes):
        groups.append((first, len(sizes)))
    return groups


class Kind:
    """What has been learnt about files of one suffix in one pack.

    `compress` is None while the kind is stored raw; `codec` is the number for the frame table.
    """

    __slots__ = (
        "codec",
        "compress",
        "dense",
        "learning",
        "raw",
        "seen",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, suffix: str):
        self.dense = suffix in MEDIA
        self.learning = True
        self.raw = False
        self.waiting: list[tuple[bytes, bytes]] = []  # (id, content) of small files not yet framed
        self.waiting_bytes = 0
        self.compress: Callable[[bytes], bytes] | None = None
        self.codec = 0
        self.seen = 0

    def ready_to_decide(self) -> bool:
        """Whether enough was seen to settle how this kind is stored."""
        return len(self.waiting) >= TRAIN_FILES or self.waiting_bytes >= TRAIN_BYTES

    def look_again(self) -> None:
        """Forgets that the kind was found dense."""
        self.raw, self.learning = False, True


def choose(samples: list[bytes]) -> tuple[bytes | None, bool]:
    """Decides for small files of one kind: (dictionary or None, whether to compress at all).

    The dictionary is trained on half of them and judged on the other half.
    """
    if not samples:
        return None, False
    # Training costs 40 ms: first see whether many files together compress at all.
    together = b"".join(samples)[:PROBE_BYTES]
    if len(compressor(LEVEL)(together)) > len(together) * WORTH:
        return None, False
    judged = samples[1::2] or samples
    groups = [b"".join(judged[a:b]) for a, b in grouped([len(s) for s in judged])][:16]
    raw = sum(map(len, groups))
    if not raw:
        return None, False
    plain = sum(len(frame) for frame in map(compressor(GROUP_LEVEL), groups))
    dictionary = train(samples[::2])
    if dictionary is not None:
        packed = sum(len(frame) for frame in map(compressor(GROUP_LEVEL, dictionary), groups))
        # What it saves must be worth storing it: think of all files seen so far.
        saved = (plain - packed) * sum(map(len, samples)) / raw
        if packed <= raw * WORTH and saved > len(dictionary):
            return dictionary, True
    return None, plain <= raw * WORTH

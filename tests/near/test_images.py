"""Pictures: which copies are found, and that others are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from copies import BICUBIC, cropped, encoded, picture
from PIL import Image

from dsm.near import images

COUNT = 30
COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG of middling quality": lambda image: encoded(image, "JPEG", quality=50),
    "WebP": lambda image: encoded(image, "WEBP", quality=60),
    "half the size": lambda image: encoded(image.resize((64, 64), BICUBIC)),
    "another shape": lambda image: encoded(image.resize((100, 140), BICUBIC)),
    "twice the size, as JPEG": lambda image: encoded(image.resize((256, 256)), "JPEG"),
    "a fiftieth less at each edge": lambda image: encoded(cropped(image, 0.02), "JPEG", quality=75),
    "a fiftieth less at one edge": lambda image: encoded(image.crop((0, 3, 128, 128))),
    "grey": lambda image: encoded(image.convert("L")),
    "darker": lambda image: encoded(image.point(lambda level: level * 0.8)),
}


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    return [encoded(picture(seed)) for seed in range(COUNT)]


def prints_of(files: list[bytes]) -> np.ndarray:
    found = [images.fingerprint(data) for data in files]
    assert None not in found
    return np.frombuffer(b"".join(found), np.uint8).reshape(len(files), -1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_and_nothing_else(name: str, originals: list[bytes]) -> None:
    """Each copy is near its original, and no other two pictures are near."""
    copies = [COPIES[name](picture(seed)) for seed in range(COUNT)]
    first, second, alike = images.near_pairs(prints_of([*originals, *copies]))
    assert list(zip(first, second, strict=True)) == [(n, n + COUNT) for n in range(COUNT)]
    assert ((alike > 0.9) & (alike <= 1)).all()


def test_a_crowd_of_pictures_has_no_pair() -> None:
    """Two thousand different pictures, with all their candidates, are not near each other."""
    random = np.random.default_rng(7)
    waves = random.normal(size=(2000, 16, 6)) @ np.cos(np.outer(np.arange(6), np.arange(16) / 5))
    grey = waves.cumsum(axis=1)
    low, high = grey.min(axis=(1, 2), keepdims=True), grey.max(axis=(1, 2), keepdims=True)
    prints = ((grey - low) / (high - low) * 255).astype(np.uint8).reshape(2000, -1)
    assert [len(each) for each in images.near_pairs(prints)] == [0, 0, 0]


def test_an_orientation_is_applied() -> None:
    """A picture that EXIF turns has the fingerprint of the same picture stored as it is seen."""
    straight = picture(1)
    for flag, turned in {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180}.items():
        exif = Image.Exif()
        exif[0x0112] = flag
        told = encoded(straight.transpose(turned), exif=exif)
        rows = prints_of([told, encoded(straight)])
        assert np.abs(rows[0].astype(int) - rows[1]).max() <= 1


def test_kinds_of_pictures() -> None:
    """Transparency shows white, 16 bits and palettes are read; what is blank is known as blank."""
    seen = picture(2)
    plain = np.frombuffer(images.fingerprint(encoded(seen)) or b"", np.uint8)
    clear = seen.convert("RGBA")
    clear.putalpha(0)
    assert images.fingerprint(encoded(clear)) == b"\xff" * 256
    deep = Image.fromarray(np.asarray(seen.convert("L")).astype(np.uint16) * 256)
    for data in (encoded(deep), encoded(seen.quantize(256))):
        found = np.frombuffer(images.fingerprint(data) or b"", np.uint8)
        assert np.corrcoef(plain, found)[0, 1] > 0.99
    rows = np.stack([plain, np.full(256, 7, np.uint8)])
    assert images.is_blank(rows).tolist() == [False, True]


def header_of(width: int, height: int) -> bytes:
    """A PNG of a size that it does not hold."""
    data = bytearray(encoded(Image.new("L", (8, 8))))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        header_of(100_000, 100_000), encoded(picture(3), "JPEG")[:900],
    ],
    ids=["nothing", "a beginning", "PostScript", "a bomb", "cut short"],
)  # fmt: skip
def test_what_cannot_be_decoded_has_no_fingerprint(data: bytes) -> None:
    """Damaged, huge and foreign files are told by None; no program is run for one."""
    assert images.fingerprint(data) is None


def test_no_picture_and_one() -> None:
    """Of nothing, and of one picture, there is no pair."""
    one = np.frombuffer(images.fingerprint(encoded(picture(4))) or b"", np.uint8).reshape(1, -1)
    for rows in (one[:0], one):
        assert [len(each) for each in images.near_pairs(rows)] == [0, 0, 0]


def test_formats_of_large_jpegs_are_decoded_small() -> None:
    """A JPEG of many pixels gives the fingerprint of its smaller copy, nearly."""
    large = encoded(picture(5).resize((2048, 2048)), "JPEG")
    rows = prints_of([encoded(picture(5)), large])
    assert np.abs(rows[0].astype(int) - rows[1]).max() < 8
    assert Image.open(io.BytesIO(large)).size == (2048, 2048)

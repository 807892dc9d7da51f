"""Personal data as people write it, in texts and in pictures, and what only looks like it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from dsm.checks.personal_data import find
from dsm.checks.probes.personal import examine
from dsm.checks.probes.probe import Content

from .files import PIXELS, picture

WRITTEN = {
    "email": [
        "jürgen@müller.de", "info@пример.рф", "jane@example.xn--p1ai", "JANE@EXAMPLE.CO.UK",
        "jane.doe@example.org.jpg", "git@example.org", "a@b.co", "x＠example.org",
    ],
    "phone": [
        "+49 (0)30 901820", "0049 30 901820", "+81-3-1234-5678", "+55 (11) 91234-5678",
        "+7 (495) 123-45-67", "+353 1 234 5678", "+234 803 123 4567", "+852 2345 6789",
        "+49\u00a030\u00a0901820", "+49–30–901820", "+1 415-555-2671x123", "1-800-555-1234",
        "＋４９ ３０ ９０１８２０",
    ],
    "card": [
        "4111 1111 1111 1111 12/25", "4111 1111 1111 1111 123", "4111-1111-1111-1111",
        "4111\u00a01111\u00a01111\u00a01111", "3782 822463 10005", "378282246310005",
        "2223003122003222", "6011111111111117", "30569309025904", "4222222222222",
    ],
    "iban": [
        "AT61 1904 3002 3457 3201 BIC BKAUATWW", "AT611904300234573201 EUR 20",
        "de89370400440532013000", "DE89-3704-0044-0532-0130-00", "BY13NBRB3600900000002Z00AB00",
        "LC55HEMM000100010012001200023015", "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000",
        "NO93 8601 1117 947", "MT84MALT011000012345MTLCAST001S",
    ],
    "ip": ["8.8.8.8:80", "2001:db8::1: refused", "[2a00:1450:4001:81b::200e]", "fe80::1ff:fe23:4567"],
    "national-id": ["2 69 05 2A 588 157 17", "X1234567L", "RSSMRA85T10A562S", "756.9217.0769.85"],
}  # fmt: skip
INNOCENT = [
    "icon@2x.png", "photo@1.5x.jpg", "git@github.com:org/repo", "me@here.txt", "logo@home.svg",
    "version 1.2.3.4", "package==1.2.3.4", "Section 2.10.1.3", "0.1.2.3", "255.255.255.0",
    "224.0.0.251", "00:11:22:33:44:55:66:77", "10:20:30:40:50:60:70:80", "x[1::22]", "a[10::20]",
    "std::vector", "300-400-5000", "200-250-3000 calories", "(300) 400-5000", "x = +12345678",
    "+83 1234 5678", "2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8", "23 45 67 12 34 56 78 90 12 34",
    "2100000000000008", "sha de89370400440532013001", "DE89 3704 0044 0532 0130 01",
    r"C:\new\table\root", r"\d{4}\.\d",
]  # fmt: skip
AROUND = ("{}", "see {} now", "a\n{}\nb", "({})", '"{}"', "{},", "{}.")


@pytest.mark.parametrize("kind", WRITTEN)
def test_as_people_write_it(kind: str) -> None:
    """It is found with typesetting, in any place of a text, and with words after it."""
    missed = [
        (text, around) for text in WRITTEN[kind] for around in AROUND
        if {kind} != {found for found, _ in find(around.format(text))}
    ]  # fmt: skip
    assert missed == []


def test_escapes_of_json_hide_nothing() -> None:
    """What begins a line within a text of JSON stands after an escape, not after a letter."""
    for kind, texts in WRITTEN.items():
        for text in texts:
            written = json.dumps({"a": f"of him:\n{text}\t!"})
            assert {found for found, _ in find(written)} == {kind}, written
    assert [kind for kind, _ in find(r'{"a": "jane\u0040example.org"}')] == ["email"]


def test_what_only_looks_like_it() -> None:
    """Numbers of other kinds, versions, code and names of files are nobody's."""
    found = {text: list(find(around.format(text))) for text in INNOCENT for around in AROUND}
    assert {text: each for text, each in found.items() if each} == {}


def exif(**values: Any) -> Image.Exif:
    made = Image.Exif()
    for tag, value in values.items():
        made[int(tag[1:], 16)] = value
    return made


def position() -> Image.Exif:
    made = Image.Exif()
    made[0x010F] = "Camera"  # Pillow writes none that has directories alone
    made.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 34.0, 0.0)})
    return made


def detailed() -> Image.Exif:
    made = Image.Exif()
    made[0x010F] = "Camera"
    made.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "call +49 30 901820".encode("utf-16-le")
    return made


def segment(marker: int, data: bytes) -> bytes:
    """A JPEG with one more segment."""
    plain = picture()
    return plain[:2] + bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data + plain[2:]


def tiff(tag: int, value: bytes) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[tag], directory.tagtype[tag] = value, 1
    return picture("TIFF", tiffinfo=directory)


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        if name == "XMP":
            info.add_itxt("XML:com.adobe.xmp", text, zip=True)
        else:
            info.add_text(name.replace("_", " "), text, zip=True)
    return picture("PNG", pnginfo=info)


XMP = '<x:xmpmeta><r exif:GPSLatitude="48,8.5N" by="jane@example.org"/></x:xmpmeta>'
PROFILE = "\nexif\n    100\n" + (b"Exif\0\0" + position().tobytes()[6:]).hex()
MAIL, WHERE = ["email"], ["gps"]
SAID = {
    "an author": (picture(exif=exif(x013b="jane@example.org")), MAIL),
    "an author of Windows": (
        picture(exif=exif(x9c9d="jane@example.org".encode("utf-16-le"))),
        MAIL,
    ),
    "a comment in EXIF": (picture(exif=detailed()), ["phone"]),
    "a comment": (segment(0xFE, b"by jane@example.org"), MAIL),
    "IPTC": (segment(0xED, b"Photoshop 3.0\0\x1c\x02\x50\0\x10jane@example.org\xff"), MAIL),
    "XMP": (segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.encode()), WHERE + MAIL),
    "WebP": (picture("WEBP", exif=position()), WHERE),
    "XMP in WebP": (picture("WEBP", xmp=XMP.encode()), WHERE + MAIL),
    "AVIF": (picture("AVIF", exif=position()), WHERE),
    "PNG": (picture("PNG", exif=position()), WHERE),
    "a text in PNG": (png(Author="jane@example.org"), MAIL),
    "XMP in PNG": (png(XMP=XMP), WHERE + MAIL),
    "a profile of ImageMagick": (png(Raw_profile_type_exif=PROFILE), WHERE),
    "XMP in TIFF": (tiff(700, XMP.encode()), WHERE + MAIL),
}


@pytest.mark.parametrize("name", SAID)
def test_pictures_say_it_in_many_places(name: str) -> None:
    """Texts beside the pixels are looked at in each format."""
    data, kinds = SAID[name]
    found = examine(Content(io.BytesIO(data), len(data))).get("found", [])
    assert [kind for kind, _ in found] == kinds


def test_a_position_after_many_pixels() -> None:
    """It is found wherever the file has it."""
    large = Image.effect_noise((900, 900), 80).convert("RGB")
    data = picture("WEBP", large, lossless=True, exif=position())
    assert data.find(b"EXIF") > 1 << 19
    assert examine(Content(io.BytesIO(data), len(data)))["found"][0][0] == "gps"


def test_a_camera_and_its_preview_say_nothing() -> None:
    """Versions and serial numbers of the camera, and the bytes of a preview, are no texts."""
    said = exif(x0131="HDR 1.2.3.4", x0110="4111111111111111", x927c=b"jane@example.org")
    for form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        data = picture(form, PIXELS, exif=said)
        assert "found" not in examine(Content(io.BytesIO(data), len(data))), form


def test_damaged_metadata_end() -> None:
    """Directories that name themselves, and lengths that make no sense, are passed over."""
    loop = b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0"
    for said in (
        loop,
        loop.replace(b"\x69\x87", b"\x25\x88"),
        b"MM\0*\xff\xff\xff\xff",
        b"II",
        b"",
    ):
        data = segment(0xE1, b"Exif\0\0" + said)
        assert "found" not in examine(Content(io.BytesIO(data), len(data)))
    whole = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.encode())
    for end in range(20, 200, 7):
        examine(Content(io.BytesIO(whole[:end]), end))

"""Personal data in a text: what looks like it and passes its check sum, found in linear time.

Every expression begins at a sign that is rare or goes back a bounded number of characters, so a
text of any kind costs a bounded time for each of its characters. What is found is masked at once.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

EMAIL, PHONE, CARD, IBAN, NATIONAL_ID, IP, GPS = (
    "email", "phone", "card", "iban", "national-id", "ip", "gps",
)  # fmt: skip
KINDS = (EMAIL, PHONE, CARD, IBAN, NATIONAL_ID, IP, GPS)

# Read backwards from the "@".
_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{0,63}[^\W_]")
_DOMAIN = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})\b"
)
# Names of files that look like addresses: `icon@2x.png`, and `git@host:repository`.
_SCALE = re.compile(r"[0-9](?:\.[0-9])?x\.", re.IGNORECASE)
_SUFFIXES = re.compile(
    r"avif|bmp|csv|flac|gif|html|jpe?g|jsonl?|js|md|mp[34]|ogg|parquet|pdf|png|py|svg|tiff?|toml"
    r"|tsv|txt|wav|web[mp]|xml|ya?ml|zip",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![\w+.])(?:\+[1-9][0-9]{0,2}(?:[ ./-]?\(?[0-9]{1,5}\)?){2,7}"
    r"|(?<![0-9][ -])00[1-9][0-9]{0,2}(?:[ ./-]\(?[0-9]{1,8}\)?){2,7}"
    r"|\(?[2-9][0-8][0-9]\)?[ .-][2-9][0-9]{2}[.-][0-9]{4})(?:(?!\w)|(?=x[0-9]))"
)
# Country codes of the ITU, those of three digits by their first two.
_COUNTRY = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|2[1-69][0-9]|35[0-9]|37[0-9]|38[0-9]|42[013]|5[09][0-9]|6[789][0-9]|80[08]|85[0-9]|87[08]"
    r"|88[0-368]|9[679][0-9]"
)
# In groups as they stand on cards, or in one; more may follow: when it ends, or its code.
_CARD = re.compile(
    r"(?<![\w.-])(?:[2-6][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3}(?![0-9]))?"
    r"|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}|4[0-9]{3}([ -])[0-9]{3}\3[0-9]{3}\3[0-9]{3}"
    r"|[2-6][0-9]{12,18})(?![\w]|[.-][0-9])"
)
_ISSUERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|(?:5[1-5]|2(?:2[2-9]|[3-6][0-9]|7[01])[0-9]|2720)[0-9]{2,}"
    r"|220[0-4][0-9]{12,15}|3[47][0-9]{13}|3(?:0[0-59]|[689][0-9])[0-9]{11,16}|35[0-9]{14,17}"
    r"|(?:5[06-8]|6[0-9])[0-9]{11,17}"
)
_IBAN = re.compile(
    r"(?<!\w)(?:[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?"
    r"|[a-z]{2}[0-9]{2}[a-z0-9]{11,28})(?!\w)"
)
_IPV4 = re.compile(
    r"(?<![\w.])(?<!ersion )(?<!elease )(?<!ection )(?<!hapter )(?<!==)"
    r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9])"
)
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{3,4}:[0-9A-Fa-f:]{2,40}(?<!:)(?!\w)")
_SSN = re.compile(r"(?<![\w-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![\w-])")
_NINO = re.compile(
    r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?!\w)"
)
_DNI = re.compile(r"(?<!\w)[0-9XYZ][0-9]{7}-?[A-HJ-NP-TV-Z](?!\w)")
_FISCALE = re.compile(
    r"(?<!\w)[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z](?!\w)"
)
_INSEE = re.compile(
    r"(?<!\w)[12] ?[0-9]{2} ?[01][0-9] ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?!\w)"
)
_AHV = re.compile(r"(?<!\w)756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}(?!\w)")
_CPF = re.compile(r"(?<!\w)[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}(?!\w)")
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
    "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
    "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
    "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28,
    "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
# What a text writes instead of plain signs: escapes of JSON, and signs of typesetting.
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[nrtfb/\"\\])")
_WIDE = re.compile("[\uff0b\uff0d-\uff0e\uff10-\uff1a\uff20]")
_TYPESET = ((" ", "\u00a0\u2007\u2009\u202f\u3000"), ("-", "\u2010\u2011\u2012\u2013\u2212"))


def _plain(text: str) -> str:
    """Returns a text with plain signs in place of escapes, and of those of typesetting."""
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    if not text.isascii():
        for plain, signs in _TYPESET:
            for sign in signs:
                text = text.replace(sign, plain)
        text = _WIDE.sub(lambda match: chr(ord(match[0]) - 0xFEE0), text)
    return text


def _unescaped(match: re.Match[str]) -> str:
    said = match[1]
    if said[0] == "u":
        return chr(int(said[1:], 16))
    return said if said in '/"\\' else "\n"


def find(text: str) -> Iterator[tuple[str, str]]:
    """Yields kind and masked value of each piece of personal data in a text, kind by kind."""
    text = _plain(text)
    if "@" in text:
        yield from ((EMAIL, masked) for masked in _emails(text))
    if not _has_digit(text):
        return
    taken: list[tuple[int, int]] = []
    long = _MANY_DIGITS.search(text) is not None
    for kind, pattern, check, mask in _CHECKED:
        if not long and kind != IP:
            continue
        for match in pattern.finditer(text):
            found = check(match[0])
            start, end = match.start(), match.start() + len(found)
            if found and not any(a < end and start < b for a, b in taken[-50:]):
                taken.append((start, end))
                yield kind, mask(found)


# All numbers but addresses have six digits or more, close to each other.
_MANY_DIGITS = re.compile(r"(?:[0-9][^0-9]{0,4}){6}")
_has_digit = re.compile(r"[0-9]").search


def _emails(text: str) -> Iterator[str]:
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        if domain is not None:
            local = _LOCAL.match(text[max(0, at - 64) : at][::-1])
            name, _, top = domain[0].rpartition(".")
            if _SUFFIXES.fullmatch(top):  # the name of a file, which may have an address in it
                name, _, top = name.rpartition(".")
            is_file = not name or _SCALE.match(domain[0])
            if local is not None and not is_file and not _is_remote(local[0], text, domain.end()):
                yield f"{local[0][-1]}…@{name[0]}….{top}"
        at = text.find("@", at + 1)


def _is_remote(local: str, text: str, end: int) -> bool:
    """Whether `git@host:path` stands there, as git writes the place of a repository."""
    return local == "tig" and text[end : end + 1] in (":", "/")


def _digits(text: str) -> list[int]:
    return [int(sign) for sign in text if "0" <= sign <= "9"]


def is_card(text: str) -> bool:
    """Whether digits are the number of a payment card, by its issuer and Luhn's sum."""
    digits = _digits(text)
    if not any(digits[-4:]) or len(set(digits)) < 2:
        return False  # a round number, of a sum
    if not _ISSUERS.fullmatch("".join(map(str, digits))):
        return False
    doubled = (d if n % 2 == 0 else d * 2 - 9 * (d > 4) for n, d in enumerate(reversed(digits)))
    return sum(doubled) % 10 == 0


def _card(text: str) -> str:
    """Returns the number of a card, without a group that may follow it."""
    before = text[: max(text.rfind(" "), text.rfind("-"), 0)]
    return next((each for each in (text, before) if is_card(each)), "")


def is_iban(text: str) -> bool:
    """Whether a text is an IBAN, by the length of its country and its check digits."""
    plain = text.replace(" ", "").replace("-", "").upper()
    if len(plain) != _IBAN_LENGTHS.get(plain[:2]):
        return False
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _iban(text: str) -> str:
    """Returns an IBAN without words in capitals that may follow it."""
    left = _IBAN_LENGTHS.get(text[:2].upper(), 0)
    for end, sign in enumerate(text, 1):
        left -= sign.isalnum()
        if not left:
            ends = end == len(text) or text[end] in " -"
            return text[:end] if ends and is_iban(text[:end]) else ""
    return ""


def _is_phone(text: str) -> bool:
    digits = "".join(map(str, _digits(text)))
    if text[0] != "+" and not digits.startswith("00"):  # of North America
        return digits[1:3] != "11" and (digits[1:3] != "00" or digits[0] in "56789")
    plain = digits.removeprefix("00") if text[0] != "+" else digits
    if plain[0] in "17" and len(plain) != 11:
        return False
    return 8 <= len(plain) <= 15 and _COUNTRY.match(plain) is not None


def _is_ip(text: str) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    reserved = found.version == 4 and (text.startswith("0.") or int(text.split(".")[0]) >= 224)
    return not (reserved or found.is_unspecified or found.is_loopback)


def _is_ssn(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_dni(text: str) -> bool:
    plain = text.replace("-", "")
    number = {"X": "0", "Y": "1", "Z": "2"}.get(plain[0], plain[0]) + plain[1:-1]
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == plain[-1]


_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6,
     8, 12, 14, 16, 10, 22, 25, 24, 23), strict=True))  # fmt: skip


def _is_fiscale(text: str) -> bool:
    odd = sum(_ODD[sign] for sign in text[:15:2])
    even = sum(int(s) if s.isdigit() else ord(s) - 65 for s in text[1:15:2])
    return chr(65 + (odd + even) % 26) == text[15]


def _is_insee(text: str) -> bool:
    plain = text.replace(" ", "")
    number = int(plain[:13].replace("2A", "19").replace("2B", "18"))  # of Corsica
    return 1 <= int(plain[3:5]) <= 12 and 97 - number % 97 == int(plain[13:])


def _is_ahv(text: str) -> bool:
    digits = _digits(text)
    return (sum(digits[:12:2]) + 3 * sum(digits[1:12:2]) + digits[12]) % 10 == 0


def _is_cpf(text: str) -> bool:
    digits = _digits(text)
    if len(set(digits)) == 1:
        return False
    for end in (9, 10):
        total = sum(digit * (end + 1 - n) for n, digit in enumerate(digits[:end]))
        if total * 10 % 11 % 10 != digits[end]:
            return False
    return True


def _any(text: str) -> bool:
    return True


def _whole(check: Callable[[str], bool]) -> Callable[[str], str]:
    return lambda text: text if check(text) else ""


def _end(text: str) -> str:
    return f"…{text[-2:]}"


def _last_four(text: str) -> str:
    return f"…{''.join(map(str, _digits(text)[-4:]))}"


def _both_ends(text: str) -> str:
    return f"{text[:2]}…{text[-2:]}"


def _first_part(text: str) -> str:
    return f"{re.split('[.:]', text)[0]}…"


# A check returns what it believes of a match: its beginning, or nothing.
_Row = tuple[str, "re.Pattern[str]", Callable[[str], str], Callable[[str], str]]
# The strictest first: what one has taken is nothing else.
_CHECKED: tuple[_Row, ...] = (
    (IBAN, _IBAN, _iban, _both_ends),
    (NATIONAL_ID, _FISCALE, _whole(_is_fiscale), _end),
    (NATIONAL_ID, _DNI, _whole(_is_dni), _end),
    (NATIONAL_ID, _NINO, _whole(_any), _end),
    (NATIONAL_ID, _CPF, _whole(_is_cpf), _end),
    (NATIONAL_ID, _SSN, _whole(_is_ssn), _end),
    (NATIONAL_ID, _AHV, _whole(_is_ahv), _end),
    (CARD, _CARD, _card, _last_four),
    (NATIONAL_ID, _INSEE, _whole(_is_insee), _end),
    (IP, _IPV4, _whole(_is_ip), _first_part),
    (IP, _IPV6, _whole(_is_ip), _first_part),
    (PHONE, _PHONE, _whole(_is_phone), _end),
)

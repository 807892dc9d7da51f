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
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{0,63}[A-Za-z0-9]")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}\b")
_PHONE = re.compile(
    r"(?<![\w+.])(?:\+[1-9][0-9]{0,2}(?:[ ./-]?\(?[0-9]{1,5}\)?){2,7}"
    r"|00[1-9][0-9]{0,2}(?:[ ./-]\(?[0-9]{1,5}\)?){2,7}"
    r"|\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[.-][0-9]{4})(?![\w])"
)
_CARD = re.compile(r"(?<![\w.-])[2-6][0-9](?:[ -]?[0-9]){11,17}(?![\w]|[.-][0-9])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f:]{0,4}:[0-9A-Fa-f:]{3,40}(?![\w:])")
_SSN = re.compile(r"(?<![\w-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![\w-])")
_NINO = re.compile(
    r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?!\w)"
)
_DNI = re.compile(r"(?<!\w)[0-9XYZ][0-9]{7}-?[A-HJ-NP-TV-Z](?!\w)")
_FISCALE = re.compile(
    r"(?<!\w)[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z](?!\w)"
)
_INSEE = re.compile(
    r"(?<!\w)[12] ?[0-9]{2} ?[01][0-9] ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?!\w)"
)
_AHV = re.compile(r"(?<!\w)756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}(?!\w)")
_CPF = re.compile(r"(?<!\w)[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}(?!\w)")
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20,
    "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18,
    "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27,
    "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27,
    "MD": 24, "ME": 22, "MK": 19, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28,
    "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "XK": 20,
}  # fmt: skip


def find(text: str) -> Iterator[tuple[str, str]]:
    """Yields kind and masked value of each piece of personal data in a text, kind by kind."""
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
            start, end = match.span()
            if check(match[0]) and not any(a < end and start < b for a, b in taken[-50:]):
                taken.append((start, end))
                yield kind, mask(match[0])


# All numbers but addresses have six digits or more, close to each other.
_MANY_DIGITS = re.compile(r"(?:[0-9][^0-9]{0,4}){6}")
_has_digit = re.compile(r"[0-9]").search


def _emails(text: str) -> Iterator[str]:
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        if domain is not None:
            local = _LOCAL.match(text[max(0, at - 64) : at][::-1])
            if local is not None:
                name, _, top = domain[0].rpartition(".")
                yield f"{local[0][-1]}…@{name[0]}….{top}"
        at = text.find("@", at + 1)


def _digits(text: str) -> list[int]:
    return [int(sign) for sign in text if "0" <= sign <= "9"]


def is_card(text: str) -> bool:
    """Whether digits are the number of a payment card, by Luhn's sum."""
    digits = _digits(text)
    if not 13 <= len(digits) <= 19 or not any(digits[-4:]) or len(set(digits)) < 2:
        return False  # a round number, of a sum
    doubled = (d if n % 2 == 0 else d * 2 - 9 * (d > 4) for n, d in enumerate(reversed(digits)))
    return sum(doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether a text is an IBAN, by the length of its country and its check digits."""
    plain = text.replace(" ", "")
    if len(plain) != _IBAN_LENGTHS.get(plain[:2]):
        return False
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _is_phone(text: str) -> bool:
    return 8 <= len(_digits(text)) <= 15


def _is_ip(text: str) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (found.is_unspecified or found.is_loopback)


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
    month = int(plain[3:5])
    return 1 <= month <= 12 and 97 - int(plain[:13]) % 97 == int(plain[13:])


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


def _end(text: str) -> str:
    return f"…{text[-2:]}"


def _last_four(text: str) -> str:
    return f"…{''.join(map(str, _digits(text)[-4:]))}"


def _both_ends(text: str) -> str:
    return f"{text[:2]}…{text[-2:]}"


def _first_part(text: str) -> str:
    return f"{re.split('[.:]', text)[0]}…"


_Row = tuple[str, "re.Pattern[str]", Callable[[str], bool], Callable[[str], str]]
# The strictest first: what one has taken is nothing else.
_CHECKED: tuple[_Row, ...] = (
    (IBAN, _IBAN, is_iban, _both_ends),
    (NATIONAL_ID, _FISCALE, _is_fiscale, _end),
    (NATIONAL_ID, _DNI, _is_dni, _end),
    (NATIONAL_ID, _NINO, _any, _end),
    (NATIONAL_ID, _CPF, _is_cpf, _end),
    (NATIONAL_ID, _SSN, _is_ssn, _end),
    (NATIONAL_ID, _AHV, _is_ahv, _end),
    (CARD, _CARD, is_card, _last_four),
    (NATIONAL_ID, _INSEE, _is_insee, _end),
    (IP, _IPV4, _is_ip, _first_part),
    (IP, _IPV6, _is_ip, _first_part),
    (PHONE, _PHONE, _is_phone, _end),
)

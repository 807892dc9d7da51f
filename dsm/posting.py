"""One document sent to a server: no redirect is followed, so that nobody else is told.

Addresses may be secrets: an error says how it failed, and never where to.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib import error, parse, request

from dsm.errors import InvalidInput, StorageFailed

# Answers that say that the same may be taken later.
_LATER = {408, 425, 429, 500, 502, 503, 504}


class NotPosted(StorageFailed):
    """A server did not take a document: what the message says comes after its name.

    `again` says whether it may take it later.
    """

    code = "not-posted"

    def __init__(self, message: str, *, again: bool = False):
        super().__init__(message)
        self.again = again


class _NoRedirect(request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def check_address(address: str, schemes: tuple[str, ...], what: str) -> parse.SplitResult:
    """Returns the parts of an address. Raises InvalidInput for one that is none."""
    try:
        parts = parse.urlsplit(address)
        _ = parts.port
    except ValueError:
        raise InvalidInput(f"the address of the {what} is none") from None
    if parts.scheme not in schemes or not parts.hostname or not address.isascii():
        raise InvalidInput(f"the address of the {what} begins with {schemes[0]}://")
    return parts


def post_json(address: str, body: bytes, headers: Mapping[str, str], seconds: float) -> None:
    """Sends a JSON document; `seconds` is the time for each step of it. Raises NotPosted."""
    asked = request.Request(
        address, body, {"Content-Type": "application/json", "User-Agent": "dsm", **headers}
    )
    # An opener of our own: a proxy is that of the environment, other handlers are not there.
    opener = request.build_opener(_NoRedirect)
    try:
        with opener.open(asked, timeout=seconds) as answer:
            answer.read(1024)
    except error.HTTPError as failed:
        raise NotPosted(f"answered {failed.code}", again=failed.code in _LATER) from None
    except (OSError, HTTPException, ValueError) as failed:
        raise NotPosted(f"cannot be reached ({why(failed)})", again=True) from None


def why(failed: BaseException) -> str:
    """Returns the kind of an error: its words may hold the address."""
    reason = getattr(failed, "reason", None)
    found = reason if isinstance(reason, BaseException) else failed
    text = getattr(found, "strerror", None)
    return str(text) if text else type(found).__name__

"""Sending an alert: to a webhook, by e-mail, or by Apprise.

Addresses are secrets: an error says which channel failed and how, never where to. No redirect is
followed, so that nobody else is told.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from http.client import HTTPException
from importlib import import_module
from typing import Any
from urllib import error, parse, request

from dsm.alerts.message import Alert
from dsm.errors import InvalidInput, StorageFailed

SECONDS = 10.0
# What Slack reads as a mention or a link.
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class AlertFailed(StorageFailed):
    """An alert was not taken; the message names the channel and not its address."""

    code = "alert-failed"


class _NoRedirect(request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def send(channel: str, address: str, alert: Alert, to: str | None = None) -> None:
    """Sends an alert by a channel: "webhook", "email" (`address` is a server) or "apprise".

    Raises AlertFailed, and InvalidInput for an address that is none.
    """
    senders: dict[str, Callable[[], None]] = {
        "webhook": lambda: _webhook(address, alert),
        "email": lambda: _email(address, to or "", alert),
        "apprise": lambda: _apprise(address, alert),
    }
    senders[channel]()


def _webhook(address: str, alert: Alert) -> None:
    parts = _parts(address, ("https", "http"), "webhook")
    body = json.dumps({"text": alert.text.translate(_SLACK)}).encode()
    asked = request.Request(
        parts.geturl(), body, {"Content-Type": "application/json", "User-Agent": "dsm"}
    )
    # An opener of our own: a proxy is that of the environment, other handlers are not there.
    opener = request.build_opener(_NoRedirect)
    try:
        with opener.open(asked, timeout=SECONDS) as answer:
            answer.read(1024)
    except error.HTTPError as failed:
        raise AlertFailed(f"the webhook answered {failed.code}") from None
    except (OSError, HTTPException, ValueError) as failed:
        raise AlertFailed(f"the webhook cannot be reached ({_why(failed)})") from None


def _email(address: str, to: str, alert: Alert) -> None:
    parts = _parts(address, ("smtp", "smtps"), "e-mail server")
    message = EmailMessage()
    user = parse.unquote(parts.username or "")
    try:
        message["Subject"] = alert.subject.replace("\n", " ")
        message["From"] = user if "@" in user else to.split(",")[0].strip()
        message["To"] = to
    except ValueError:
        raise InvalidInput("alerts.email is no address of e-mail") from None
    message.set_content(alert.text)
    secure, host = ssl.create_default_context(), parts.hostname or ""
    try:
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, parts.port or 465, timeout=SECONDS, context=secure
            )
        else:
            server = smtplib.SMTP(host, parts.port or 587, timeout=SECONDS)
        with server:
            server.ehlo_or_helo_if_needed()
            if parts.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=secure)
            if user:
                if parts.scheme == "smtp" and not isinstance(server.sock, ssl.SSLSocket):
                    raise AlertFailed("the e-mail server offers no TLS: no password was sent")
                server.login(user, parse.unquote(parts.password or ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as failed:
        if isinstance(failed, AlertFailed):
            raise
        raise AlertFailed(f"the e-mail server did not take it ({_why(failed)})") from None


def _apprise(address: str, alert: Alert) -> None:
    try:
        apprise = import_module("apprise")
    except ImportError:
        raise AlertFailed(
            "alerts.apprise needs Apprise", hint="pip install dsm-datasets[alerts]"
        ) from None
    try:
        target = apprise.Apprise()
        taken = target.add(address) and target.notify(
            title=alert.subject, body="\n".join(alert.lines) or alert.subject
        )
    except Exception as failed:  # each service has errors of its own, with addresses in them
        raise AlertFailed(f"Apprise failed ({type(failed).__name__})") from None
    if not taken:
        raise AlertFailed("Apprise did not deliver it")


def _parts(address: str, schemes: tuple[str, ...], what: str) -> parse.SplitResult:
    try:
        parts = parse.urlsplit(address)
        _ = parts.port
    except ValueError:
        raise InvalidInput(f"the address of the {what} is none") from None
    if parts.scheme not in schemes or not parts.hostname or not address.isascii():
        raise InvalidInput(f"the address of the {what} begins with {schemes[0]}://")
    return parts


def _why(failed: BaseException) -> str:
    """Returns the kind of an error: its words may hold the address."""
    reason = getattr(failed, "reason", None)
    found = reason if isinstance(reason, BaseException) else failed
    text = getattr(found, "strerror", None)
    return str(text) if text else type(found).__name__

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
from importlib import import_module
from urllib import parse

from dsm.alerts.message import Alert
from dsm.errors import InvalidInput, StorageFailed
from dsm.posting import NotPosted, check_address, post_json, why

SECONDS = 10.0
# What Slack reads as a mention or a link.
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class AlertFailed(StorageFailed):
    """An alert was not taken; the message names the channel and not its address."""

    code = "alert-failed"


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
    parts = check_address(address, ("https", "http"), "webhook")
    body = json.dumps({"text": alert.text.translate(_SLACK)}).encode()
    try:
        post_json(parts.geturl(), body, {}, SECONDS)
    except NotPosted as failed:
        raise AlertFailed(f"the webhook {failed.message}") from None


def _email(address: str, to: str, alert: Alert) -> None:
    parts = check_address(address, ("smtp", "smtps"), "e-mail server")
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
        raise AlertFailed(f"the e-mail server did not take it ({why(failed)})") from None


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

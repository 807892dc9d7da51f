"""Sending alerts after a check that failed, or drift, as the user's own settings say."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from dsm.cli.output import message
from dsm.cli.session import Session
from dsm.errors import DsmError, InvalidInput

if TYPE_CHECKING:
    from dsm.alerts.message import Alert

_KINDS = {"env": "environment", "file": "file"}


def tell(s: Session, made: Callable[[], Alert]) -> None:
    """Sends what `made` says by each channel that is set; what fails is told, and changes nothing.

    Only the user's own settings count, and none in a folder that the repository brought along.
    """
    user = s.repo.config.user
    if user is None:
        return
    root = os.path.join(os.path.realpath(s.repo.root), "")
    if os.path.realpath(user.path).startswith(root):
        return
    channels = {"webhook": "alerts.webhook", "email": "alerts.smtp", "apprise": "alerts.apprise"}
    for channel, key in channels.items():
        try:
            place, to = user.get(key), user.get("alerts.email")
            if place is None or (channel == "email" and not to):
                continue
            _send(channel, place, made(), to)
        except DsmError as error:
            message(f"warning: no alert was sent: {error.message}")


def _send(channel: str, place: str, alert: Alert, to: str | None) -> None:
    from dsm.alerts.send import send
    from dsm.api import secret_of

    kind, colon, name = place.partition(":")
    if not colon or kind not in _KINDS:
        raise InvalidInput("a setting of alerts is neither env:NAME nor file:PATH")
    send(channel, secret_of(_KINDS[kind], name), alert, to)

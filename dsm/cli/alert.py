"""Sending alerts after a check that failed, or drift, as the user's own settings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsm.cli.output import message
from dsm.cli.session import Session
from dsm.errors import DsmError
from dsm.repo.config import own_settings

if TYPE_CHECKING:
    from dsm.alerts.message import Alert


def tell(s: Session, made: Callable[[], Alert]) -> None:
    """Sends what `made` says by each channel that is set; what fails is told, and changes nothing.

    Only the user's own settings count, and none in a folder that the repository brought along.
    """
    user = own_settings(s.repo.config, s.repo.root)
    if user is None:
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
    from dsm.api import address_of

    send(channel, address_of(place), alert, to)

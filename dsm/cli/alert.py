"""Sending alerts after a check or commit that failed, a failed gate of metrics, or drift, as the
user's own settings say."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from dsm.cli.output import message
from dsm.cli.session import Session
from dsm.errors import DsmError
from dsm.repo.config import own_settings

if TYPE_CHECKING:
    from dsm.alerts.message import Alert
    from dsm.repo.config import Config


def tell(s: Session, made: Callable[[], Alert]) -> None:
    """Sends what `made` says by each channel that is set; what fails is told, and changes nothing.

    Only the user's own settings count, and none in a folder that the repository brought along.
    """
    _tell(own_settings(s.repo.config, s.repo.root), made)


def tell_without_repository(made: Callable[[], Alert]) -> None:
    """Does what `tell` does where no repository was opened; one around here brings no settings."""
    from dsm.api import user_config

    try:
        user = user_config()
    except DsmError:
        return  # there is no folder for settings
    place = os.getcwd()
    while not os.path.isdir(os.path.join(place, ".dsm")) and place != os.path.dirname(place):
        place = os.path.dirname(place)
    around = os.path.join(os.path.realpath(place), "")
    if place == os.path.dirname(place) or not os.path.realpath(user.path).startswith(around):
        _tell(user, made)


def _tell(user: Config | None, made: Callable[[], Alert]) -> None:
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

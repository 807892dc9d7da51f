"""The table of probes. To add one, write its module and its row here."""

from __future__ import annotations

from dsm.checks.probes import brightness, content, delimited, personal
from dsm.checks.probes.probe import Probe

PROBES: dict[str, Probe] = {
    each.name: each for each in (content.PROBE, delimited.PROBE, personal.PROBE, brightness.PROBE)
}

"""Temporary files in folders of people."""

from __future__ import annotations

TEMPORARY = ".dsm-restore-"  # what a killed restore may leave behind

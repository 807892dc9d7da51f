"""Alerts: telling people elsewhere that a check failed, or that data drifted."""

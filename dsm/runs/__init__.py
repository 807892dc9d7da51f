"""Runs: which program read which views, with what parameters, and how it ended."""

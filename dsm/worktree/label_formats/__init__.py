"""Formats that people keep labels in: one module each, and `table.py`, the list of them."""

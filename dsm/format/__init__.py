"""Bytes to values and back: one file per on-disk format, each with its page in docs/format."""

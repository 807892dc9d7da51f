"""Keeping a repository whole: fsck and gc."""

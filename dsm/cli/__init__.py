"""The command line: one file per command, each parse, open, one library call, render."""

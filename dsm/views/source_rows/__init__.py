"""The rows that a view reads from sources: asked for, filtered and passed on."""

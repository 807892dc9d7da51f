"""Where data comes from and where it goes: sources, changesets, views, runs and what they wrote."""

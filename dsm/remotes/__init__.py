"""Remotes: a repository at another place, which needs no server."""

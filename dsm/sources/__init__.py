"""Restricted datastores: naming one, and running one query against it as a bounded stream."""

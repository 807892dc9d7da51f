"""Filters of a view: what each asks, in JSON, in words, as a mask and as a value of an example."""

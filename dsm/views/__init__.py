"""Queries over a dataset: name them, evaluate them, materialise them."""

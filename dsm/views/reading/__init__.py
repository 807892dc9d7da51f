"""A view's examples as Python objects and Arrow batches, in any order."""

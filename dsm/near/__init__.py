"""Which objects are nearly the same: pictures by how they look, texts by what they say.

Fingerprints first (`images.py`, `texts.py`), each made of one object and kept; then candidates that
share a part of theirs, so that not every object is compared with every other one; then each pair
is verified. What is found are pairs of objects, without examples, rules or views.
"""

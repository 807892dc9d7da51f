"""Ways in which bytes go bad: what disks, cut transfers and hostile hands do to a file."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Other bytes than `data`: flipped, cut, stretched, blanked, or with a part moved."""
    size = len(data)
    at = draw(st.integers(0, max(0, size - 1)))
    length = draw(st.integers(1, max(1, min(64, size - at))))
    kind = draw(st.sampled_from(["flip", "cut", "cut out", "blank", "put in", "append", "number"]))
    if kind == "flip":
        changed = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
    elif kind == "cut":
        changed = data[:at]
    elif kind == "cut out":
        changed = data[:at] + data[at + length :]
    elif kind == "blank":
        changed = data[:at] + bytes(length) + data[at + length :]
    elif kind == "put in":
        changed = data[:at] + draw(st.binary(min_size=1, max_size=64)) + data[at:]
    elif kind == "append":
        changed = data + draw(st.binary(min_size=1, max_size=64))
    else:  # sizes and counts are little-endian: the largest ones ask for the most memory
        number = draw(st.sampled_from([b"\xff" * 4, b"\xff" * 8, b"\0\0\0\x80", b"\1\0\0\0"]))
        changed = data[:at] + number + data[at + len(number) :]
    if changed == data:
        changed = data + b"\0"
    return changed

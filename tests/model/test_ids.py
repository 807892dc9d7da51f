"""Ids end to end are the list that they were made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.model.ids import Ids

ID = st.integers(1, 9).map(lambda n: bytes([n]) * 32)
SOME = st.lists(st.none() | ID, max_size=20)


@given(SOME, SOME, st.data())
def test_ids_are_the_list_that_they_were_made_of(
    first: list[bytes | None], more: list[bytes | None], data: st.DataObject
) -> None:
    ids, plain = Ids.of(first), [*first, *more]
    assert Ids.of(ids) is ids
    ids += more if data.draw(st.booleans()) else Ids.of(more)
    oid = data.draw(st.none() | ID)
    ids.append(oid)
    plain.append(oid)
    row = data.draw(st.integers(-len(plain), len(plain) - 1))
    ids[row] = plain[row] = data.draw(st.none() | ID)
    assert ids == plain
    assert [ids[row] for row in range(-len(plain), len(plain))] == plain * 2
    assert (len(ids), ids.lacking) == (len(plain), None in plain)
    assert ids.there() == b"".join(filter(None, plain))
    rows = data.draw(st.lists(st.integers(0, len(plain) - 1)))
    assert ids.take(rows) == Ids.of(plain[row] for row in rows)
    with pytest.raises(IndexError):
        ids[len(plain)]


def test_ids_of_many_blocks_are_walked_in_order() -> None:
    plain = [n.to_bytes(32, "big") if n % 1000 else None for n in range(1, 3000)]
    assert list(Ids.of(plain)) == plain

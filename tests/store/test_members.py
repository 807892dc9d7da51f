"""Members in columns are the mapping that they were made of."""

from __future__ import annotations

from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from dsm.store.members import Members

# Ids that share bytes, so that one may seem to lie within two others.
IDS = st.lists(st.sampled_from((b"\0", b"\1")), min_size=32, max_size=32).map(b"".join)
PLACES = st.dictionaries(IDS, st.tuples(st.integers(0, 1 << 31), st.integers(0, 1 << 22)))


@given(PLACES)
def test_members_are_the_mapping_they_were_made_of(places: dict[bytes, tuple[int, int]]) -> None:
    members = Members.of(places)
    assert list(members.items()) == list(places.items())
    assert Members.of(members) is members
    for oid in places:
        assert oid in members
        rest = members.without(oid)
        assert dict(rest) == {other: place for other, place in places.items() if other != oid}
    strange = blake3(b"strange").digest()
    assert strange not in members
    assert members.get(strange) is None

"""What can be wrong with a stored object: it is in no pack, or its bytes are not its own."""

from __future__ import annotations

from collections.abc import Iterable

from dsm.errors import DamagedData


class ObjectMissing(DamagedData):
    """No pack holds this object; with `elsewhere`, none of that place does either."""

    code = "object-missing"

    def __init__(self, oid: bytes, damaged: Iterable[str] = (), elsewhere: str | None = None):
        packs = tuple(damaged)
        more = (
            f" ({len(packs)} damaged pack{'s' * (len(packs) > 1)} could not be searched)"
            if packs
            else ""
        )
        super().__init__(
            f"object {oid.hex()} is not in the store{more}"
            if elsewhere is None
            else f"object {oid.hex()} is neither here nor on {elsewhere}",
            hint="`dsm fsck` tells which examples and changesets need it"
            if elsewhere is None
            else "`dsm fsck --remote --repair` in a copy that has it puts it there",
            items=(oid.hex(),),
        )
        self.oid = oid


class ObjectDamaged(DamagedData):
    """The bytes stored for this object are not what its name says."""

    code = "object-damaged"

    def __init__(self, oid: bytes, pack: str):
        super().__init__(
            f"object {oid.hex()} is damaged in pack {pack}",
            hint="`dsm fsck --full` tells which examples and changesets it hits",
            items=(oid.hex(),),
        )
        self.oid = oid

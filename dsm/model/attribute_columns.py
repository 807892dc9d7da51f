"""The attributes of many rows as columns: a mapping for each would take too much memory.

Numbers lie in arrays, other values once each, with a code a row. Read by row they are mappings, as
anywhere else. The standard library alone: `dsm status` reads what was staged so.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence

from dsm.model.example import Attributes, AttributeValue

INTS, FLOATS, CODED = "q", "d", "coded"
_NUMBERS = {int: INTS, float: FLOATS}
# So many different values, and more than half of all, are not looked for again: few come twice.
_LOOKED_FOR = 1 << 16


class Column:
    """The values of one attribute, by row; rows behind its end have none.

    Of numbers of one `kind` (INTS, FLOATS) `data` holds them, and `there` a 1 for each row that has
    one. Where it is CODED, `data` holds positions in `values`, at 0 of which is None: no value.
    """

    __slots__ = ("_known", "data", "kind", "there", "values")

    def __init__(self, kind: str, data: array, there: bytearray, values: list):  # type: ignore[type-arg]
        self.kind, self.data, self.there = kind, data, there
        self.values: list[AttributeValue | None] = values
        self._known: dict[object, int] | None = {}

    @classmethod
    def of(cls, value: AttributeValue) -> Column:
        """Returns an empty one for values as this one."""
        kind = _NUMBERS.get(type(value), CODED)
        return cls(kind, array("I" if kind == CODED else kind), bytearray(), [None])

    def put(self, row: int, value: AttributeValue) -> None:
        """Appends the value of a row; those between it and the last have none."""
        if self.kind != CODED and _NUMBERS.get(type(value)) != self.kind:
            self._code()
        missing = row - len(self.data)
        if missing:
            self.data.frombytes(bytes(missing * self.data.itemsize))
        if self.kind == CODED:
            self.data.append(self._code_of(value))
            return
        if missing:
            self.there += bytes(missing)
        self.data.append(value)
        self.there.append(1)

    def _code_of(self, value: AttributeValue) -> int:
        known = self._known
        # 1, 1.0 and True are equal, and 0.0 and -0.0, but they are different values.
        key = value if type(value) is str else (type(value), repr(value))
        code = None if known is None else known.get(key)
        if code is None:
            code = len(self.values)
            self.values.append(value)
            if known is not None:
                known[key] = code
                if code > _LOOKED_FOR and 2 * code > len(self.data):
                    self._known = None
        return code

    def _code(self) -> None:
        """Makes a column of numbers one of any values."""
        numbers, there = self.data, self.there
        self.kind, self.data, self.there = CODED, array("I"), bytearray()
        for number, is_there in zip(numbers, there, strict=True):
            self.data.append(self._code_of(number) if is_there else 0)

    def get(self, row: int) -> AttributeValue | None:
        """Returns the value of a row, None for none."""
        if row >= len(self.data):
            return None
        if self.kind == CODED:
            code: int = self.data[row]
            return self.values[code]
        return self.data[row] if self.there[row] else None

    def fill(self, count: int) -> None:
        """Ends at this row; rows that had no value yet have none."""
        missing = count - len(self.data)
        if missing > 0:
            self.data.frombytes(bytes(missing * self.data.itemsize))
            if self.kind != CODED:
                self.there += bytes(missing)

    def take(self, rows: Sequence[int]) -> Column:
        """Returns the values of some rows, in that order; all rows are filled."""
        data = array(self.data.typecode, map(self.data.__getitem__, rows))
        there = bytearray(map(self.there.__getitem__, rows)) if self.there else bytearray()
        taken = Column(self.kind, data, there, self.values)
        taken._known = None
        if self.kind == CODED:
            used = sorted({0, *data})
            if len(used) < len(self.values):
                codes = {code: new for new, code in enumerate(used)}
                taken.values = [self.values[code] for code in used]
                taken.data = array(data.typecode, map(codes.__getitem__, data))
        return taken

    def lead(self, count: int) -> None:
        """Puts so many rows without a value before the first one."""
        self.data[0:0] = array(self.data.typecode, bytes(count * self.data.itemsize))
        if self.kind != CODED:
            self.there[0:0] = bytes(count)

    def examples(self) -> Iterator[tuple[int, AttributeValue]]:
        """Yields rows and their values: one at least of each type, and of integers the extremes."""
        if self.kind != CODED:
            rows = [self.there.find(1)] if 1 in self.there else []
            if rows and self.kind == INTS:
                rows += (self.data.index(end(self.data)) for end in (min, max))
            yield from ((row, self.data[row]) for row in rows if self.there[row])
            return
        chosen: dict[object, int] = {}
        for code, value in enumerate(self.values):
            if value is None:
                continue
            if type(value) is int:
                ends = chosen.setdefault("least", code), chosen.setdefault("most", code)
                least, most = self.values[ends[0]], self.values[ends[1]]
                chosen["least"] = code if value < least else ends[0]  # type: ignore[operator]
                chosen["most"] = code if value > most else ends[1]  # type: ignore[operator]
            else:
                chosen.setdefault(type(value), code)
        for code in chosen.values():
            value = self.values[code]
            assert value is not None
            yield self.data.index(code), value

    def replace(self, values: Sequence[AttributeValue | None]) -> None:
        """Puts other values in the place of all that are CODED, in their order; None is none."""
        self.values[1:] = values
        self._known = None

    def types(self) -> set[type]:
        """Returns the types of its values."""
        if self.kind != CODED:
            return {int if self.kind == INTS else float} if 1 in self.there else set()
        return {type(value) for value in self.values if value is not None}


class AttributeColumns:
    """The attributes of rows, as a sequence of mappings that can grow; `columns` by name."""

    def __init__(self, count: int = 0, columns: dict[str, Column] | None = None):
        self._count = count
        self.columns: dict[str, Column] = {} if columns is None else columns

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: int) -> Attributes:
        found = {}
        for name, column in self.columns.items():
            value = column.get(row)
            if value is not None:
                found[name] = value
        return found

    def __iter__(self) -> Iterator[Attributes]:
        return map(self.__getitem__, range(self._count))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Iterable) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def append(self, attributes: Attributes) -> None:
        """Appends a row."""
        columns, row = self.columns, self._count
        for name, value in attributes.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = Column.of(value)
            column.put(row, value)
        self._count += 1

    def extend(self, rows: Iterable[Attributes]) -> None:
        """Appends rows."""
        for each in rows:
            self.append(each)

    def __iadd__(self, rows: Iterable[Attributes]) -> AttributeColumns:
        self.extend(rows)
        return self

    def lead(self, count: int) -> None:
        """Puts so many rows without attributes before the first one."""
        for column in self.columns.values():
            column.lead(count)
        self._count += count

    def fill(self) -> None:
        """Gives each column as many rows as there are."""
        for column in self.columns.values():
            column.fill(self._count)

    def take(self, rows: Sequence[int]) -> AttributeColumns:
        """Returns some rows, in that order."""
        self.fill()
        taken = {name: column.take(rows) for name, column in self.columns.items()}
        return AttributeColumns(len(rows), taken)

    def examples(self) -> Iterator[tuple[int, Attributes]]:
        """Yields rows and some of their attributes: of each name one of each type at least."""
        for name, column in self.columns.items():
            column.fill(self._count)
            yield from ((row, {name: value}) for row, value in column.examples())

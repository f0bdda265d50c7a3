"""Rows of a tariff's CSV files with typed cells, and the notices that name what is wrong with them."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Final

from kernel.errors import DomainError

Cell = str | int | Decimal | date | tuple[str, ...] | None


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Notice:
    """One finding: MobilityData's notice name, the file, the row (1 is the header), the field, and why."""

    file: str
    row: int
    field: str
    code: str
    detail: str
    severity: str = Severity.ERROR.value

    def to_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("severity", "code", "file", "row", "field", "detail")}

    def __str__(self) -> str:
        place = f"{self.file}:{self.row}" if self.row else self.file
        return f"{self.severity} {place} {self.field or '-'}: {self.code}: {self.detail}"


class TariffInvalidError(DomainError):
    """The tariff's files hold errors; `notices` lists them all, sorted by file and row."""

    detail = "The tariff has {count} errors; the first: {first}"

    def __init__(self, notices: tuple[Notice, ...]) -> None:
        errors = [notice for notice in notices if notice.severity == Severity.ERROR.value]
        super().__init__(
            count=len(errors),
            first=str(errors[0]) if errors else "",
            notices=[notice.to_json() for notice in notices],
        )
        self.notices = notices

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.notices,))


EPOCH: Final = date.min
FOREVER: Final = date.max


class Row:
    """One CSV row: where it stands, its typed cells, and the dates it is in force (both inclusive)."""

    __slots__ = ("cells", "file", "number", "valid_from", "valid_to")

    def __init__(self, file: str, number: int, cells: dict[str, Cell]) -> None:
        self.file = file
        self.number = number
        self.cells = cells
        start, end = cells.get("valid_from"), cells.get("valid_to")
        self.valid_from: date = start if isinstance(start, date) else EPOCH
        self.valid_to: date = end if isinstance(end, date) else FOREVER

    def text(self, field: str) -> str:
        """Return the cell as text, empty when it is empty or the column absent."""
        value = self.cells.get(field)
        return value if isinstance(value, str) else ""

    def whole(self, field: str) -> int | None:
        value = self.cells.get(field)
        return value if isinstance(value, int) else None

    def decimal(self, field: str) -> Decimal | None:
        value = self.cells.get(field)
        return value if isinstance(value, Decimal) else None

    def day(self, field: str) -> date | None:
        value = self.cells.get(field)
        return value if isinstance(value, date) else None

    def ids(self, field: str) -> tuple[str, ...]:
        """Return a list cell (`a;b;c`) as its ids, empty when none."""
        value = self.cells.get(field)
        return value if isinstance(value, tuple) else ()

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day <= self.valid_to

    def overlaps(self, other: "Row") -> bool:
        return self.valid_from <= other.valid_to and other.valid_from <= self.valid_to

    @property
    def where(self) -> str:
        """Return `file:row`, as explanations and notices cite it."""
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, slots=True)
class Feed:
    """A read tariff: rows per file, and which columns each file had (a column may matter by being there)."""

    rows: dict[str, tuple[Row, ...]]
    columns: dict[str, frozenset[str]]

    def of(self, file: str) -> tuple[Row, ...]:
        return self.rows.get(file, ())

    def has_column(self, file: str, column: str) -> bool:
        return column in self.columns.get(file, frozenset())

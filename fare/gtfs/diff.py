"""What changes between two tariffs, as a notice people can read, in Vietnamese and English."""

from dataclasses import dataclass
from typing import Final

from fare.gtfs.schema import FILES
from fare.gtfs.table import EPOCH, FOREVER, Feed, Row

_QUIET: Final = frozenset({"note", "source"})  # remarks about a row change no price
_WORDS: Final = {
    "added": ("mới", "new"),
    "removed": ("bỏ", "removed"),
    "changed": ("thay đổi", "changed"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is new, gone or different; `fields` are (name, before, after) as written in the files."""

    kind: str
    file: str
    key: str
    dates: str
    fields: tuple[tuple[str, str, str], ...]

    def to_json(self) -> dict[str, object]:
        return {
            "kind": self.kind, "file": self.file, "key": self.key, "dates": self.dates,
            "fields": [{"field": name, "before": before, "after": after} for name, before, after in self.fields],
        }  # fmt: skip

    def text(self, language: str) -> str:
        """Return the change as one line of a notice, in `vi` or `en`."""
        word = _WORDS[self.kind][language == "en"]
        changes = ", ".join(
            f"{name} {before or '∅'} → {after or '∅'}"
            if self.kind == "changed"
            else f"{name} {before or after}"
            for name, before, after in self.fields
        )
        return f"{self.file}: {word}: {self.key}{self.dates}: {changes}"


def diff_feeds(before: Feed, after: Feed) -> tuple[Change, ...]:
    """Return the changes from one tariff to another, by file and key; equal rules give none."""
    found: list[Change] = []
    for name, spec in FILES.items():
        old, new = _keyed(before, name), _keyed(after, name)
        for key in sorted(old.keys() | new.keys()):
            was, now = old.get(key), new.get(key)
            cells_was, cells_now = _cells(was), _cells(now)
            fields = tuple(
                (field, cells_was.get(field, ""), cells_now.get(field, ""))
                for field in sorted(cells_was.keys() | cells_now.keys())
                if cells_was.get(field, "") != cells_now.get(field, "")
                and (field not in spec.key or (was is not None and now is not None))
            )
            if was is not None and now is not None and not fields:
                continue
            kind = "added" if was is None else "removed" if now is None else "changed"
            row = now or was
            assert row is not None, "a key comes from a row"
            found.append(Change(kind, name, " / ".join(part for part in key[0] if part), _dates(row), fields))
    return tuple(found)


def _keyed(feed: Feed, name: str) -> dict[tuple[tuple[str, ...], str], Row]:
    key = FILES[name].key
    return {
        (tuple(_text(row.cells.get(part)) for part in key), row.valid_from.isoformat()): row
        for row in feed.of(name)
    }


def _cells(row: Row | None) -> dict[str, str]:
    if row is None:
        return {}
    return {
        name: _text(value) for name, value in row.cells.items() if name not in _QUIET and name != "valid_from"
    }


def _text(value: object) -> str:
    if value is None:
        return ""
    return ";".join(value) if isinstance(value, tuple) else str(value)


def _dates(row: Row) -> str:
    start = "" if row.valid_from == EPOCH else row.valid_from.isoformat()
    end = "" if row.valid_to == FOREVER else row.valid_to.isoformat()
    return f" [{f'{start} … {end}'.strip()}]" if start or end else ""

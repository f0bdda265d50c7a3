"""One table of reader.toml, read key by key; every complaint names file, table and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from readers.errors import ConfigError


class Table:
    """One TOML table being read; what nobody asked for is refused at the end."""

    def __init__(self, file: Path, name: str, raw: dict[str, Any]) -> None:
        found = raw.pop(name, {})
        if not isinstance(found, dict):
            raise ConfigError(f"{file}: [{name}] must be a table")
        self._file, self._name, self._raw = file, name, found

    def _wrong(self, key: str, why: str) -> ConfigError:
        return ConfigError(f"{self._file}: {self._name}.{key} {why}")

    def text(self, key: str, default: str | None = None, *, limit: int = 64) -> str:
        """Return a text; with a default of "" it may be left out."""
        value = self._raw.pop(key, default)
        if value is None:
            raise self._wrong(key, "is missing; write a text in quotes")
        if not isinstance(value, str):
            raise self._wrong(key, f"must be a text in quotes, not {value!r}")
        if default is None and not value.strip():
            raise self._wrong(key, "must not be empty")
        if len(value.encode()) > limit:
            raise self._wrong(key, f"must be at most {limit} bytes")
        if "\x00" in value:
            raise self._wrong(key, "must not hold a zero byte")
        return value

    def whole(self, key: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number from low to high."""
        value = self._raw.pop(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(key, f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """Return a number from low to high."""
        value = self._raw.pop(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(key, f"must be a number from {low} to {high}, not {value!r}")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._raw.pop(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, f"must be true or false, not {value!r}")
        return value

    def path(self, key: str) -> Path | None:
        """Return a path relative to the file's folder, None where it is left out."""
        value = self.text(key, "", limit=4096)
        return self._file.parent / value if value else None

    def choice(self, key: str, names: tuple[str, ...], default: str | None = None) -> str:
        """Return one of these names."""
        value = self.text(key, default)
        if value not in names:
            raise self._wrong(key, f"must be one of {', '.join(names)}, not {value!r}")
        return value

    def hexadecimal(self, key: str, size: int) -> bytes:
        """Return so many bytes, none where it is left out."""
        value = self.text(key, "")
        try:
            found = bytes.fromhex(value)
        except ValueError:
            found = b"?"
        if found and len(found) != size:
            raise self._wrong(key, f"must be {2 * size} hexadecimal digits, not {value!r}")
        return found

    def url(self, key: str) -> str:
        """Return an address without its last slash."""
        value = self.text(key, limit=2048).rstrip("/")
        if not _is_address(value):
            raise self._wrong(key, f"must look like https://host:port, not {value!r}")
        return value

    def zone(self, key: str, default: str) -> ZoneInfo:
        """Return a time zone by its name."""
        value = self.text(key, default)
        try:
            return ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise self._wrong(key, f"is no time zone name: {value!r}") from error

    def close(self) -> None:
        """Refuse what nobody asked for."""
        if self._raw:
            key = min(self._raw)
            raise self._wrong(key, "is not a setting of this table; see docs/readers.md")


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        # Asked for, a port out of range is a ValueError.
        named = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return False
    return bool(named) and not parts.query and not parts.fragment

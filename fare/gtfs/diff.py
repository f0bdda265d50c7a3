"""What changes between two tariffs, as a notice people can read, in Vietnamese and English."""

from dataclasses import dataclass
from typing import Final

from fare.gtfs.columns import Kind
from fare.gtfs.schema import FILES
from fare.gtfs.table import EPOCH, FOREVER, Feed, Row

_QUIET: Final = frozenset({"note", "source"})  # remarks about a row change no price
_ALONE: Final = "tariff.txt"  # one row a tariff: another version is the same row changed
_TIMES: Final = frozenset(
    (name, column.name) for name, spec in FILES.items() for column in spec.columns if column.kind is Kind.TIME
)
_WORDS: Final = {
    "added": ("mới", "new"),
    "removed": ("bỏ", "removed"),
    "changed": ("thay đổi", "changed"),
}
# What a row of a file is called; a file that is not here is called by its name.
_FILES: Final[dict[str, tuple[str, str]]] = {
    "tariff.txt": ("Biểu giá", "Tariff"), "agency.txt": ("Đơn vị vận chuyển", "Operator"),
    "routes.txt": ("Tuyến", "Route"), "stops.txt": ("Điểm dừng", "Stop"), "networks.txt": ("Mạng lưới", "Network"),
    "route_networks.txt": ("Tuyến thuộc mạng lưới", "Route in network"), "areas.txt": ("Khu vực", "Area"),
    "stop_areas.txt": ("Điểm dừng thuộc khu vực", "Stop in area"),
    "timeframes.txt": ("Khung giờ", "Timeframe"), "rider_categories.txt": ("Đối tượng", "Rider category"),
    "fare_media.txt": ("Phương tiện thanh toán", "Medium"), "fare_products.txt": ("Giá vé", "Fare"),
    "fare_leg_rules.txt": ("Quy tắc giá vé", "Fare rule"),
    "fare_transfer_rules.txt": ("Quy tắc chuyển tuyến", "Transfer rule"),
    "fare_matrix.txt": ("Giá vé giữa hai ga", "Fare between stations"),
    "distance_fares.txt": ("Giá vé theo cự ly", "Fare by distance"),
    "distance_bands.txt": ("Giá vé theo bậc cự ly", "Fare by distance band"),
    "transfer_windows.txt": ("Thời gian chuyển tuyến", "Transfer window"), "caps.txt": ("Mức trần", "Cap"),
    "passes.txt": ("Vé tháng, vé kỳ", "Pass"), "waivers.txt": ("Miễn vé", "Free travel"),
    "concessions.txt": ("Giảm giá", "Concession"), "ride_rules.txt": ("Quy tắc lượt đi", "Ride rule"),
    "incomplete_rides.txt": ("Lượt đi thiếu một lần quẹt", "Incomplete ride"),
    "same_station_exits.txt": ("Ra ở chính ga vào", "Exit where one entered"),
    "cash_rounding.txt": ("Làm tròn tiền mặt", "Cash rounding"),
    "revenue_shares.txt": ("Chia doanh thu", "Revenue share"),
    "park_and_ride.txt": ("Gửi xe và đi tiếp", "Park and ride"),
}  # fmt: skip
_FIELDS: Final[dict[str, tuple[str, str]]] = {
    "amount": ("giá", "price"), "currency": ("tiền tệ", "currency"), "period": ("kỳ", "period"),
    "rides": ("số lượt", "rides"), "duration_s": ("thời gian (giây)", "time (s)"), "funder": ("nguồn chi trả", "paid by"),
    "valid_to": ("đến hết ngày", "until"), "share_percent": ("mức giảm (%)", "share (%)"),
    "network_ids": ("mạng lưới", "networks"), "area_ids": ("khu vực", "areas"), "decision": ("quyết định", "decision"),
    "limit_min": ("thời hạn (phút)", "time limit (min)"), "fare_product_id": ("loại vé", "fare"),
    "max_uses": ("số lần chuyển", "changes"), "place_ids": ("bãi đỗ xe", "car parks"), "max_rides": ("số lượt mỗi ngày", "rides a day"),
    "validity": ("hiệu lực", "validity"), "status": ("tình trạng", "status"),
    "tariff_version": ("phiên bản", "version"), "zone": ("múi giờ", "time zone"),
    "day_starts": ("ngày bắt đầu lúc", "day starts at"), "true_on": ("đúng vào ngày", "true on"),
    "start_time": ("từ", "from"), "end_time": ("đến", "to"),
}  # fmt: skip


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
        """Return the change as one line of a notice, in `vi` or `en`; the file it stands in comes last."""
        at = language == "en"
        nothing = ("không có", "none")[at]

        def named(field: str) -> str:
            return _FIELDS[field][at] if field in _FIELDS else field

        changes = ", ".join(
            f"{named(name)} {before or nothing} → {after or nothing}"
            if self.kind == "changed"
            else f"{named(name)} {before or after}"
            for name, before, after in self.fields
        )
        what = _FILES[self.file][at] if self.file in _FILES else self.file
        title = f"{what} {self.key}".rstrip() + self.dates
        return f"{title}, {_WORDS[self.kind][at]}{f': {changes}' if changes else ''} ({self.file})"


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
    key = () if name == _ALONE else FILES[name].key
    return {
        (tuple(_text(name, part, row.cells.get(part)) for part in key), row.valid_from.isoformat()): row
        for row in feed.of(name)
    }


def _cells(row: Row | None) -> dict[str, str]:
    if row is None:
        return {}
    return {
        name: _text(row.file, name, value)
        for name, value in row.cells.items()
        if name not in _QUIET and name != "valid_from"
    }


def _text(file: str, field: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and (file, field) in _TIMES:
        return f"{value // 3600:02}:{value % 3600 // 60:02}:{value % 60:02}"
    return ";".join(value) if isinstance(value, tuple) else str(value)


def _dates(row: Row) -> str:
    start = "" if row.valid_from == EPOCH else row.valid_from.isoformat()
    end = "" if row.valid_to == FOREVER else row.valid_to.isoformat()
    return f" [{f'{start} … {end}'.strip()}]" if start or end else ""

"""The rate books of these tests: Hanoi's own and the foreign ones, and tables made up on the spot."""

from datetime import datetime
from functools import cache
from pathlib import Path

from parking.rate_dir import HANOI, load_rate_dir
from parking.rules.book import RateBook, load_rates
from parking.rules.rate import RateTable

RATES = Path(__file__).parent / "rates"
PLACES = "place_id,name,zone\nhere,Here,{zone}\n"
CLASSES = "class_id,name_vi,name_en\ncar,Ô tô,Car\n"
ASSIGNED = "place_id,vehicle_class,table_id\nhere,car,t\n"


@cache
def book(name: str) -> RateBook:
    """A directory of rates by its name."""
    return load_rate_dir(HANOI if name == "hanoi" else RATES / name)


def made_up(edges: str, lines: str, *, zone: str = "Asia/Ho_Chi_Minh", **files: str) -> dict[str, bytes]:
    """The files of one table `t`: `edges` as "field=value …", and the CSV of its lines."""
    pairs = [pair.partition("=")[::2] for pair in edges.split()]
    names = ",".join(["table_id", "name", *(name for name, _ in pairs)])
    values = ",".join(["t", "T", *(value for _, value in pairs)])
    texts = {
        "places": PLACES.format(zone=zone),
        "vehicle_classes": CLASSES,
        "rate_assignments": ASSIGNED,
        "rate_tables": f"{names}\n{values}\n",
        "rate_lines": lines,
        **files,
    }
    return {f"{name}.csv": text.encode() for name, text in texts.items()}


def table(edges: str, lines: str, *, zone: str = "Asia/Ho_Chi_Minh", **files: str) -> RateTable:
    """The table of `made_up` files, as it stands on 20 August 2018."""
    found = load_rates(made_up(edges, lines, zone=zone, **files))
    return found.table_for("here", "car", datetime.fromisoformat("2018-08-20T12:00+00:00"))

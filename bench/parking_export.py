"""parking.export: the most memory that `lienthong parking export stays` holds at 5,000 stays and at 50,000.

Peak resident memory of the command's own process, as CSV and as a spreadsheet, of the same 500 accounts; flat is at
most a tenth more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import create_engine, text

from bench.city import NOW
from bench.ledger_export import peak_mib
from bench.measure import Result, Stage
from ledger.rules.book_day import ZONE
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir

FEW: Final = 5_000
MANY: Final = 50_000
FORMATS: Final = ("csv", "xlsx")
GOAL: Final = 1.1
STAYS: Final = """
INSERT INTO parking_stay (fare_account_id, stay_day, stay_id, guest, subject, place_id, operator_id, vehicle_class,
    state, cases, first_at, entered_at, left_at, last_at, running, rates_version, engine_version, table_id, revision,
    total_minor, charged_minor, currency, billed_at)
SELECT CAST(lpad(to_hex(n % 500), 32, '0') AS uuid), CAST(:day AS date), gen_random_uuid(), n % 20 = 0, gen_random_uuid(), 'dong-da-01',
    'dongda-parking', 'car_le9', 'left', '', at, at, at + interval '1 hour', at + interval '1 hour', false, :version,
    'parking-1', '', 1, 25000, 25000, 'VND', at
FROM generate_series(1, :stays) AS n, LATERAL (SELECT CAST(:at AS timestamptz) + n * interval '1 second' AS at)
"""


def run(stage: Stage) -> list[Result]:
    """Fill two days and export the first, then both."""
    engine = create_engine(stage.servers.database_url)
    first = NOW.replace(hour=0) - timedelta(days=1)
    with engine.begin() as tx:
        two = {"prepared_by": "bench maker", "approved_by": "bench checker"}
        version = publish_rates(
            tx, read_rate_dir(HANOI), effective_at=first - timedelta(days=30), now=first, **two
        ).version
        for at, stays in ((first, FEW), (first + timedelta(days=1), MANY - FEW)):
            tx.execute(text(STAYS), {"day": at.date(), "at": at, "stays": stays, "version": version})
    engine.dispose()
    results = []
    for form in FORMATS:
        few, many = (
            peak_mib(stage, _words(Path(stage.folder) / f"stays.{form}", first, days)) for days in (1, 3)
        )
        results.append(
            Result(
                f"parking.export_memory_{form}",
                "MiB at most",
                many,
                few,
                many / few,
                f"ratio <= {GOAL:g}",
                many / few <= GOAL,
                f"{MANY:,} stays beside {FEW:,}; one run each",
            )
        )
    return results


def _words(out: Path, first: datetime, days: int) -> list[str]:
    day = first.astimezone(ZONE).date()
    period = ["--from", day.isoformat(), "--to", (day + timedelta(days=days)).isoformat()]
    return ["parking", "export", "stays", *period, "--out", str(out)]

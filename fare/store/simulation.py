"""SQL of what a simulation replays. Takes `tx`, decides nothing, commits nothing."""

from datetime import date

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId


def list_accounts(tx: Connection, first: date, last: date) -> tuple[FareAccountId, ...]:
    """Return the accounts with a bill on the service days from `first` to `last`, in order of id."""
    rows = tx.execute(
        text(
            "SELECT DISTINCT fare_account_id FROM fare_bill WHERE service_day BETWEEN :first AND :last "
            "ORDER BY fare_account_id"
        ),
        {"first": first, "last": last},
    )
    return tuple(FareAccountId(row[0]) for row in rows)

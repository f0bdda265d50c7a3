"""How numbers, money and instants look on a page, in the reader's language."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import format_date as babel_date
from flask_babel import format_decimal, format_timedelta

from kernel.money import Money

PLACE_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def count(number: int) -> str:
    """Return a whole number with the language's thousands separator."""
    return str(format_decimal(number))


def money(amount: Money) -> str:
    """Return an amount in full, e.g. "8.595 ₫" (vi) or "8,595 VND" (en)."""
    whole, rest = divmod(abs(amount.minor), 10**amount.currency.exponent)
    text = str(format_decimal(whole))
    if amount.currency.exponent:
        text += f".{rest:0{amount.currency.exponent}d}"
    sign = "−" if amount.minor < 0 else ""
    return f"{sign}{text}\u00a0{amount.currency.code}"


def on(day: date) -> str:
    """Return a date in words."""
    return str(babel_date(day, "full"))


def at(instant: datetime) -> str:
    """Return an instant as local time to the second."""
    return instant.astimezone(PLACE_ZONE).strftime("%H:%M:%S")


def moment(instant: datetime) -> str:
    """Return an instant as local date and time to the minute."""
    return instant.astimezone(PLACE_ZONE).strftime("%Y-%m-%d %H:%M")


def span(length: timedelta) -> str:
    """Return a length of time in words, e.g. "3 minutes"."""
    return str(format_timedelta(max(length, timedelta(0)), threshold=1.5))


def milliseconds(length: timedelta) -> str:
    """Return a short length of time in milliseconds."""
    return f"{count(length // timedelta(milliseconds=1))} ms"


def percent(part: int, whole: int) -> int:
    """Return a bar's length, 0 to 100."""
    return 0 if whole <= 0 else max(0, min(100, 100 * part // whole))

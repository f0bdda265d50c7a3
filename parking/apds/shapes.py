"""The small shapes that every APDS object is made of (APDS v4, ISO/TS 5206-1). Pure: values in, JSON values out.

An amount is a JSON number there; here it is a Decimal, and whoever writes JSON writes it exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from kernel.money import Money

Json = dict[str, Any]
PAGE: Final = 100


def text(vietnamese: str, english: str = "") -> list[Json]:
    """Return a multilingual text; one of its two languages may be unknown."""
    found = [{"language": "vi", "string": vietnamese}]
    return [*found, {"language": "en", "string": english}] if english else found


def reference(class_name: str, element_id: object) -> Json:
    """Return a reference to something that has no versions."""
    return {"className": class_name, "id": str(element_id)}


def versioned(class_name: str, element_id: object, version: int) -> Json:
    """Return a reference to one version of something."""
    return {"id": str(element_id), "version": version, "className": class_name}


def organisation(operator_id: str) -> Json:
    """Return the reference to an operator, or to the city where nobody operates; organisations have one version."""
    return versioned("Organisation", operator_id or "city", 1)


def amount(money: Money) -> Json:
    """Return an AmountInCurrency."""
    return {"currencyType": money.currency.code, "currencyValue": decimal(money)}


def decimal(money: Money) -> Decimal:
    """Return an amount in whole units of its currency, exactly."""
    return Decimal(money.minor).scaleb(-money.currency.exponent)


def duration(seconds: int) -> str:
    """Return an ISO 8601 duration of whole seconds: PT1H30M."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else "", f"{rest}S" if rest else ""]
    return "PT" + ("".join(parts) or "0S")


def page(found: Sequence[Json], *, offset: int, total: int, at: datetime) -> Json:
    """Return one page of a list: what was found of it, and how much there is."""
    meta = {"referenceInstant": int(at.timestamp()), "offset": offset, "pageSize": PAGE, "total": total}
    return {"meta": meta, "data": list(found)}

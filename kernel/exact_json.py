"""JSON whose amounts are exact numbers, as the formats of others ask for them."""

import json
from decimal import Decimal
from typing import Any


def exact_json(body: Any) -> str:
    """Return a body as JSON text with sorted keys; a Decimal is written with its own digits."""
    return json.dumps(body, default=_number, ensure_ascii=False, sort_keys=True)


def _number(value: object) -> Any:
    assert isinstance(value, Decimal), "amounts are the only numbers of their own"
    # A decimal of at most 15 digits is the shortest text of its float: JSON shows the same digits.
    return int(value) if value == value.to_integral_value() else float(value)

"""Where a stay's money stands, as the API, exports and receipts say it."""

from typing import Any

from parking.rules.settled import Settled


def settled_body(one: Settled) -> dict[str, Any]:
    """Return the state of a stay's money: settled or held, since when, by whose word, and why it is held."""
    return {
        "state": one.state.value,
        "settled_at": one.settled_at.isoformat() if one.settled_at else None,
        "by": list(one.by),
        "why": one.why.value if one.why else None,
        "parts": [
            {
                "method": each.method,
                "amount": each.amount.to_json(),
                "ref": each.ref,
                "settled_at": each.settled_at.isoformat() if each.settled_at else None,
                "by": list(each.by),
                "why": each.why.value if each.why else None,
                "detail": each.detail or None,
            }
            for each in one.parts
        ],
    }

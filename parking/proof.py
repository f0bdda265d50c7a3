"""Price proofs are recomputed: anybody with the rate files can check what a stay was charged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from kernel.errors import DomainError
from parking.rules.book import RateBook
from parking.rules.park_proof import check_cuts
from parking.rules.quote import ENGINE_VERSION, Basis, quote_between, quote_timeless
from parking.rules.told import check_told


class ProofMalformedError(DomainError):
    """The document is no price proof."""

    detail = "The document is no price proof: {reason}."


def check_proof(proof: Mapping[str, Any], book: RateBook) -> tuple[str, ...]:
    """Return what differs between a proof (`Quote.to_json` with place, class and user) and its recomputation.

    With `park_and_ride` (`park_proof.cuts_json`) what each ride took off is recomputed too, with `rights` and
    `discounts` (`told.told_json`) what they did. Empty when every line and the total hold. ProofMalformedError when
    a part is missing; NoRateError and its kin when these rates do not price the stay at all.
    """
    try:
        entered, left = datetime.fromisoformat(proof["from"]), datetime.fromisoformat(proof["to"])
        place_id, vehicle_class, user = proof["place_id"], proof["vehicle_class"], proof["user"]
        basis = Basis(proof.get("basis", Basis.STAY.value))
        extras = {str(name): Decimal(count) for name, count in proof["extras"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise ProofMalformedError(reason=str(error)) from None
    if entered.tzinfo is None or left.tzinfo is None:
        raise ProofMalformedError(reason="its times name no zone")
    if proof.get("engine_version") != ENGINE_VERSION:
        return (f"engine: {proof.get('engine_version')} made it, this is {ENGINE_VERSION}",)
    if proof.get("rates_version") != book.version:
        return (f"rates: it rests on {proof.get('rates_version')}, these are {book.version}",)
    table = book.table_for(place_id, vehicle_class, entered, user=user)
    if basis is Basis.STAY:
        again = quote_between(table, entered, left, extras=extras)
    else:
        again = quote_timeless(table, basis, entered, left)
    expected = again.to_json()
    try:
        cuts = check_cuts(proof.get("park_and_ride", ()), again, book, place_id, vehicle_class)
        cuts += check_told(proof, again, book, place_id, vehicle_class)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProofMalformedError(reason=f"what was taken off: {error}") from None
    return cuts + tuple(
        f"{name}: the proof says {proof.get(name)}, recomputed {expected[name]}"
        for name in ("table_id", "decision", "measured_s", "lines", "total")
        if proof.get(name) != expected[name]
    )

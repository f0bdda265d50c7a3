"""The rows of an operator's evidence file: JSON, one a line, the last one signs all before it (docs/settlement.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final
from uuid import UUID

from kernel.crypto.ed25519 import SigningKey

CONTEXT: Final = b"lienthong/evidence/1"


@dataclass(frozen=True, slots=True)
class Charge:
    """One difference of a bill, as a business booked it; `entry_id` is empty where no money moved."""

    house: str
    service_day: date
    subject_id: UUID
    route_id: str
    component: str
    funder: str
    rule: str
    minor: int
    trips: int
    entry_id: UUID | None


@dataclass(frozen=True, slots=True)
class PassPart:
    """What an operator's route earned of a pass product on the day."""

    product_id: str
    route_id: str
    basis: str
    weight: int
    minor: int


def row(name: str, **fields: object) -> bytes:
    """Return one row; the same fields always make the same bytes."""
    text = json.dumps({"row": name, **fields}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


def signed(rows: Iterable[bytes], signer: SigningKey) -> Iterator[bytes]:
    """Yield the rows and then the one that signs them: the SHA-256 of all before it, without its own line break."""
    digest = sha256()
    held = b""
    for one in rows:
        digest.update(held)
        held = one
        yield one
    digest.update(held.rstrip(b"\n"))
    body = digest.digest()
    yield row(
        "signature",
        key_id=signer.public.key_id.hex(),
        sha256=body.hex(),
        signature=signer.sign(CONTEXT, body).hex(),
    )

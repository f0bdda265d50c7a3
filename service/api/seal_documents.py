"""Seals and what proves with them, as JSON: what a stranger checks offline (docs/how-to-audit-us.md)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field

from ledger.rules.chain import SealKey
from ledger.rules.extension import Extension
from ledger.rules.row import sealed_bytes
from ledger.rules.seal import Inclusion, Seal, message_of
from service.api.ledger_documents import LineBody, row_document

Hex = Annotated[str, Field(pattern="^([0-9a-f]{2})*$")]


class SealBody(BaseModel):
    """A closed day's signed head; `message` is what was signed, after "lienthong/ledger-head/2" and a zero byte.

    `history` is the root over the heads of all seals before it. A seal from before histories has none and was signed
    after "lienthong/ledger-head/1".
    """

    book_day: date
    position: int
    leaf_count: int
    root: Hex
    previous_head: Hex
    head: Hex
    key_id: Hex
    signature: Hex
    sealed_at: AwareDatetime
    history: Hex | None
    message: Hex


class SealKeyBody(BaseModel):
    """A seal key; one that took over carries the signature of the one before it, from a position on."""

    key_id: Hex
    public_key: Hex
    introduced_by: Hex | None
    from_position: int | None
    introduction: Hex | None


class SealsBody(BaseModel):
    """Seals in chain order, and the keys they were signed with."""

    seals: list[SealBody]
    keys: list[SealKeyBody]


class InclusionBody(BaseModel):
    """What proves offline that a line stands in its day; `sealed` is what the leaf is hashed from."""

    line: LineBody
    sealed: Hex
    index: int
    path: list[Hex]
    seal: SealBody


class ProofsBody(BaseModel):
    """A proof for each line of the entry."""

    proofs: list[InclusionBody]


class TakeOverBody(SealKeyBody):
    """A seal key that took over, and the head before its first seal."""

    previous_head: Hex


class ExtensionBody(BaseModel):
    """What proves offline that `later` extends `earlier`, whose head somebody holds.

    `path` leads from the earlier head to the later seal's history; `keys` took over in between, in order.
    """

    earlier: SealBody
    later: SealBody
    path: list[Hex]
    keys: list[TakeOverBody]


def seal_document(seal: Seal) -> dict[str, Any]:
    """Return a SealBody."""
    return {
        "book_day": seal.book_day.isoformat(),
        "position": seal.position,
        "leaf_count": seal.leaf_count,
        "root": seal.root.hex(),
        "previous_head": seal.previous_head.hex(),
        "head": seal.head.hex(),
        "key_id": seal.key_id.hex(),
        "signature": seal.signature.hex(),
        "sealed_at": seal.sealed_at.isoformat(),
        "history": None if seal.history is None else seal.history.hex(),
        "message": message_of(seal).hex(),
    }


def key_document(one: SealKey) -> dict[str, Any]:
    """Return a SealKeyBody."""
    return {
        "key_id": one.key.key_id.hex(),
        "public_key": one.key.raw.hex(),
        "introduced_by": None if one.introduced_by is None else one.introduced_by.hex(),
        "from_position": one.from_position,
        "introduction": None if one.introduction is None else one.introduction.hex(),
    }


def inclusion_document(proof: Inclusion) -> dict[str, Any]:
    """Return an InclusionBody."""
    return {
        "line": row_document(proof.row),
        "sealed": sealed_bytes(proof.row).hex(),
        "index": proof.index,
        "path": [step.hex() for step in proof.path],
        "seal": seal_document(proof.seal),
    }


def extension_document(proof: Extension) -> dict[str, Any]:
    """Return an ExtensionBody."""
    return {
        "earlier": seal_document(proof.earlier),
        "later": seal_document(proof.later),
        "path": [step.hex() for step in proof.path],
        "keys": [{**key_document(one.key), "previous_head": one.previous_head.hex()} for one in proof.keys],
    }

"""An operator's evidence: everything its settlement was made of, so that it can compute it again for itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import OperatorId
from ledger import terms as terms_verbs
from ledger.close_period import find_seal, list_keys
from ledger.rules.evidence import Charge, PassPart, row, signed
from ledger.rules.seal import KEY_SIZE, message_of, split_leaves
from ledger.rules.settlement import AMOUNTS, Settled, Settlement
from ledger.rules.terms import share_parts
from ledger.settle import CASH_KINDS, NET_KINDS, SUBSIDY_KINDS
from ledger.store import evidence as store
from ledger.store import seals


def write_evidence(
    tx: Connection,
    settled: Settled,
    operator: OperatorId,
    *,
    charges: Iterable[Charge],
    passes: Iterable[PassPart],
    signer: SigningKey,
) -> Iterator[bytes]:
    """Yield the lines of an operator's evidence file, signed with the key that sealed the day. Flat in memory."""
    (one,) = (each for each in settled.settlements if each.operator_id == operator)
    return signed(_rows(tx, settled, one, charges, passes), signer)


def _rows(
    tx: Connection,
    settled: Settled,
    one: Settlement,
    charges: Iterable[Charge],
    passes: Iterable[PassPart],
) -> Iterator[bytes]:
    unit, operator, day = one.net.currency, one.operator_id, settled.book_day
    yield row(
        "settlement",
        book_day=day.isoformat(),
        operator_id=operator,
        currency=unit.code,
        trips=one.trips,
        net=one.net.minor,
        cash_kept=one.cash_kept.minor,
        to_pay=one.to_pay.minor,
        **{name: getattr(one, name).minor for name in AMOUNTS},
    )
    for line in settled.lines:
        if line.operator_id == operator:
            yield row(
                "line",
                house=line.house,
                mode=line.mode,
                route_id=line.route_id,
                service_day=line.service_day.isoformat(),
                trips=line.trips,
                **{name: getattr(line, name).minor for name in AMOUNTS},
            )
    for claim in settled.claims:
        if claim.operator_id == operator:
            yield row(
                "claim",
                house=claim.house,
                route_id=claim.route_id,
                service_day=claim.service_day.isoformat(),
                funder=claim.funder,
                component=claim.component,
                rule=claim.rule,
                rides=claim.rides,
                minor=claim.amount.minor,
            )
    yield from _terms(tx, settled, operator)
    for part in passes:
        yield row(
            "pass",
            product_id=part.product_id,
            route_id=part.route_id,
            basis=part.basis,
            weight=part.weight,
            minor=part.minor,
        )
    for charge in charges:
        yield row(
            "bill",
            house=charge.house,
            service_day=charge.service_day.isoformat(),
            subject_id=str(charge.subject_id),
            route_id=charge.route_id,
            component=charge.component,
            funder=charge.funder,
            rule=charge.rule,
            minor=charge.minor,
            trips=charge.trips,
            entry_id=charge.entry_id.hex if charge.entry_id else "",
        )
    accounts = store.list_accounts(tx, operator, unit.code, (*NET_KINDS, *SUBSIDY_KINDS, *CASH_KINDS))
    for account, kind in accounts:
        yield row("account", account_id=account.hex, kind=kind)
    for record in store.stream_records(tx, day, [account for account, _ in accounts]):
        yield row("ledger", record=record.hex())
    yield from _sealed(tx, settled)


def _terms(tx: Connection, settled: Settled, operator: OperatorId) -> Iterator[bytes]:
    held = terms_verbs.in_force(tx, settled.book_day, signed_by=find_seal(tx, settled.book_day).sealed_at)
    if operator in held:
        mine = held[operator]
        yield row("terms", fee_basis_points=mine.fee_basis_points, fee_per_trip=mine.fee_per_trip)
    for part in share_parts(settled.lines, held):
        if operator in {part.to, part.line.operator_id}:
            yield row(
                "share",
                house=part.line.house,
                payer=part.line.operator_id,
                to=part.to,
                route_id=part.line.route_id,
                service_day=part.line.service_day.isoformat(),
                base=part.line.base.minor,
                per_mille=part.per_mille,
                minor=part.amount.minor,
            )


def _sealed(tx: Connection, settled: Settled) -> Iterator[bytes]:
    seal = find_seal(tx, settled.book_day)
    for known in list_keys(tx):
        if known.key.key_id == seal.key_id:
            yield row("key", key_id=known.key.key_id.hex(), public_key=known.key.raw.hex())
    yield row(
        "seal",
        book_day=seal.book_day.isoformat(),
        key_id=seal.key_id.hex(),
        message=message_of(seal).hex(),
        signature=seal.signature.hex(),
    )
    for chunk in seals.chunks(tx, seal.book_day):
        leaves = b"".join(leaf[KEY_SIZE:] for leaf in split_leaves(chunk.leaves))
        yield row("chunk", number=chunk.number, leaves=leaves.hex())

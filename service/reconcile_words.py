"""Reconciliation as JSON has it: exceptions, matches, figures; for the API and the commands alike."""

from collections.abc import Iterator
from typing import Any

from ledger.rules.reconcile import Figures, Match, Waiting
from ledger.rules.settlement import Coverage


def as_document(row: Waiting) -> dict[str, Any]:
    """Return an exception as JSON can carry it."""
    return {
        "exception_id": str(row.exception_id),
        "item_id": str(row.item_id),
        "side": row.side,
        "reason": row.why.value,
        "amount": row.amount.to_json(),
        "occurred_on": row.occurred_on.isoformat(),
        "reference": row.reference,
        "detail": row.detail,
        "opened_at": row.opened_at.isoformat(),
        "age_s": int(row.age.total_seconds()),
        "assigned_to": row.assigned_to,
        "proposed": row.proposed,
        "suggestion": row.suggestion,
        "hint": row.hint,
    }


def match_document(one: Match) -> dict[str, Any]:
    """Return a match as JSON can carry it."""
    return {
        "match_id": str(one.match_id),
        "relation": one.relation,
        "rule": one.rule.value,
        "live": one.live,
        "made_at": one.made_at.isoformat(),
        "item_id": str(one.item_id),
        "side": one.side,
        "amount": one.amount.to_json(),
        "occurred_on": one.occurred_on.isoformat(),
        "reference": one.reference,
        "acts": [
            {"act": act, "actor": actor, "at": at.isoformat(), "note": note}
            for act, actor, at, note in one.acts
        ],
    }


def figures_document(found: Figures) -> dict[str, Any]:
    """Return the figures as JSON can carry them."""
    return {
        "movements": found.movements,
        "moved": found.moved.to_json(),
        "matched": found.matched,
        "matched_amount": found.matched_amount.to_json(),
        "matched_permille": found.matched_permille,
        "queued": found.queued,
        "queued_amount": found.queued_amount.to_json(),
        "unexplained": found.unexplained,
        "unexplained_amount": found.unexplained_amount.to_json(),
        "oldest_exception_at": None if found.oldest is None else found.oldest.isoformat(),
        "exceptions": [
            {"reason": reason, "count": count, "amount": amount.to_json()}
            for reason, count, amount in found.by_reason
        ],
        "suspense": [{"reason": reason, "amount": amount.to_json()} for reason, amount in found.suspense],
        "quarantined_files": found.quarantined_files,
        "chain_gaps": found.chain_gaps,
        "bank_closing": [
            {"account": account, "amount": amount.to_json(), "on": None if on is None else on.isoformat()}
            for account, amount, on in found.bank_closing
        ],
        "differences": [
            {
                "on": one.on.isoformat(),
                "books": one.books.to_json(),
                "bank": one.bank.to_json(),
                "amount": one.amount.to_json(),
                "hint": one.hint,
            }
            for one in found.differences
        ],
        "coverage": None if found.coverage is None else coverage_document(found.coverage),
        "operators": [
            {"operator_id": name, "net": net.to_json(), "to_pay": to_pay.to_json()}
            for name, net, to_pay in found.operators
        ],
    }


def coverage_document(found: Coverage) -> dict[str, Any]:
    """Return the coverage of stored value at the end of a settled day as JSON can carry it."""
    return {
        "book_day": found.book_day.isoformat(),
        "stored_value": found.stored_value.to_json(),
        "guarantee": found.guarantee.to_json(),
        "clearing": found.clearing.to_json(),
        "receivable": found.receivable.to_json(),
        "surplus": found.surplus.to_json(),
        "covered": found.covered,
    }


def figures_lines(found: Figures) -> Iterator[str]:
    """Yield the figures as people read them."""
    share = f"{found.matched_permille // 10}.{found.matched_permille % 10} %"
    yield (f"matched      {found.matched} of {found.movements} movements, {found.matched_amount} ({share})")
    yield f"in the queue {found.queued}, {found.queued_amount}; oldest {found.oldest or '-'}"
    for reason, count, amount in found.by_reason:
        yield f"  {reason:<22} {count:>6} {amount!s:>22}"
    yield f"unexplained  {found.unexplained}, {found.unexplained_amount}"
    for reason, amount in found.suspense:
        yield f"suspense     {reason:<22} {amount!s:>22}"
    yield f"quarantined files {found.quarantined_files}, gaps in the chain {found.chain_gaps}"
    for one in found.differences:
        yield (f"differs      {one.on}: bank {one.bank}, books {one.books}: {one.amount} {one.hint}".rstrip())
    if found.coverage is not None:
        covered = "covered" if found.coverage.covered else "NOT COVERED"
        yield (
            f"coverage     {found.coverage.book_day}: stored value {found.coverage.stored_value}, {covered}, "
            f"surplus {found.coverage.surplus}"
        )
    for name, net, to_pay in found.operators:
        yield f"net          {name:<22} {net!s:>22} to pay {to_pay}"

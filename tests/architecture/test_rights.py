"""What the service may change: every table that is not named here is append-only for it, new ones too."""

import pytest
from sqlalchemy import text

# Registers, locked rows and queues, each changed in place for the reason given. Evidence, entries, bills, seals,
# settlements and the trail are never among them.
MAY_UPDATE = {
    "api_credential": "revoked",
    "staff_user": "password, state",
    "card": "state; its UID's hash when its person is erased",
    "device": "state",
    "device_code": "used up",
    "device_key": "retired",
    "device_head": "moves on",
    "device_heartbeat": "the latest word replaces the one before",
    "data_key": "erased with its person",
    "deny_change": "numbered when it is published",
    "exception_queue": "resolved",
    "review_case": "closed",
    "fare_account": "row version",
    "ledger_account": "state",
    "ledger_balance": "the running balance, proven from the lines",
    "ledger_rollup": "the running sums, proven from the lines",
    "ledger_control": "the running sums, proven from the lines",
    "ledger_hold": "ended once",
    "ledger_suspense": "owner",
    "ledger_recon_edge": "out of force when its match is undone",
    "ledger_recon_exception": "owner",
    "ledger_recon_arrival": "looked at by one of two steps",
    "ledger_recon_total": "running totals, from the arrivals",
    "ledger_topup_intent": "state",
    "ledger_payout": "state; its steps are append-only",
    "ledger_subsidy": "state",
    "ledger_subsidy_claim": "live, when the statement is gone",
    "ledger_payout_subsidy": "live, when the payout is gone",
    "ledger_mandate": "state; what a rider said stays",
    "ledger_mandate_charge": "handed over and ended, each once",
    "ledger_invoice_series": "the next number, forwards only",
    "ledger_invoice": "state; its steps are append-only",
    "fare_pass_order": "ended once, when its payment came",
    "rider_code": "tries, used up",
    "rider_sign_in": "ended",
    "rider_notice": "sent; an outbox",
    "rider_notice_mark": "moves on",
    "ledger_dispute": "state; its steps are append-only",
    "ledger_goodwill": "state; its steps are append-only",
    "legacy_import": "ended once",
    "legacy_card": "moved once to the holder's new card",
    "parking_webhook": "where, what, the secret's generation, ended",
    "parking_webhook_event": "sent, put off or dead; an outbox",
    "parking_stay": "the newest revision of a stay; its lines are append-only",
    "parking_stay_key": "as the stay, which its triggers follow",
}
MAY_DELETE = {
    "account_identity": "erased with its person",
    "benefit_due": "a queue of bills to make anew",
    "device_unchained": "links that the head has passed",
    "ledger_notification_due": "outbox",
    "ledger_recon_arrival": "looked at",
    "ledger_recon_due": "booked",
    "ledger_recon_open": "matched",
    "ledger_recon_untold": "told",
    "parking_stay_change": "an outbox's own, once every webhook has looked",
    "staff_role": "taken away",
}


@pytest.mark.parametrize(
    ("right", "listed"), [("UPDATE", MAY_UPDATE), ("DELETE", MAY_DELETE), ("TRUNCATE", {})]
)
def test_the_service_changes_only_what_is_listed(owner_tx, right, listed):
    rows = owner_tx.execute(
        text(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND (has_table_privilege('lienthong', oid, :right)"
            " OR :right = 'UPDATE' AND has_any_column_privilege('lienthong', oid, 'UPDATE'))"
        ),
        {"right": right},
    )
    assert set(rows.scalars()) == set(listed)

"""The fallback where a notification never comes: the demo's bank is asked, as payOS would be."""

import json

from ledger import suspense
from service.jobs import topup_poll
from service.services import EXTENSION
from tests.demo.test_bank import bank, rider

__all__ = ["bank", "rider"]


def test_a_payment_that_nobody_notified_is_asked_for(app, bank, rider, now):
    """The fallback: nothing came, so the provider is asked; a notification that comes after all changes nothing."""
    running = app.extensions[EXTENSION]
    lost, unpaid, told = rider.ask(50_000), rider.ask(20_000), rider.ask(30_000)
    bank.call("/pay", {"qr": lost.qr, "notify": False})
    bank.call("/pay", {"qr": told.qr})
    assert bank.call("/flush", {"timeout_s": 20}) == {"sent": True}
    settings = running.settings.model_copy(
        update={"payos_url": bank.url, "payos_client_id": "us", "payos_api_key": "key", "topup_poll_s": 0}
    )

    over_http = topup_poll.over_http(settings)

    def poll(ask=over_http) -> dict[object, list[str]]:
        found = topup_poll.poll(
            running.database, settings=settings, clock=running.clock, shelf=lambda: running.shelf, ask=ask
        )
        return {one.intent.intent_id: [did.outcome for did in one.applied] or [one.failed] for one in found}

    assert rider.loaded == 30_000
    assert poll() == {lost.intent_id: ["credited"], unpaid.intent_id: [""]}
    assert rider.loaded == 80_000
    assert poll() == {unpaid.intent_id: [""]}, "what is credited is not asked about again"
    bank.call("/pay", {"qr": unpaid.qr, "amount": 19_000, "notify": False})
    assert poll() == {unpaid.intent_id: ["underpaid"]}
    assert poll() == {unpaid.intent_id: ["underpaid"]}, "the same answer is the same notification"
    with running.database.read() as tx:
        assert [row.amount.minor for row in suspense.list_suspense(tx, now=now)] == [19_000]

    def forged(_: int) -> bytes:
        return json.dumps({"data": {"transactions": []}, "signature": "0" * 64}).encode()

    def silent(_: int) -> bytes:
        raise OSError("nobody answers")

    assert "signature" in poll(forged)[unpaid.intent_id][0]
    assert poll(silent) == {unpaid.intent_id: ["nobody answers"]}

"""Phones' QR keys, chip citizen IDs and bank cards as tokens of an account."""

from base64 import b64decode
from datetime import timedelta

import pytest
from sqlalchemy import text

from access import deny
from access.rules.qr import QrAccepted, QrRefusal, QrRefused, ReplayWindow, check_code, make_code
from kernel.crypto.ed25519 import SigningKey
from service.staff import Role
from tests.service.test_cards_api import ask, cards, event, running, signed_in

pytestmark = pytest.mark.usefixtures("described")

__all__ = ["ask", "cards", "running"]
PHONE = SigningKey.generate()
CHIP = bytes(range(16)).hex()


def asked(kind, token, **more):
    return {"kind": kind, "token": token, "expires_on": "2030-12-31", **more}


def path(card):
    return f"/v1/accounts/{card.fare_account_id}/media"


def test_a_phones_key_is_certified_and_its_codes_open_until_it_is_blocked(ask, running, cards, keyring, now):
    token = signed_in(running, cards[0], keyring, now)
    status, made = ask("POST", path(cards[0]), asked("qr", PHONE.public.raw.hex()), token=token)
    assert (status, made["kind"], made["state"]) == (200, "qr", "active")
    certificate = b64decode(made["certificate"])
    with running.database.begin() as tx:
        listed = deny.snapshot(tx, deny.publish(tx))

    def check(listed, at=now):
        return check_code(
            make_code(certificate, PHONE, at=at, nonce=b"1234"),
            issuer=keyring.bundle_key.public,
            now=at,
            denies=listed.denies,
            window=ReplayWindow(),
        )

    assert check(listed) == QrAccepted(made["card_serial"], now)
    assert check(listed, now + timedelta(days=8)) == QrRefused(QrRefusal.NOT_CERTIFIED)
    again = ask("POST", path(cards[0]), asked("qr", PHONE.public.raw.hex()), token=token)[1]
    assert again["card_serial"] == made["card_serial"]
    assert (
        ask("POST", f"/v1/cards/{made['card_serial']}/events", event("reported_lost"), token=token)[0] == 200
    )
    with running.database.begin() as tx:
        listed = deny.snapshot(tx, deny.publish(tx))
    assert check(listed) == QrRefused(QrRefusal.DENIED)
    renewed = ask("POST", path(cards[0]), asked("qr", PHONE.public.raw.hex()))[1]
    assert renewed["certificate"] is None, "what is lost is not certified again"


@pytest.mark.parametrize(
    ("kind", "token", "status"),
    [
        ("citizen", CHIP, 200),
        ("bank", CHIP, 200),
        ("citizen", b"001060012345".hex(), 422),
        ("bank", b"4111111111111111".hex(), 422),
        ("bank", "4111111111111111", 422),
        ("qr", CHIP, 422),
        ("transit", CHIP, 422),
        ("citizen", "00", 422),
    ],
)
def test_a_token_is_registered_or_refused(ask, cards, kind, token, status):
    assert ask("POST", path(cards[0]), asked(kind, token))[0] == status


def test_a_token_belongs_to_one_account_and_is_kept_as_a_hash(ask, running, cards):
    assert ask("POST", path(cards[0]), asked("citizen", CHIP))[0] == 200
    assert ask("POST", path(cards[1]), asked("citizen", CHIP))[1]["type"] == "/problems/card-issued"
    with running.database.read() as tx:
        rows = tx.execute(
            text("SELECT t::text FROM card t UNION ALL SELECT t::text FROM audit_trail t")
        ).scalars()
        assert all(CHIP not in row for row in rows)


def test_riders_register_their_phone_and_nothing_else(ask, running, cards, keyring, now):
    token = signed_in(running, cards[0], keyring, now)
    assert ask("POST", path(cards[0]), asked("citizen", CHIP), token=token)[0] == 403
    assert ask("POST", path(cards[1]), asked("qr", PHONE.public.raw.hex()), token=token)[0] == 403
    assert ask("POST", path(cards[0]), asked("qr", PHONE.public.raw.hex()), role=Role.INSPECTOR)[0] == 403

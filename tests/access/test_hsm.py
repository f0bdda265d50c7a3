"""Card masters in a PKCS#11 token, against SoftHSM2 (Debian: softhsm2)."""

import os
import subprocess
from pathlib import Path

import pytest

from access.hsm import KEPT_ROLES, Token
from access.keyring import Keyring, KeyringError
from kernel.crypto.card_keys import Role, card_key
from kernel.crypto.tmac import tmv, verify_tmv

MODULES = [
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
]
MODULE = next((each for each in MODULES if each.exists()), None)
UID = bytes.fromhex("04112233445566")
KEK = bytes(range(32))
PIN = "271828"

pytestmark = pytest.mark.skipif(MODULE is None, reason="SoftHSM2 is not installed (apt-get install softhsm2)")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """SoftHSM2's folder: its library reads the variable once a process, when it is loaded."""
    made = tmp_path_factory.mktemp("softhsm")
    (made / "tokens").mkdir()
    (made / "softhsm2.conf").write_text(f"directories.tokendir = {made}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(made / "softhsm2.conf")
    return made


@pytest.fixture
def token(home, request):
    """A fresh token, named after its test."""
    label = request.node.name[:32]
    tool = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "314159", "--pin", PIN]
    subprocess.run(tool, check=True, capture_output=True)
    from pkcs11 import lib

    lib(str(MODULE)).reinitialize()  # tokens that were made since it was loaded are seen from then on
    return Token(MODULE, label, PIN)


def test_masters_are_drawn_in_the_token_and_the_file_holds_none_of_them(token, tmp_path):
    made = Keyring.create(tmp_path / "ring", KEK, token=token)
    assert made.in_token
    assert set(made._secrets.masters[1]) == {Role.AUTH, Role.DEBIT}
    opened = Keyring.load(tmp_path / "ring", KEK, token)
    assert opened.card_keys(UID, 1) == made.card_keys(UID, 1)
    assert len(set(opened.card_keys(UID, 1).values())) == len(Role), "each role's master is its own"
    assert set(opened.auth_masters()) == {1}


def test_no_master_can_be_read_out_of_the_token(token, tmp_path):
    from pkcs11 import Attribute
    from pkcs11.exceptions import AttributeSensitive

    Keyring.create(tmp_path / "ring", KEK, token=token)
    found = list(token._open().get_objects({Attribute.LABEL: "lienthong TMAC 1"}))
    assert len(found) == 1
    for key in found:
        assert not key[Attribute.EXTRACTABLE]
        assert key[Attribute.NEVER_EXTRACTABLE], "drawn inside: it never was anywhere else"
        with pytest.raises(AttributeSensitive):
            key[Attribute.VALUE]


def test_an_existing_keyring_moves_in_and_every_card_keeps_its_keys(token, tmp_path):
    before = Keyring.create(tmp_path / "ring", KEK)
    kept = dict(before._secrets.masters[1])
    moved = Keyring.move_to_token(tmp_path / "ring", KEK, token)
    assert moved.card_keys(UID, 1) == before.card_keys(UID, 1)
    assert moved.card_keys(UID, 1) == {role: card_key(key, UID, 1) for role, key in kept.items()}, "AN10922"
    assert moved.auth_masters() == before.auth_masters()
    assert moved.lookup(b"uid", UID) == before.lookup(b"uid", UID)
    assert Keyring.move_to_token(tmp_path / "ring", KEK, token).card_keys(UID, 1) == before.card_keys(UID, 1)
    with pytest.raises(KeyringError, match="PKCS#11"):
        Keyring.load(tmp_path / "ring", KEK)


def test_a_transaction_mac_is_verified_under_a_master_that_only_the_token_has(token, tmp_path):
    ring = Keyring.create(tmp_path / "ring", KEK, token=token)
    card = ring.tmac_key(UID, 1)
    assert card is not None
    tmi = bytes(48)
    value = tmv(card, uid=UID, tmc=7, tmi=tmi)
    again = Keyring.load(tmp_path / "ring", KEK, token).tmac_key(UID, 1)
    assert verify_tmv(again, uid=UID, tmc=7, tmi=tmi, claimed=value)
    assert not verify_tmv(again, uid=UID, tmc=8, tmi=tmi, claimed=value)
    assert not verify_tmv(ring.tmac_key(UID[:-1] + b"x", 1), uid=UID, tmc=7, tmi=tmi, claimed=value)
    assert ring.tmac_key(UID, 2) is None


def test_a_rotated_generation_is_drawn_in_the_token_too(token, tmp_path):
    Keyring.create(tmp_path / "ring", KEK, token=token)
    ring = Keyring.rotate(tmp_path / "ring", KEK, token)
    assert ring.generations == (1, 2)
    assert set(ring._secrets.masters[2]) == {Role.AUTH, Role.DEBIT}
    assert ring.card_keys(UID, 1)[Role.TMAC] != ring.card_keys(UID, 2)[Role.TMAC]
    assert Keyring.issue_from(tmp_path / "ring", KEK, 2, token).issuing == 2
    assert Keyring.rotate_seal(tmp_path / "ring", KEK, token).in_token


def test_a_move_that_was_killed_after_some_masters_goes_on(token, tmp_path):
    before = Keyring.create(tmp_path / "ring", KEK)
    roles = before._secrets.masters[1]
    first = {Role.PICC: roles[Role.PICC], Role.LOAD: roles[Role.LOAD]}
    with pytest.raises(KeyringError, match="0 keys"):
        token.put(1, first)  # what a kill between two masters leaves behind
    assert Keyring.load(tmp_path / "ring", KEK).card_keys(UID, 1) == before.card_keys(UID, 1)
    assert Keyring.move_to_token(tmp_path / "ring", KEK, token).card_keys(UID, 1) == before.card_keys(UID, 1)


def test_another_key_in_the_place_of_a_master_is_never_taken_for_it(token, tmp_path):
    ring = Keyring.create(tmp_path / "ring", KEK)
    token.make(1)
    with pytest.raises(KeyringError, match="another key"):
        Keyring.move_to_token(tmp_path / "ring", KEK, token)
    assert Keyring.load(tmp_path / "ring", KEK).card_keys(UID, 1) == ring.card_keys(UID, 1), "untouched"
    with pytest.raises(KeyringError, match="already"):
        Keyring.create(tmp_path / "other", KEK, token=token)
    assert not (tmp_path / "other").exists()


def test_a_master_that_could_be_read_out_is_refused(token, tmp_path):
    from pkcs11 import Attribute, KeyType, MechanismFlag

    token._open().generate_key(
        KeyType.AES,
        128,
        label="lienthong TMAC 1",
        store=True,
        capabilities=MechanismFlag.SIGN,
        template={Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False},
    )
    with pytest.raises(KeyringError, match="not extractable"):
        token.make(1)


@pytest.mark.parametrize(
    ("module", "label", "pin", "why"),
    [
        (MODULE, None, "000000", "PinIncorrect"),
        (MODULE, "no such token", PIN, "NoSuchToken"),
        (Path("/nowhere/lib.so"), None, PIN, "PKCS#11"),
    ],
)
def test_a_token_that_cannot_be_used_says_why(token, tmp_path, module, label, pin, why):
    with pytest.raises(KeyringError, match=why):
        Keyring.create(tmp_path / "ring", KEK, token=Token(module, label or token.label, pin))
    assert not (tmp_path / "ring").exists()


def test_a_session_that_broke_is_opened_again(token, tmp_path):
    ring = Keyring.create(tmp_path / "ring", KEK, token=token)
    keys = ring.card_keys(UID, 1)
    token._session.close()
    assert ring.card_keys(UID, 1) == keys


def test_nothing_of_the_pin_shows(token):
    assert PIN not in repr(token)
    assert frozenset({Role.AUTH, Role.DEBIT}) == frozenset(Role) - KEPT_ROLES

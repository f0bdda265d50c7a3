import os
from pathlib import Path
from uuid import uuid4

import pytest

from access.keyring import Keyring, KeyringError, UnknownGenerationError, create_kek, load_kek
from kernel.crypto.card_keys import Role, card_key
from kernel.crypto.sealing import SealBrokenError
from kernel.crypto.tmac import tmv

UID = bytes.fromhex("04112233445566")


def test_a_keyring_opens_with_its_own_key_only(tmp_path: Path):
    kek = create_kek(tmp_path / "kek")
    made = Keyring.create(tmp_path / "keyring", kek, generation=3)
    opened = Keyring.load(tmp_path / "keyring", load_kek(tmp_path / "kek"))
    assert opened.generations == (3,)
    assert opened.card_keys(UID, 3) == made.card_keys(UID, 3)
    assert opened.lookup(b"uid", UID) == made.lookup(b"uid", UID)
    assert opened.bundle_key.public == made.bundle_key.public
    with pytest.raises(KeyringError, match="does not open"):
        Keyring.load(tmp_path / "keyring", os.urandom(32))


def test_nothing_secret_stands_in_the_file_or_the_text_form(tmp_path: Path):
    made = Keyring.create(tmp_path / "keyring", os.urandom(32))
    content = (tmp_path / "keyring").read_bytes()
    for key in made.auth_masters().values():
        assert key not in content
        assert key.hex().encode() not in content
        assert key.hex() not in repr(made)
    assert (tmp_path / "keyring").stat().st_mode & 0o077 == 0


def test_files_are_never_overwritten(tmp_path: Path):
    kek = create_kek(tmp_path / "kek")
    Keyring.create(tmp_path / "keyring", kek)
    with pytest.raises(KeyringError, match="never overwritten"):
        create_kek(tmp_path / "kek")
    with pytest.raises(KeyringError, match="never overwritten"):
        Keyring.create(tmp_path / "keyring", kek)


def test_an_altered_or_cut_keyring_is_refused(tmp_path: Path):
    kek = os.urandom(32)
    Keyring.create(tmp_path / "keyring", kek)
    content = bytearray((tmp_path / "keyring").read_bytes())
    content[40] ^= 1
    for damaged in (bytes(content), bytes(content[:20]), b""):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(KeyringError):
            Keyring.load(tmp_path / "damaged", kek)
    with pytest.raises(KeyringError, match="cannot be read"):
        Keyring.load(tmp_path / "absent", kek)


@pytest.mark.parametrize(("content", "mode"), [(b"short", 0o600), (b"z" * 64, 0o600), (b"0" * 64, 0o644)])
def test_a_key_file_that_is_no_key_or_open_to_others_is_refused(tmp_path: Path, content: bytes, mode: int):
    path = tmp_path / "kek"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(KeyringError):
        load_kek(path)


def test_a_raw_key_file_is_taken(tmp_path: Path):
    path = tmp_path / "kek"
    path.write_bytes(bytes(range(200, 232)))
    path.chmod(0o600)
    assert load_kek(path) == bytes(range(200, 232))


def test_the_quick_tmac_key_is_the_an10922_one(keyring: Keyring):
    masters = keyring._secrets.masters[1]
    slow = card_key(masters[Role.TMAC], UID, 1)
    assert keyring.card_keys(UID, 1)[Role.TMAC] == slow
    quick = keyring.tmac_key(UID, 1)
    from kernel.crypto.tmac import TmacKey

    assert quick is not None
    assert tmv(quick, uid=UID, tmc=9, tmi=bytes(32)) == tmv(TmacKey(slow), uid=UID, tmc=9, tmi=bytes(32))


def test_unknown_generations(keyring: Keyring):
    assert keyring.tmac_key(UID, 2) is None
    with pytest.raises(UnknownGenerationError):
        keyring.card_keys(UID, 2)


def test_data_keys_open_for_their_owner_only(keyring: Keyring):
    owner = uuid4()
    key, wrapped = keyring.new_data_key(owner)
    assert keyring.unwrap(owner, wrapped) == key
    with pytest.raises(SealBrokenError):
        keyring.unwrap(uuid4(), wrapped)


def test_look_ups_differ_by_kind_and_value(keyring: Keyring):
    found = {keyring.lookup(b"uid", b"x"), keyring.lookup(b"ui", b"dx"), keyring.lookup(b"code", b"x")}
    assert len(found) == 3


def test_a_generation_is_prepared_then_issued_from_and_nothing_else_changes(tmp_path):
    path, kek = tmp_path / "keyring", b"k" * 32
    first = Keyring.create(path, kek)
    uid = bytes.fromhex("04112233445566")
    second = Keyring.rotate(path, kek)
    assert (second.generations, second.issuing) == ((1, 2), 1)
    assert second.card_keys(uid, 1) == first.card_keys(uid, 1)
    assert not set(second.card_keys(uid, 2).values()) & set(second.card_keys(uid, 1).values())
    assert second.lookup(b"uid", uid) == first.lookup(b"uid", uid)
    assert second.bundle_key.public == first.bundle_key.public
    third = Keyring.issue_from(path, kek, 2)
    assert (Keyring.load(path, kek).issuing, third.issuing) == (2, 2)
    assert third.card_keys(uid, 2) == second.card_keys(uid, 2)
    assert [each.name for each in tmp_path.iterdir()] == ["keyring"]


def test_a_generation_that_is_not_held_is_not_issued_from(tmp_path):
    path, kek = tmp_path / "keyring", b"k" * 32
    Keyring.create(path, kek)
    before = path.read_bytes()
    with pytest.raises(UnknownGenerationError):
        Keyring.issue_from(path, kek, 2)
    with pytest.raises(KeyringError):
        Keyring.rotate(path, b"x" * 32)
    assert path.read_bytes() == before


def test_generations_end_with_the_byte_that_names_them(tmp_path):
    path, kek = tmp_path / "keyring", b"k" * 32
    Keyring.create(path, kek, generation=255)
    with pytest.raises(KeyringError, match="used up"):
        Keyring.rotate(path, kek)

"""Every published or derived vector of the card, each with a twin that must fail.

card_vectors.json is our own table, with the source of each line. "derived" ones prove that two implementations of
ours agree, not that silicon does.
"""
# longer than a room: one case for each published vector and its negative twin, read side by side

import json
from pathlib import Path

import pytest

from kernel.crypto import an10922, sun, tmac
from kernel.crypto.aes import decrypt_cbc, encrypt_block
from kernel.crypto.cmac import CmacKey, aes_cmac, truncated
from kernel.crypto.ed25519 import SigningKey, VerifyKey
from kernel.crypto.ev2 import (
    CardAuth,
    CommMode,
    MessagingError,
    ReaderAuth,
    Session,
    SessionKeys,
    session_keys,
    session_vector,
)

VECTORS = {row["id"]: row for row in json.loads((Path(__file__).parent / "card_vectors.json").read_text())}


def vector(name):
    row = VECTORS[name]
    return row["inputs"], row["expected"]


def raw(text):
    return bytes.fromhex(text)


def flipped(data, place=0):
    return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]


def body_of(apdu):
    """The data field of a short APDU with a length and a trailing 00."""
    command = raw(apdu)
    assert len(command) == 6 + command[4]
    return command[5:-1]


COVERED = set()


def covers(*names):
    COVERED.update(names)
    return pytest.mark.parametrize("name", names)


@covers("cmac.rfc4493.subkeys")
def test_cmac_subkeys(name):
    given, expected = vector(name)
    key = raw(given["key"])
    assert encrypt_block(key, bytes(16)) == raw(expected["AES(K,0)"])
    assert an10922.subkeys(key) == (raw(expected["K1"]), raw(expected["K2"]))
    assert an10922.subkeys(flipped(key)) != (raw(expected["K1"]), raw(expected["K2"]))


@covers(
    "cmac.rfc4493.len0",
    "cmac.rfc4493.len16",
    "cmac.rfc4493.len40",
    "cmac.rfc4493.len64",
    "cmac.nist256.len0",
    "cmac.nist256.len16",
    "cmac.nist256.len64",
)
def test_cmac(name):
    given, expected = vector(name)
    key, message = raw(given["key"]), raw(given["message"])
    assert aes_cmac(key, message) == raw(expected["cmac"])
    keyed = CmacKey(key)
    assert keyed.mac(message) == keyed.mac(message) == raw(expected["cmac"])
    assert keyed.short_mac(message) == truncated(raw(expected["cmac"]))
    assert aes_cmac(flipped(key), message) != raw(expected["cmac"])
    assert aes_cmac(key, message + b"\x00") != raw(expected["cmac"])


@covers("an10922.aes128.uid_aid_sysid")
def test_diversification(name):
    given, expected = vector(name)
    master, name_of_card = raw(given["master_key"]), raw(given["div_input"])
    assert raw(given["uid"]) + raw(given["aid"]) + raw(given["system_id"]) == name_of_card
    assert an10922.subkeys(master) == (raw(given["K1"]), raw(given["K2"]))
    assert an10922.diversify(master, name_of_card) == raw(expected["diversified_key"])
    assert an10922.diversify(master, flipped(name_of_card)) != raw(expected["diversified_key"])


@covers("an10922.aes128.short_div")
def test_diversification_pads_short_input_to_32_bytes(name):
    given, expected = vector(name)
    master, name_of_card = raw(given["master_key"]), raw(given["div_input"])
    assert an10922.diversify(master, name_of_card) == raw(expected["diversified_key"])
    # The vector's own twin: plain CMAC, the mistake a well-known library made.
    assert aes_cmac(master, b"\x01" + name_of_card) == raw("721e2c01e81af85d815633969cea2607")


@covers("cmac.div.no32pad")
def test_diversification_is_not_plain_cmac(name):
    given, expected = vector(name)
    master, message = raw(given["master_key"]), raw(given["cmac_message"])
    assert aes_cmac(master, message) == raw(expected["diversified_key"])
    assert an10922.diversify(master, message[1:]) != raw(expected["diversified_key"])


@covers("ev2.auth_first.an12196.key0")
def test_authenticate_first_from_both_sides(name):
    given, expected = vector(name)
    key, rnd_a, rnd_b = raw(given["key"]), raw(given["RndA"]), raw(given["RndB"])
    challenge, proof = raw(given["rapdu1"]), raw(given["rapdu2"])[:-2]
    # The printed answer is 91 AF after the 16 bytes.
    assert challenge[16:] == b"\x91\xaf"
    reader = ReaderAuth(key, rnd_a)
    answer = reader.answer(challenge[:16])
    assert answer == body_of(expected["capdu2"])
    session = reader.finish(proof)
    assert session.ti == raw(expected["TI"])
    assert session.counter == 0
    assert session_vector(b"\xa5\x5a", rnd_a, rnd_b) == raw(expected["SV1"])
    assert session_vector(b"\x5a\xa5", rnd_a, rnd_b) == raw(expected["SV2"])
    assert session.keys == SessionKeys(raw(expected["KSesAuthENC"]), raw(expected["KSesAuthMAC"]))

    card = CardAuth(key, rnd_b, session.ti)
    assert card.challenge() == challenge[:16]
    shown, card_session = card.verify(answer)
    assert shown == proof
    assert card_session.keys == session.keys

    for place in (0, 16, 31):
        with pytest.raises(MessagingError):
            CardAuth(key, rnd_b, session.ti).verify(flipped(answer, place))
    twin = ReaderAuth(key, rnd_a)
    twin.answer(challenge[:16])
    with pytest.raises(MessagingError):
        twin.finish(flipped(proof, 4))
    wrong_key = ReaderAuth(flipped(key), rnd_a)
    wrong_key.answer(challenge[:16])
    with pytest.raises(MessagingError):
        wrong_key.finish(proof)


@covers("ev2.auth_nonfirst.an12196")
def test_authenticate_non_first_keeps_identifier_and_counter(name):
    given, expected = vector(name)
    key, rnd_a, rnd_b = raw(given["key"]), raw(given["RndA"]), raw(given["RndB"])
    keys = SessionKeys(raw(expected["KSesAuthENC"]), raw(expected["KSesAuthMAC"]))
    assert session_keys(key, rnd_a, rnd_b) == keys
    assert session_keys(key, rnd_b, rnd_a) != keys

    old = Session(SessionKeys(bytes(16), bytes(16)), b"\x01\x02\x03\x04", counter=7)
    old_card = Session(old.keys, old.ti, counter=7)
    reader, card = ReaderAuth(key, rnd_a, renews=old), CardAuth(key, rnd_b, b"none", renews=old_card)
    shown, card_session = card.verify(reader.answer(card.challenge()))
    session = reader.finish(shown)
    assert (session.keys, session.ti, session.counter) == (keys, old.ti, 7)
    assert (card_session.keys, card_session.ti, card_session.counter) == (keys, old.ti, 7)
    with pytest.raises(MessagingError):
        old.command(0xAD, b"")


def session_of(given, counter="CmdCtr"):
    return Session(
        SessionKeys(
            raw(given.get("KSesAuthENC", "00" * 16)),
            raw(given.get("KSesAuthMAC", "00" * 16)),
        ),
        raw(given["TI"]),
        given[counter],
    )


@covers("ev2.full.change_file_settings")
def test_full_mode_command_and_empty_response(name):
    given, expected = vector(name)
    code, header, plain = raw(given["cmd"])[0], raw(given["header"]), raw(given["data"])
    assert session_of(given).initial_vector(b"\xa5\x5a") == raw(expected["ivc"])
    reader = session_of(given)
    sent = reader.command(code, header, plain, CommMode.FULL)
    assert sent == body_of(expected["capdu"])
    assert sent == header + raw(expected["ciphertext"]) + raw(expected["mact"])
    assert reader.open_response(raw(expected["response"])[:-2], CommMode.FULL) == b""

    card = session_of(given)
    assert card.open_command(code, sent, len(header), CommMode.FULL) == (header, plain)
    assert card.response(mode=CommMode.FULL) == raw(expected["response"])[:-2]
    for place in range(len(sent)):
        with pytest.raises(MessagingError):
            session_of(given).open_command(code, flipped(sent, place), len(header), CommMode.FULL)


@covers("ev2.mac.get_file_settings")
def test_mac_mode_command_and_response(name):
    given, expected = vector(name)
    code, header, found = raw(given["cmd"])[0], raw(given["header"]), raw(given["response_data"])
    reader = session_of(given)
    assert reader.command(code, header) == body_of(expected["capdu"])
    assert reader.open_response(found + raw(expected["response_mact"])) == found
    card = session_of(given)
    card.open_command(code, body_of(expected["capdu"]), len(header))
    assert card.response(found) == found + raw(expected["response_mact"])
    twin = session_of(given)
    twin.command(code, header)
    with pytest.raises(MessagingError):
        twin.open_response(found + flipped(raw(expected["response_mact"]), 7))
    with pytest.raises(MessagingError, match="dropped"):
        twin.open_response(found + raw(expected["response_mact"]))


@covers("ev2.full.write_data")
def test_full_mode_write(name):
    given, expected = vector(name)
    plain = raw(given["data"])
    header = (
        bytes((given["file"],)) + given["offset"].to_bytes(3, "little") + len(plain).to_bytes(3, "little")
    )
    reader = session_of(given)
    assert reader.command(0x8D, header, plain, CommMode.FULL) == body_of(expected["capdu"])
    assert reader.open_response(raw(expected["response"])[:-2], CommMode.FULL) == b""
    # The same answer is not good for the next command: the counter has moved.
    reader.counter += 1
    with pytest.raises(MessagingError):
        reader.open_response(raw(expected["response"])[:-2], CommMode.FULL)


@covers("ev2.ivc")
def test_command_initial_vector(name):
    given, expected = vector(name)
    session = session_of(given)
    assert session.initial_vector(b"\xa5\x5a") == raw(expected["ivc"])
    assert session.initial_vector(b"\x5a\xa5") != raw(expected["ivc"])


@covers("ev2.commit_reader_id.response")
def test_commit_reader_id_response_deciphers(name):
    given, expected = vector(name)
    session = session_of(given, "CmdCtr_of_response")
    sealed = raw(given["response"])
    assert decrypt_cbc(session.keys.enc, sealed, session.initial_vector(b"\x5a\xa5")) == raw(
        expected["EncTMRI"]
    )
    session.counter -= 1
    assert decrypt_cbc(session.keys.enc, sealed, session.initial_vector(b"\x5a\xa5")) != raw(
        expected["EncTMRI"]
    )


@covers("tmac.session_keys.1")
def test_tmac_session_keys_take_the_next_counter(name):
    given, expected = vector(name)
    key, uid = tmac.TmacKey(raw(given["AppTransactionMACKey"])), raw(given["uid"])
    following = given["TMC"] + 1
    assert raw(given["SV1"])[5:9] == following.to_bytes(4, "little")
    assert key.mac_key(uid=uid, tmc=following) == raw(expected["SesTMMACKey"])
    assert key.enc_key(uid=uid, tmc=following) == raw(expected["SesTMENCKey"])
    assert key.mac_key(uid=uid, tmc=given["TMC"]) != raw(expected["SesTMMACKey"])


@covers("tmac.derived.debit")
def test_tmv_of_a_debit(name):
    given, expected = vector(name)
    key, uid = tmac.TmacKey(raw(given["AppTransactionMACKey"])), raw(given["uid"])
    counter, claimed = given["TMC_before"] + 1, raw(expected["TMV"])
    assert counter.to_bytes(4, "little") == raw(expected["TMC_reported"])
    tmi = tmac.tmi_debit(3, 250)
    assert tmi == raw(given["TMI"])
    assert tmac.tmv(key, uid=uid, tmc=counter, tmi=tmi) == claimed
    assert tmac.verify_tmv(key, uid=uid, tmc=counter, tmi=tmi, claimed=claimed)
    for wrong in (tmac.tmi_debit(3, 251), tmac.tmi_debit(4, 250)):
        assert not tmac.verify_tmv(key, uid=uid, tmc=counter, tmi=wrong, claimed=claimed)
    assert not tmac.verify_tmv(key, uid=uid, tmc=counter + 1, tmi=tmi, claimed=claimed)
    assert not tmac.verify_tmv(key, uid=flipped(uid), tmc=counter, tmi=tmi, claimed=claimed)
    assert not tmac.verify_tmv(key, uid=uid, tmc=counter, tmi=tmi, claimed=flipped(claimed))
    assert not tmac.verify_tmv(key, uid=uid, tmc=counter, tmi=tmi, claimed=claimed[:7])


@covers("tmac.derived.debit_record_readerid")
def test_tmv_of_debit_record_and_reader(name):
    given, expected = vector(name)
    key, uid = tmac.TmacKey(raw(given["AppTransactionMACKey"])), raw(given["uid"])
    counter = given["TMC_before"] + 1
    reader, previous = raw(given["TMRICur"]), raw(given["TMRIPrev"])
    sealed = tmac.enc_tmri(key, uid=uid, tmc=counter, previous_reader=previous)
    assert sealed == raw(expected["EncTMRI"])
    assert tmac.open_tmri(key, uid=uid, tmc=counter, enc_reader_id=sealed) == previous
    assert tmac.open_tmri(key, uid=uid, tmc=counter + 1, enc_reader_id=sealed) != previous
    tmi = (
        tmac.tmi_debit(3, 250)
        + tmac.tmi_write_record(4, raw(given["record"]))
        + tmac.tmi_commit_reader(reader, sealed)
    )
    assert tmi == raw(given["TMI"])
    assert tmac.verify_tmv(key, uid=uid, tmc=counter, tmi=tmi, claimed=raw(expected["TMV"]))
    assert not tmac.verify_tmv(
        key,
        uid=uid,
        tmc=counter,
        tmi=tmi[:-48] + tmac.tmi_commit_reader(flipped(reader), sealed),
        claimed=raw(expected["TMV"]),
    )


@covers("sun.an12196.1")
def test_sun_message(name):
    given, expected = vector(name)
    picc = sun.open_picc_data(raw(given["K_SDMMetaRead"]), raw(given["picc_data"]))
    assert picc == sun.PiccData(raw(expected["uid"]), expected["SDMReadCtr"])
    file_key, mac = raw(given["K_SDMFileRead"]), raw(given["sdmmac"])
    assert sun.verify_sdmmac(file_key, picc, mac)
    assert not sun.verify_sdmmac(file_key, sun.PiccData(picc.uid, picc.counter + 1), mac)
    assert not sun.verify_sdmmac(flipped(file_key), picc, mac)
    assert sun.open_picc_data(flipped(raw(given["K_SDMMetaRead"])), raw(given["picc_data"])) is None
    assert sun.open_picc_data(raw(given["K_SDMMetaRead"]), raw(given["picc_data"])[:-1]) is None


@covers("sun.negative")
def test_sun_message_with_a_wrong_mac(name):
    given, expected = vector(name)
    # The message it is based on: AN12196 page 18, in the same public test as the negative.
    picc = sun.open_picc_data(bytes(16), raw("FD91EC264309878BE6345CBE53BADF40"))
    assert picc == sun.PiccData(raw("04958CAA5C5E80"), 8)
    covered = b"CEE9A53E3E463EF1F459635736738962&cmac="
    assert sun.verify_sdmmac(bytes(16), picc, raw("ECC1E7F6C6C73BF6"), covered)
    assert sun.verify_sdmmac(bytes(16), picc, raw(given["sdmmac"]), covered) is expected["accept"]
    assert sun.open_file_data(bytes(16), picc, raw("CEE9A53E3E463EF1F459635736738962")) == b"x" * 16


@covers("ed25519.rfc8032.1", "ed25519.rfc8032.2")
def test_ed25519(name):
    given, expected = vector(name)
    key, message = SigningKey.from_bytes(raw(given["secret"])), raw(given["message"])
    signature = raw(expected["signature"])
    assert key.public.raw == raw(expected["public"])
    assert key.sign(b"", message) == signature
    assert VerifyKey(raw(expected["public"])).verify(b"", message, signature)
    assert not key.public.verify(b"", message, flipped(signature, 63))
    assert not key.public.verify(b"", message + b"\x00", signature)
    assert not key.public.verify(b"lienthong/tap-head/1", message, signature)


def test_no_vector_is_left_out():
    assert set(VECTORS) == COVERED
    assert len(VECTORS) == 25

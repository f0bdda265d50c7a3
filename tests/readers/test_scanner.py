"""A scanner's port: lines in, tokens asked about, and the whole reader with codes, tokens and cards."""

import os
import threading
import time
from base64 import b64encode
from datetime import timedelta

import pytest

from access.rules.qr import CERTIFIED, Certificate, make_code
from access.rules.voucher import Voucher
from kernel.crypto.ed25519 import SigningKey
from kernel.wire.shown import ShownKind, is_shown
from kernel.wire.tap import Phase, decode_tap
from readers import scan
from readers.__main__ import main
from readers.bundle import FILE
from readers.config import ConfigError, load_config
from readers.scanner import lines_of, open_port
from readers.softcard import phone
from tests.readers.kit import (
    DEVICE,
    NOW,
    SERVER_KEY,
    enrolled,
    envelope,
    soft_card,
    wait_until,
    write_config,
)
from tests.readers.loop import events, in_service, lights, present, running, taps

PHONE = SigningKey.from_bytes(b"\x09" * 32)
SERIAL = 900
CERTIFICATE = Certificate(SERIAL, PHONE.public.raw, NOW - timedelta(days=1), NOW + CERTIFIED).signed(
    SERVER_KEY
)
TOKEN = "ab" * 16


def code(at=NOW, *, key=PHONE, nonce=b"0000", certificate=CERTIFICATE):
    return make_code(certificate, key, at=at, nonce=nonce)


def voucher(kind=ShownKind.BANK, *, at=NOW, device=DEVICE, serial=SERIAL, key=SERVER_KEY):
    return Voucher(kind, device, serial, at).signed(key)


@pytest.mark.parametrize(
    ("sent", "lines"),
    [
        (b"one\r\ntwo\r", ["one", "two"]),
        (b"\n\n\r\r", []),
        (b"half", []),
        (b"A" * 5_000 + b"\nshort\n", ["A" * 1_025, "short"]),
        (b"caf\xc3\xa9\n", ["caf\ufffd\ufffd"]),
    ],
)
def test_lines_end_with_cr_or_lf_and_have_a_limit(sent, lines):
    into, out = os.pipe()
    over = threading.Event()
    os.write(out, sent)
    os.close(out)
    assert list(lines_of(into, over)) == lines
    os.close(into)


def test_a_serial_port_is_read_raw(tmp_path):
    mine, theirs = os.openpty()
    port = open_port(type(tmp_path)(os.ttyname(theirs)), 19200)
    over = threading.Event()
    found = lines_of(port, over)
    os.write(mine, b"LTQ1.abc\r")
    assert next(found) == "LTQ1.abc"
    os.set_blocking(mine, False)
    with pytest.raises(BlockingIOError):
        os.read(mine, 10)  # no echo
    over.set()
    for each in (port, mine, theirs):
        os.close(each)


@pytest.mark.parametrize("baud", ['"300"', "9600"])
def test_a_scanners_baud_is_one_we_know(tmp_path, baud):
    with pytest.raises(ConfigError, match="scanner"):
        load_config(write_config(tmp_path, more=f'[scanner]\npath = "port"\nbaud = {baud}\n'))


# The whole reader, a port, and a back office over HTTP


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "scanner"
    os.mkfifo(path)
    return path


def with_scanner(tmp_path, office, **more):
    return enrolled(tmp_path, url=office.url, more='[scanner]\npath = "scanner"\n', **more)


def hold(daemon, config, text):
    before = len(lights(config))
    assert main(["scan", "--config", str(config.file), text]) == 0
    wait_until(lambda: len(lights(config)) > before)
    return lights(config)[-1]


def accepting(asked):
    kind = ShownKind[asked["kind"].upper()]
    proof = b64encode(voucher(kind)).decode()
    return 200, {"decision": "accept", "reason": "", "card_serial": SERIAL, "voucher": proof}


def test_codes_tokens_and_cards_at_one_reader(tmp_path, office, pipe):
    config = with_scanner(tmp_path, office)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        assert hold(daemon, config, code()) == ("green", "DONE")
        assert present(daemon, soft_card(1)) == ("green", "DONE")
        assert hold(daemon, config, f"LTB1.{TOKEN}") == ("amber", ""), "nobody answers: use a card"
        office.vouch = lambda _: (200, {"decision": "refuse", "reason": "blocked"})
        assert hold(daemon, config, f"LTC1.{TOKEN}") == ("red", "")
        assert hold(daemon, config, "https://example.test/") == ("red", "")
        wait_until(lambda: daemon._uplink.chained_up_to == 2)
    assert office.asked == [{"kind": "bank", "reference": TOKEN}, {"kind": "citizen", "reference": TOKEN}]
    stored = [decode_tap(raw) for _, raw in sorted(office.stored.items())]
    assert [is_shown(tap) for tap in stored] == [True, False]
    assert TOKEN not in (config.lamp.events.read_text() + str(stored))


def test_a_token_travels_online_and_a_code_with_no_network_at_all(tmp_path, office, pipe):
    config = with_scanner(tmp_path, office)
    office.vouch = accepting
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        assert hold(daemon, config, f"LTC1.{TOKEN}") == ("green", "DONE")
    office.close()
    (config.state_dir / FILE).write_bytes(envelope())
    other = Certificate(SERIAL + 1, PHONE.public.raw, NOW, NOW + CERTIFIED).signed(SERVER_KEY)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        assert hold(daemon, config, code(certificate=other)) == ("green", "DONE")
        assert hold(daemon, config, f"LTB1.{TOKEN}") == ("amber", "")
    assert [tap.phase for tap in taps(config)] == [Phase.DONE, Phase.DONE]


@pytest.mark.parametrize(
    "answer",
    [(500, {}), (200, b"<html>"), (200, {}), (200, {"decision": "accept", "card_serial": 1, "voucher": "%"})],
)
def test_a_back_office_that_answers_nonsense_lets_nobody_through(tmp_path, office, pipe, answer):
    config = with_scanner(tmp_path, office)
    office.vouch = lambda _: answer
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        assert hold(daemon, config, f"LTB1.{TOKEN}") == ("amber", "")
    assert taps(config) == []


def test_a_scanner_that_is_not_there_is_told_and_comes_back(tmp_path, office):
    config = with_scanner(tmp_path, office)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        wait_until(lambda: events(config, "scanner"))
        assert "scanner" in events(config, "scanner")[0]["problem"]
        assert present(daemon, soft_card(1)) == ("green", "DONE"), "cards are served all the same"
        os.mkfifo(tmp_path / "scanner")
        wait_until(lambda: events(config, "scanner")[-1]["problem"] == "")
        assert hold(daemon, config, code()) == ("green", "DONE")


def test_what_was_shown_long_ago_is_dropped(tmp_path, office, pipe, monkeypatch):
    monkeypatch.setattr("readers.scanner._FRESH_S", 0.0)
    config = with_scanner(tmp_path, office)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        main(["scan", "--config", str(config.file), code()])
        time.sleep(0.3)
    assert lights(config) == []


def test_holding_a_code_where_no_reader_runs_says_so(tmp_path, capsys, pipe):
    file = write_config(tmp_path, more='[scanner]\npath = "scanner"\n')
    assert main(["scan", "--config", str(file), "x"]) == 1
    assert "is the reader running" in capsys.readouterr().err
    pipe.unlink()
    assert main(["scan", "--config", str(file), "x"]) == 1
    assert "mkfifo" in capsys.readouterr().err


def test_a_phone_makes_its_key_and_shows_codes(tmp_path, capsys):
    key = tmp_path / "phone.key"
    assert phone.main(["new", "--key", str(key)]) == 0
    public = bytes.fromhex(capsys.readouterr().out.strip())
    certificate = Certificate(5, public, NOW, NOW + CERTIFIED).signed(SERVER_KEY)
    asked = ["code", "--key", str(key), "--certificate", b64encode(certificate).decode()]
    assert phone.main([*asked, "--clock", f"fixed:{NOW.isoformat()}"]) == 0
    text = capsys.readouterr().out.strip()
    found = scan.verify_code(text, issuer=SERVER_KEY.public, now=NOW)
    assert getattr(found, "serial", None) == 5
    assert phone.main(["new", "--key", str(key)]) == 2, "a key is never overwritten"

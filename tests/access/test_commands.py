"""`lienthong device` and `lienthong card` as a person types them."""

import json
import re
import stat

import pytest
from click.testing import CliRunner

from kernel.wire.cardinfo import PRODUCT_PURSE, decode
from service.cli import main
from service.commands import context


@pytest.fixture
def lienthong(database, redis_url, tmp_path, monkeypatch, now):
    for name, value in {
        "DATABASE_URL": database.url,
        "REDIS_URL": redis_url,
        "KEYRING_FILE": str(tmp_path / "keyring"),
        "KEK_FILE": str(tmp_path / "kek"),
        "CLOCK": f"fixed:{now.isoformat()}",
    }.items():
        monkeypatch.setenv(f"LIENTHONG_{name}", value)
    context.settings.cache_clear()

    def run(*arguments, fails=False):
        done = CliRunner().invoke(main, [str(each) for each in arguments])
        assert (done.exit_code != 0) is fails, done.output
        return done.output

    run("keys", "init")
    yield run
    context.settings.cache_clear()


def cards_csv(tmp_path, *rows):
    path = tmp_path / "cards.csv"
    path.write_text("uid,concession,expiry\n" + "".join(row + "\n" for row in rows))
    return path


def test_cards_are_issued_in_bulk_with_their_keys_and_accounts(lienthong, tmp_path, database):
    from sqlalchemy import text

    source = cards_csv(tmp_path, "04000000000001,NORMAL,2030-12-31", "04000000000002,free_senior,2030-12-31")
    out = tmp_path / "out.json"
    assert "2 cards issued" in lienthong("card", "issue", "--bulk", source, "--out", out)
    cards = json.loads(out.read_text())
    assert [card["uid"] for card in cards] == ["04000000000001", "04000000000002"]
    assert set(cards[0]) >= {"serial", "uid", "keys", "generation", "info", "fare_account_id"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with database.engine.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM card")).scalar_one() == 2
        assert tx.execute(
            text("SELECT count(*) FROM audit_trail WHERE action = 'access.issue_cards'")
        ).scalar_one()


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("04,NORMAL,2030-12-31", "14 hexadecimal digits"),
        ("0400000000000z,NORMAL,2030-12-31", "line 3"),
        ("04000000000002,KING,2030-12-31", "concession must be one of"),
        ("04000000000002,NORMAL,soon", "line 3"),
        ("04000000000002,NORMAL,2500-01-01", "2020"),
        ("04000000000002", "line 3: it has 1 cells, not 3"),
        ("04000000000002,NORMAL,2030-12-31,more", "line 3: it has 4 cells, not 3"),
        ("04000000000002,NORMAL,2020-12-31", "What is good until 2020-12-31 is out of date"),
        ("04000000000001,NORMAL,2030-12-31", "in the file twice"),
    ],
)
def test_a_bad_line_issues_nothing_and_leaves_no_file(lienthong, tmp_path, database, row, says):
    from sqlalchemy import text

    out = tmp_path / "out.json"
    source = cards_csv(tmp_path, "04000000000001,NORMAL,2030-12-31", row)
    assert says in lienthong("card", "issue", "--bulk", source, "--out", out, fails=True)
    assert not out.exists()
    with database.engine.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM card")).scalar_one() == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00", "utf-8"),
        (b"", "the first line must be"),
        (b"uid,concession,expiry\n", "asks for no card"),
        (b'uid,concession,expiry\n"04', "unexpected end"),
    ],
)
def test_what_is_no_file_of_cards_is_one_line(lienthong, tmp_path, content, says):
    source = tmp_path / "cards.csv"
    source.write_bytes(content)
    told = lienthong("card", "issue", "--bulk", source, "--dry-run", fails=True)
    assert (says in told, told.count("\n")) == (True, 1), told


def test_personalisation_data_is_never_overwritten(lienthong, tmp_path):
    out = tmp_path / "out.json"
    out.write_text("keys of issued cards")
    source = cards_csv(tmp_path, "04000000000001,NORMAL,2030-12-31")
    assert "exists" in lienthong("card", "issue", "--bulk", source, "--out", out, fails=True)
    assert out.read_text() == "keys of issued cards"


def test_control_totals_that_differ_issue_nothing(lienthong, tmp_path):
    source = cards_csv(tmp_path, "04000000000001,NORMAL,2030-12-31", "04000000000002,NORMAL,2030-12-31")
    said = lienthong("card", "issue", "--bulk", source, "--dry-run")
    assert said.startswith("2 cards, checksum 0008000000000003")
    out = tmp_path / "out.json"
    for wrong in (("--count", 3), ("--checksum", "0008000000000004")):
        assert "control total" in lienthong(
            "card", "issue", "--bulk", source, *wrong, "--out", out, fails=True
        )
    assert not out.exists()
    right = ("--count", 2, "--checksum", "0008000000000003", "--inactive")
    assert "2 cards issued" in lienthong("card", "issue", "--bulk", source, *right, "--out", out)
    serial = json.loads(out.read_text())[0]["serial"]
    assert "denied: not-active" in lienthong("card", "show", serial)
    assert "is active" in lienthong("card", "activate", serial)


def test_a_card_is_replaced_and_the_new_one_handed_in(lienthong, tmp_path):
    lienthong(
        "card", "issue", "--uid", "04112233445566", "--expiry", "2030-12-31", "--out", tmp_path / "a.json"
    )
    old = json.loads((tmp_path / "a.json").read_text())[0]
    lienthong("card", "block", old["serial"], "--reason", "lost")
    call = (
        "card", "replace", old["serial"], "--uid", "04112233445567", "--expiry", "2031-12-31",
        "--cause", "lost", "--id", "01937f3e-0000-7000-8000-000000000001", "--out",
    )  # fmt: skip
    lienthong(*call, tmp_path / "b.json")
    lienthong(*call, tmp_path / "c.json")
    new, again = (json.loads((tmp_path / name).read_text())[0] for name in ("b.json", "c.json"))
    assert new == again
    assert new["fare_account_id"] == old["fare_account_id"]
    assert "denied: replaced" in lienthong("card", "show", old["serial"])
    assert "0 VND would be paid out" in lienthong("card", "return", new["serial"], "--cause", "leaves")
    assert "nothing" not in lienthong("card", "return", new["serial"], "--cause", "leaves", "--confirm", 0)
    assert "denied: returned" in lienthong("card", "show", new["serial"])
    assert "0 cards expired" in lienthong("card", "expire")


def test_a_stored_value_card_may_take_a_cards_place(lienthong, tmp_path):
    lienthong(
        "card", "issue", "--uid", "04112233445566", "--expiry", "2030-12-31", "--out", tmp_path / "a.json"
    )
    serial = json.loads((tmp_path / "a.json").read_text())[0]["serial"]
    call = (
        "card", "replace", serial, "--uid", "04112233445567", "--expiry", "2031-12-31", "--cause", "worn out",
        "--id", "01937f3e-0000-7000-8000-000000000002", "--out",
    )  # fmt: skip
    lienthong(*call, tmp_path / "b.json", "--stored-value")
    lienthong(*call, tmp_path / "c.json", "--stored-value")
    new, again = (json.loads((tmp_path / name).read_text())[0] for name in ("b.json", "c.json"))
    assert new == again
    assert (new["purse"], decode(bytes.fromhex(new["info"])).product) == (0, PRODUCT_PURSE)
    assert "0 VND (never used)" in lienthong("card", "purse", new["serial"])
    lienthong(*call, tmp_path / "d.json", fails=True)  # the same id asks for another card
    assert not (tmp_path / "d.json").exists()


@pytest.mark.parametrize(
    "call",
    [
        (
            "card",
            "replace",
            999,
            "--uid",
            "04112233445567",
            "--expiry",
            "2031-12-31",
            "--cause",
            "c",
            "--out",
            "o",
        ),
        ("card", "return", 999, "--confirm", "0", "--cause", "c"),
        ("card", "link", 999, 998, "--cause", "c"),
        ("rider", "payer", 999, "--nobody"),
        (
            "rebill",
            "announce",
            "--tariff",
            "t",
            "--from",
            "2026-11-01",
            "--to",
            "2026-11-02",
            "--reason",
            "r",
        ),
        ("topup", "ask", 999, "10000"),
    ],
    ids=lambda call: " ".join(call[:2]),
)
def test_an_id_is_told_before_anything_is_done(lienthong, call):
    """Whoever is cut off can repeat the call with it, even where the first one was refused."""
    assert re.match("id [0-9a-f-]{36}\n", lienthong(*call, fails=True))


def test_a_card_is_blocked_shown_and_unblocked(lienthong, tmp_path):
    lienthong(
        "card", "issue", "--uid", "04112233445566", "--expiry", "2030-12-31", "--out", tmp_path / "out.json"
    )
    serial = json.loads((tmp_path / "out.json").read_text())[0]["serial"]
    assert "is lost" in lienthong("card", "block", serial, "--reason", "lost", "--cause", "telephone")
    assert "denied: lost" in lienthong("card", "show", serial)
    assert "cannot be unblocked" in lienthong("card", "unblock", serial, "--reason", "blocked", fails=True)
    assert "is active" in lienthong("card", "unblock", serial, "--reason", "lost")
    assert "not denied" in lienthong("card", "show", serial)
    assert "no such card" in lienthong("card", "show", 999_999, fails=True)


def test_a_code_is_printed_first_and_devices_are_listed(lienthong, tmp_path, database, now):
    from access import enrol
    from access.keyring import Keyring, load_kek
    from kernel.crypto.ed25519 import SigningKey
    from kernel.crypto.sealing import box_public, new_box_key

    said = lienthong("device", "code", "bus-01", "--kind", "bus", "--operator", "transerco", "--place", "29B")
    ring = Keyring.load(tmp_path / "keyring", load_kek(tmp_path / "kek"))
    with database.engine.begin() as tx:
        joined = enrol.enrol(
            tx,
            keyring=ring,
            code=said.split()[0],
            public_key=SigningKey.generate().public.raw,
            box_key=box_public(new_box_key()),
            now=now,
        )
    assert "bus-01" in lienthong("device", "list")
    assert "0 devices" in lienthong("device", "list", "--operator", "nobody")
    assert "is suspended" in lienthong("device", "suspend", joined.device_id, "--reason", "stolen")
    assert "cannot be suspended" in lienthong(
        "device", "suspend", joined.device_id, "--reason", "x", fails=True
    )
    assert "is active" in lienthong("device", "reinstate", joined.device_id, "--reason", "found")
    assert "no device" in lienthong("device", "retire", ring_id(), "--reason", "x", fails=True)


def joined_by_hand(lienthong):
    from base64 import b64encode

    from kernel.crypto.ed25519 import SigningKey
    from kernel.crypto.sealing import box_public, new_box_key

    said = lienthong("device", "code", "bus-02", "--kind", "bus", "--operator", "transerco")
    keys = (SigningKey.generate().public.raw, box_public(new_box_key()))
    public_key, box_key = (b64encode(key).decode() for key in keys)
    arguments = (said.split()[0], "--public-key", public_key, "--box-key", box_key)
    assert "base64" in lienthong("device", "enrol", "x", "--public-key", "*", "--box-key", "*", fails=True)
    joined = json.loads(lienthong("device", "enrol", *arguments))
    assert lienthong("device", "enrol", *arguments) == json.dumps(joined) + "\n"
    return joined["device_id"]


def test_a_device_is_enrolled_by_hand_asked_for_a_key_and_retired(lienthong, database):
    from sqlalchemy import text

    device = joined_by_hand(lienthong)
    assert "no alarms" in lienthong("device", "alarms"), "it may not have spoken yet"
    assert "new key at its next heartbeat" in lienthong("device", "rotate", device, "--reason", "yearly")
    assert "is retired" in lienthong("device", "retire", device, "--reason", "sold")
    assert "cannot be rotated" in lienthong("device", "rotate", device, "--reason", "x", fails=True)
    with database.engine.begin() as tx:
        rows = tx.execute(
            text("SELECT action FROM audit_trail WHERE subject_id = :id ORDER BY at, audit_id"),
            {"id": device},
        )
        assert sorted(rows.scalars()) == [
            "access.device.retired",
            "access.device.rotation_asked",
            "access.enrol",
            "access.enrol",
        ]


def test_alarms_end_with_1_for_monitoring(lienthong, monkeypatch, now):
    from datetime import timedelta

    device = joined_by_hand(lienthong)
    monkeypatch.setenv("LIENTHONG_CLOCK", f"fixed:{(now + timedelta(hours=1)).isoformat()}")
    context.settings.cache_clear()
    said = lienthong("device", "alarms", fails=True)
    assert f"{device}  active" in said
    assert "1  never-heard" in said
    assert "! never-heard" in lienthong("device", "list")


def test_a_key_generation_is_issued_from_once_readers_hold_it(lienthong, tmp_path):
    device = joined_by_hand(lienthong)
    assert "generation 2 is prepared; new cards still get 1" in lienthong("keys", "rotate")
    assert "1 readers do not hold generation 2 yet, e.g. bus-02" in lienthong(
        "keys", "issue-from", 2, fails=True
    )
    issue = ("card", "issue", "--expiry", "2030-12-31")
    lienthong(*issue, "--uid", "04112233445566", "--out", tmp_path / "one.json")
    assert "new cards get generation 2" in lienthong("keys", "issue-from", 2, "--force")
    lienthong(*issue, "--uid", "04112233445577", "--out", tmp_path / "two.json")
    made = [json.loads((tmp_path / name).read_text())[0]["generation"] for name in ("one.json", "two.json")]
    assert made == [1, 2]
    assert "no card keys of generation 9" in lienthong("keys", "issue-from", 9, "--force", fails=True)
    lienthong("device", "retire", device, "--reason", "sold")
    assert "new cards get generation 1" in lienthong("keys", "issue-from", 1)


def test_the_review_list_is_empty_and_says_so(lienthong):
    assert "0 cases" in lienthong("case", "list")
    assert "no open case" in lienthong(
        "case", "close", ring_id(), "--finding", "noted", "--reason", "x", fails=True
    )
    assert "no open case" in lienthong("case", "show", ring_id(), fails=True)


def ring_id():
    return "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("group", ["device", "card", "case"])
def test_every_command_teaches_with_an_example(group):
    names = main.get_command(None, group).commands
    for name in names:
        shown = CliRunner().invoke(main, [group, name, "--help"]).output
        assert "Example" in shown, name

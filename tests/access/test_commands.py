"""`lienthong card` and `lienthong case` as a person types them."""

import json
import re
import stat

import pytest
from click.testing import CliRunner

from kernel.wire.cardinfo import PRODUCT_PURSE, decode
from service.cli import main


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
            *["--uid", "04112233445567", "--expiry", "2031-12-31", "--cause", "c", "--out", "o"],
        ),
        ("card", "return", 999, "--confirm", "0", "--cause", "c"),
        ("card", "link", 999, 998, "--cause", "c"),
        ("rider", "payer", 999, "--nobody"),
        (
            "rebill",
            "announce",
            *["--tariff", "t", "--from", "2026-11-01", "--to", "2026-11-02", "--reason", "r"],
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

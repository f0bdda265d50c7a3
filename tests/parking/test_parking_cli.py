"""`lienthong parking` from data files alone."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from parking.apds.editions import ElementKind
from parking.proposals import Action, Asked
from parking.propose_rates import propose
from parking.publish_rates import Rates
from parking.rate_dir import HANOI
from service.cli import main
from service.commands import context
from tests.parking.books import RATES, made_up
from tests.parking.test_rate_edges import HOURLY

STAY = ["--place", "dong-da-01", "--class", "car_le9", "--from", "2026-11-18T09:00"]


def run(*arguments, text=None):
    return CliRunner().invoke(main, ["parking", *arguments], input=text)


def test_a_quote_as_json_is_a_proof_that_proves(tmp_path):
    quoted = run("quote", *STAY, "--to", "2026-11-18T17:00", "--json")
    proof = json.loads(quoted.output)
    assert (proof["total"]["minor"], proof["decision"]) == (300_000, "44/2017/QĐ-UBND")
    assert run("prove", "-", text=quoted.output).exit_code == 0
    proof["lines"][0]["units"] = 3
    refused = run("prove", "-", text=json.dumps(proof))
    assert (refused.exit_code, "lines" in refused.output) == (1, True)


def test_a_quote_is_a_table_for_people():
    assert "165,000 VND" in run("quote", *STAY, "--to", "2026-11-18T14:00").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*STAY, "--to", "2026-11-18T08:00"], "ends before it begins"),
        ([*STAY, "--to", "soon"], "not a time"),
        (["--place", "moon", *STAY[2:], "--to", "2026-11-18T10:00"], "no place"),
        ([*STAY, "--to", "2026-11-18T10:00", "--unit", "kWh=3"], "kWh"),
    ],
)
def test_a_quote_that_cannot_be_says_why(arguments, says):
    found = run("quote", *arguments)
    assert found.exit_code != 0
    assert says in found.output


GARAGE = ["--rates", str(RATES / "world"), "--class", "car"]
RIGHTS = (
    "spec_id,kind,name,place_id,vehicle_class,minutes,percent,hours_from,hours_to,funder\n"
    "shop,coupon,Shop,dong-da,car_le9,60,,,,shop-7\n"
    "half,coupon,Half,dong-da,,,50,,,\n"
    "nights,permit,Nights,dong-da,,,,18:00,06:00,\n"
)


def with_products(tmp_path):
    """Hanoi's own rates, with products of a shop."""
    for path in HANOI.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "right_specifications.csv").write_text(RIGHTS, encoding="utf-8")
    return ["--rates", str(tmp_path)]


@pytest.mark.parametrize(
    ("rights", "left", "total", "charged"),
    [
        (["shop"], "12:00", 85_000, 50_000),  # an hour off three
        (["shop"], "09:30", 25_000, 0),
        (["half"], "12:00", 85_000, 42_500),
        (["shop", "half"], "12:00", 85_000, 25_000),
        (["half", "shop"], "12:00", 85_000, 7_500),  # in the order in which they were given
        (["nights"], "20:00", 435_000, 345_000),  # the hours from 18:00 on are covered
        (["nights;2026-11-19T00:00;2026-11-20T00:00"], "20:00", 435_000, 435_000),
        (["nights;2026-11-18T19:00;2026-11-20T00:00"], "20:00", 435_000, 390_000),
    ],
)
def test_what_a_driver_holds_takes_off_the_price_and_proves(tmp_path, rights, left, total, charged):
    rates, told = with_products(tmp_path), [word for right in rights for word in ("--right", right)]
    asked = ["quote", *rates, *STAY, "--to", f"2026-11-18T{left}", *told]
    proof = json.loads(run(*asked, "--json").output)
    assert (proof["total"]["minor"], proof["charged"]["minor"]) == (total, charged)
    assert total - sum(each["amount"]["minor"] for each in proof["discounts"]) == charged
    assert run("prove", *rates, "-", text=json.dumps(proof)).exit_code == 0
    proof["charged"]["minor"] -= 1
    assert run("prove", *rates, "-", text=json.dumps(proof)).exit_code == 1
    assert ("to pay" in run(*asked).output) is (charged < total)


@pytest.mark.parametrize(
    ("place", "flag", "total"), [("garage", "--lost-ticket", 4_930), ("fined", "--no-show", 750)]
)
def test_what_no_time_decides_has_a_price_and_proves(place, flag, total):
    asked = ["quote", *GARAGE, "--place", place, flag, "--to", "2026-06-01T09:00", "--json"]
    asked += ["--from", "2026-06-01T08:00"] if flag == "--no-show" else []
    proof = json.loads(run(*asked).output)
    assert proof["total"]["minor"] == total
    assert run("prove", *GARAGE[:2], "-", text=json.dumps(proof)).exit_code == 0
    assert run("prove", *GARAGE[:2], "-", text=json.dumps({**proof, "basis": "stay"})).exit_code == 1


@pytest.mark.parametrize(
    ("place", "left", "paid", "due", "back"),
    [
        ("grace-cut", "11:11", 600, 600, 0),
        ("grace-cliff", "09:30", 600, 0, 0),
        ("grace-cliff", "08:30", 600, 0, 300),
    ],
)
def test_what_was_paid_ahead_is_told_apart_from_what_is_due(place, left, paid, due, back):
    times = ["--from", "2026-11-18T08:00", "--paid-until", "2026-11-18T10:00", "--to", f"2026-11-18T{left}"]
    proof = json.loads(run("quote", *GARAGE, "--place", place, *times, "--json").output)
    assert [proof[name]["minor"] for name in ("paid_ahead", "due", "to_give_back")] == [paid, due, back]


@pytest.mark.parametrize(
    ("arguments", "problem", "says"),
    [
        (["--place", "street", "--lost-ticket"], "NoRateError", "lostTicket"),
        (["--place", "street", "--no-show", "--from", "2026-03-29T01:00"], "NoRateError", "noShow"),
        (["--place", "street"], "BadParameter", "only a lost ticket has no entry"),
        (["--place", "dst", "--from", "2026-03-29T02:30"], "BadParameter", "does not exist"),
        (["--place", "dst", "--from", "0001-01-01T00:00"], "BadParameter", "beyond every calendar"),
        (["--place", "dst", "--from", "1969-12-31T00:00"], "ImpossibleTimesError", "400 days"),
        (["--place", "dst", "--from", "2026-03-30T00:00"], "ImpossibleTimesError", "ends before"),
        (["--place", "dst", "--from", "soon"], "BadParameter", "not a time"),
        (["--place", "moon", "--from", "2026-03-29T01:00"], "UnknownPlaceError", "moon"),
        (["--place", "dst", "--from", "2026-03-29T01:00", "--right", "x"], "BadParameter", "known: none"),
        (["--place", "dst", "--from", "2026-03-29T01:00", "--unit", "kWh=1"], "UnknownUnitError", "kWh"),
    ],
)
def test_what_is_refused_is_json_too_where_json_was_asked_for(arguments, problem, says):
    found = CliRunner().invoke(
        main, ["parking", "quote", *GARAGE, *arguments, "--to", "2026-03-29T05:00", "--json"]
    )
    said = json.loads(found.stdout)
    assert found.exit_code != 0
    assert (said["problem"], says in said["detail"]) == (problem, True)


def test_years_that_no_stay_has_are_refused():
    times = ["--from", "9999-12-31T00:00", "--to", "9999-12-31T20:00"]
    assert "no stay begins" in run("quote", *GARAGE, "--place", "dst", *times).output


def test_bad_files_are_json_too_where_json_was_asked_for(tmp_path):
    for name, body in made_up("", HOURLY.replace("10000", "ten")).items():
        (tmp_path / name).write_bytes(body)
    asked = ["parking", "quote", "--rates", str(tmp_path), *STAY, "--to", "2026-11-18T10:00", "--json"]
    found = CliRunner().invoke(main, asked)
    (problem,) = json.loads(found.stdout)["problems"]
    assert (found.exit_code, problem["file"], problem["row"], problem["field"]) == (
        2,
        "rate_lines.csv",
        2,
        "value",
    )


def test_bad_files_are_named_by_file_row_and_field(tmp_path):
    for name, body in made_up("", HOURLY.replace("10000", "ten")).items():
        (tmp_path / name).write_bytes(body)
    found = run("check", "--rates", str(tmp_path))
    assert found.exit_code == 2
    assert "rate_lines.csv:2: value: “ten” is not an amount in VND" in found.output


def test_publish_needs_two_people_and_says_from_when(database, monkeypatch, tmp_path):
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    context.settings.cache_clear()
    one = run("publish", "--prepared-by", "mai", "--approved-by", "mai")
    two = run("publish", "--prepared-by", "mai", "--approved-by", "tuan")
    again = run("publish", "--prepared-by", "mai", "--approved-by", "tuan", "--from", "2030-01-01T00:00")
    for name, body in made_up("", HOURLY).items():
        (tmp_path / name).write_bytes(body)
    other = run(
        *("publish", "--rates", str(tmp_path), "--prepared-by", "mai", "--approved-by", "tuan"),
        *("--from", "2090-01-01T00:00"),
    )
    followed = run("publish", "--prepared-by", "mai", "--approved-by", "tuan")
    context.settings.cache_clear()
    assert (one.exit_code, "one person" in one.output) == (1, True)
    assert two.exit_code == 0, two.output
    assert "published already" in again.output
    assert "until" not in again.output
    assert other.exit_code == 0, other.output
    assert "until 2090-01-01T00:00:00+07:00, when others take over" in followed.output
    with database.engine.connect() as tx:
        assert Rates(tx).at(datetime(2026, 11, 18, tzinfo=UTC)).place("dong-da-01").capacity == 60


def test_a_proposal_is_shown_refused_and_approved_by_command(database, monkeypatch):
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    context.settings.cache_clear()
    assert "Nothing waits" in run("proposals", "list").output
    assert run("publish", "--prepared-by", "mai", "--approved-by", "tuan").exit_code == 0
    named = {"id": "dong-da-01", "version": 1, "name": [{"language": "vi", "string": "Bãi xe mới"}]}
    asked = Asked(
        action=Action.UPDATE, kind=ElementKind.PLACE, element_id="dong-da-01", version=1, attributes=named
    )
    made = []
    with database.engine.connect() as tx:
        for by in ("credential:one", "credential:two"):
            proposal = propose(tx, asked, by=by, now=datetime.now(UTC), allow=lambda operators: None)
            made.append(str(proposal.row.proposal_id))
        tx.commit()
    first, second = made
    shown = run("proposals", "show", first)
    assert "~ places.csv: name Bãi xe Đống Đa 01 → Bãi xe mới" in shown.output, shown.output
    assert "refused by" in run("proposals", "refuse", first, "--note", "not now").output
    declined = run("proposals", "approve", second, text="n\n")
    assert (declined.exit_code, "Publish this?" in declined.output) == (1, True)
    done = run("proposals", "approve", second, "--yes")
    assert (done.exit_code, "approved by" in done.output) == (0, True), done.output
    assert "approved by" in run("proposals", "approve", second).output
    assert "→ Bãi xe mới" in run("proposals", "show", second).output
    assert run("proposals", "approve", first, "--yes").exit_code == 1
    assert len(run("proposals", "list", "--all").output.splitlines()) == 2
    context.settings.cache_clear()
    with database.engine.connect() as tx:
        assert Rates(tx).at(datetime.now(UTC)).place("dong-da-01").name == "Bãi xe mới"

"""Looking routes and fares up, the published tariff, and pricing from the command line."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from fare.gtfs.load import check_tariff, load_tariff
from fare.publish import publish
from service.cli import main

pytestmark = pytest.mark.usefixtures("described")

HANOI = Path(__file__).parents[2] / "fare" / "tariffs" / "hanoi"


@pytest.fixture
def city(app, client, database, keyring, now):
    with database.engine.begin() as tx:
        publish(tx, HANOI, prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=now)
    return client


def test_routes_match_without_diacritics_and_say_what_is_inferred(city):
    body = city.get("/v1/routes?q=cat linh").json
    assert [route["route_id"] for route in body["routes"]] == ["2A"]
    assert body["routes"][0]["stops"][0] == {"stop_id": "2A-cat-linh", "name": "Cát Linh"}
    assert {note["status"] for note in body["data_notes"]} == {"inferred", "placeholder", "unknown"}
    assert len(city.get("/v1/routes").json["routes"]) == 100


def test_data_quality_is_shown_and_not_assumed(city):
    body = city.get("/v1/routes").json
    quality = body["data_quality"]
    assert quality["last_true_on"] == "2026-11-01"
    assert {note["about"] for note in quality["missing"]} >= {"waivers.txt", "station_positions.txt"}
    assert {note["about"] for note in quality["inferred"]} >= {"route_lengths.txt", "distance_fares.txt"}
    assert all(
        note["vi"] and note["en"] for notes in (quality["missing"], quality["inferred"]) for note in notes
    )
    assert {route["mode"] for route in body["routes"]} == {"bus", "metro"}


@pytest.mark.parametrize(
    ("query", "face", "charged"),
    [
        ("from=Cát Linh&to=Yên Nghĩa", 18625, 18625),
        ("from=cat linh&to=yen nghia&medium=cash", 19000, 19000),
        ("route=01", 10000, 10000),
        ("route=01&category=FREE_SENIOR", 10000, 0),
        ("route=01&at=2024-10-31T23:50:00%2B07:00", 7000, 7000),
        ("route=01&at=2026-02-14T00:00:00%2B07:00", 10000, 0),
    ],
)
def test_fare_of_a_ride(city, query, face, charged):
    (found,) = city.get(f"/v1/fares?{query}").json["fares"]
    assert (found["face_value"]["minor"], found["charged"]["minor"]) == (face, charged)
    assert found["vi"]
    assert found["en"]


@pytest.mark.parametrize(
    "query",
    ["from=Cát Linh&to=Nhổn", "from=2A-lang&to=2A-ha-dong&at=2025-07-31T08:00:00%2B07:00"],
)
def test_ride_without_a_known_fare_has_none(city, query):
    assert city.get(f"/v1/fares?{query}").json["fares"] == []


@pytest.mark.parametrize(
    ("query", "problem", "said"),
    [
        ("route=999", "unknown-route", "999"),
        ("from=moon&to=Nhổn", "unknown-stop", "moon"),
        ("from=Cát Linh&to=", "malformed-request", ""),
        ("from=Cát Linh&to=sun", "unknown-stop", "sun"),
        ("route=01&from=moon", "unknown-stop", "moon"),
        ("route=2A&from=Cát Linh&to=sun", "unknown-stop", "sun"),
    ],
)
def test_what_the_tariff_never_heard_of_is_a_problem(city, query, problem, said):
    answer = city.get(f"/v1/fares?{query}")
    assert answer.json["type"] == f"/problems/{problem}"
    assert answer.status_code == (422 if problem == "malformed-request" else 404)
    assert said in answer.json["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "from=Láng",
        "route=01&at=9999-12-31T23:00:00Z",
        "route=01&at=0001-01-01T00:00:00Z",
        "route=01&category=KING",
        "route=01&at=noon",
        "route=01&other=1",
    ],
)
def test_malformed_fare_question_is_refused(city, query):
    answer = city.get(f"/v1/fares?{query}")
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"


def test_tariff_can_be_taken_home(city):
    answer = city.get("/v1/tariff")
    assert answer.content_type == "application/zip"
    assert load_tariff(answer.data).sha256 == load_tariff(HANOI).sha256 == answer.headers["ETag"].strip('"')
    assert city.get("/v1/tariff?version=none").status_code == 404


def test_tariff_can_be_taken_home_as_the_standard_alone(city):
    answer = city.get("/v1/tariff?plain=true")
    names = zipfile.ZipFile(io.BytesIO(answer.data)).namelist()
    assert "fare_leg_rules.txt" in names
    assert "passes.txt" not in names
    assert int(answer.headers["X-Tariff-Dropped"]) > 10
    assert [one.code for one in check_tariff(answer.data).notices] == ["tariff_file_missing"]


def test_nothing_published_yet_is_said(client):
    assert client.get("/v1/routes").status_code == 404


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_check_command_names_file_row_and_field(tmp_path):
    assert run("tariff", "check", str(HANOI)).exit_code == 0
    for path in HANOI.glob("*.txt"):
        text = path.read_text("utf-8")
        (tmp_path / path.name).write_text(text.replace("18625", "18625.5"), "utf-8")
    found = run("tariff", "check", str(tmp_path))
    assert found.exit_code == 1
    assert "error fare_matrix.txt:3 amount: invalid_currency_amount" in found.output
    notices = json.loads(run("tariff", "check", "--json", str(tmp_path)).output)["notices"]
    assert {"file": "fare_matrix.txt", "row": 3, "field": "amount"}.items() <= notices[0].items()


def test_price_command_prices_from_files_alone(tmp_path):
    taps = tmp_path / "taps.csv"
    taps.write_text(
        "rider,at,purpose,route,stop\nan,2026-11-18T08:00,on,01,\nan,2026-11-18T09:00,on,2A,2A-lang\n"
    )
    found = run("fare", "price", "--tariff", str(HANOI), "--taps", str(taps), "--json")
    assert found.exit_code == 0
    (rider,) = json.loads(found.output)["riders"]
    assert rider["charged"] == {"minor": 28625, "currency": "VND"}
    assert [one["charged_minor"] for one in rider["days"][0]["explanations"]] == [10000, 18625]


def test_price_command_refuses_bad_taps_and_tells_of_unknown_fares(tmp_path):
    taps = tmp_path / "taps.csv"
    taps.write_text("rider,at,purpose,route\nan,noon,on,01\n")
    found = run("fare", "price", "--tariff", str(HANOI), "--taps", str(taps))
    assert found.exit_code == 1
    assert "taps.csv:2 at" in found.output
    taps.write_bytes(b"rider,at,purpose,route\n\xff,2026-11-18T08:00,on,01\n")
    found = run("fare", "price", "--tariff", str(HANOI), "--taps", str(taps), "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["notices"][0]["code"] == "csv_parsing_failed"
    taps.write_text(
        "rider,at,purpose,route,stop\nan,2026-11-18T08:00,on,01,\nan,2026-11-18T07:30,on,999,\nan,2026-11-18T09:00,on,,moon\n"
    )
    found = run("fare", "price", "--tariff", str(HANOI), "--taps", str(taps))
    assert found.exit_code == 1
    told = [line.split(maxsplit=3)[:3] for line in found.output.splitlines()[1:4]]
    assert told == [["07:30", "999", "unpriced"], ["08:00", "01", "boarded"], ["09:00", "moon", "unpriced"]]
    assert "the tariff has no such route" in found.output
    assert "the tariff has no such stop" in found.output


def test_diff_command_speaks_both_languages(tmp_path):
    for path in HANOI.glob("*.txt"):
        text = path.read_text("utf-8")
        (tmp_path / path.name).write_text(
            text.replace("20000,VND,2024-11-01", "21000,VND,2024-11-01"), "utf-8"
        )
    english = run("tariff", "diff", str(HANOI), str(tmp_path), "--lang", "en").output
    assert (
        english.strip()
        == "Fare bus_ge40_single [2024-11-01 …], changed: price 20000 → 21000 (fare_products.txt)"
    )
    assert "thay đổi" in run("tariff", "diff", str(HANOI), str(tmp_path)).output
    assert run("tariff", "diff", str(HANOI), str(HANOI), "--lang", "en").output.strip() == "no change"

"""Where the bus is, by its own word or the driver's; what the driver sees; a handheld that only checks."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from kernel.wire.tap import Phase, Purpose
from readers.__main__ import main
from readers.config import Kind, load_config
from readers.errors import ConfigError
from readers.softcard.direct import DirectChannel
from readers.tap import tap
from readers.validator import DutyBook
from readers.view import Screen, follow
from tests.readers.kit import NOW, enrolled, make_bench, soft_card, write_config


def positioned(tmp_path, *lines, **more):
    path = tmp_path / "position.jsonl"
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    device = load_config(write_config(tmp_path)).device
    return DutyBook(replace(device, position=path, **more)), path


def said(at=NOW, **more):
    return {"at": at.isoformat(), "stop_id": "26-07", **more}


def test_the_vehicles_word_overrides_the_duty_while_it_is_fresh(tmp_path):
    book, path = positioned(tmp_path, said(), position_s=60)
    here = book.at(NOW)
    assert (here.stop_id, here.route_id, here.trip_id) == ("26-07", "26", "26-05")
    assert book.at(NOW + timedelta(seconds=60)).stop_id == "26-07"
    assert book.at(NOW + timedelta(seconds=61)).stop_id == "26-01", "as reader.toml says"
    assert book.at(NOW - timedelta(seconds=61)).stop_id == "26-01", "from a future that far away"
    with path.open("a") as file:
        file.write(
            json.dumps(said(NOW + timedelta(minutes=2), stop_id="26-08", trip_id="x", direction=1)) + "\n"
        )
    book.reload()
    later = book.at(NOW + timedelta(minutes=2))
    assert (later.stop_id, later.trip_id, later.direction) == ("26-08", "x", 1)


@pytest.mark.parametrize(
    "line",
    ["{\n", "[]\n", "null\n", '{"at": 5, "stop_id": "x"}\n', '{"at": "2026-11-18T02:00:00"}\n', "\xff\n",
     "[" * 3_000 + "\n", said(stop_id="\ud800"),
     {"at": NOW.isoformat()}, said(stop_id=5), said(stop_id="x" * 65), said(stop_id="\x00"),
     {**said(stop_id="x"), "at": "2026-11-18T02:00:00"}, '{"at": "2026-11-18T02:00:00+00:00", "stop_id": "half'],
)  # fmt: skip
def test_a_word_that_is_none_is_passed_over(tmp_path, line):
    book, _ = positioned(tmp_path, said(), line)
    assert book.at(NOW).stop_id == "26-07", "the last that was one"
    book, _ = positioned(tmp_path, line)
    assert book.at(NOW).stop_id == "26-01"


def test_a_direction_that_is_none_is_left_out_and_a_missing_file_is_no_trouble(tmp_path):
    book, path = positioned(tmp_path, said(direction=7))
    assert (book.at(NOW).stop_id, book.at(NOW).direction) == ("26-07", 0)
    path.unlink()
    book.reload()
    assert book.at(NOW).stop_id == "26-07", "until it is too old"


def test_the_driver_says_where_we_are(tmp_path, capsys):
    config = write_config(tmp_path)
    assert main(["stop", "--config", str(config), "--stop-id", "26-09"]) == 1
    assert "device.position" in capsys.readouterr().err
    config.write_text(config.read_text().replace('stop_id = "26-01"', 'position = "position.jsonl"'))
    assert main(["stop", "--config", str(config), "--stop-id", "26-09", "--trip-id", "26-06"]) == 0
    here = DutyBook(load_config(config).device).at(NOW)
    assert (here.stop_id, here.trip_id, here.route_id) == ("26-09", "26-06", "26")
    capsys.readouterr()
    for nonsense in ("\udcff", "x" * 65):
        assert main(["stop", "--config", str(config), "--stop-id", nonsense]) == 1
        assert "--stop-id: must be a text of at most 64 bytes" in capsys.readouterr().err


def handheld(tmp_path):
    config = write_config(tmp_path)
    text = config.read_text().replace('kind = "bus"', 'kind = "inspector"').replace('purpose = "AUTO"\n', "")
    config.write_text(text)
    return config


def test_a_handheld_checks_and_never_takes_a_ride(tmp_path):
    device = load_config(handheld(tmp_path)).device
    assert (device.kind, device.purpose) == (Kind.INSPECTOR, Purpose.INSPECT)
    enrolled(tmp_path)
    bench = make_bench(load_config(handheld(tmp_path)))
    shown = tap(bench.desk, DirectChannel(soft_card(1)))
    assert (shown.message.en, shown.phase) == ("Checked", "DONE")
    (record,) = bench.records()
    assert (record.purpose, record.phase) == (Purpose.INSPECT, Phase.DONE)
    bench.close()


@pytest.mark.parametrize("purpose", ["BOARD", "AUTO", "PARK_IN"])
def test_a_handheld_has_one_purpose(tmp_path, purpose):
    config = handheld(tmp_path)
    config.write_text(config.read_text().replace('stop_id = "26-01"', f'purpose = "{purpose}"'))
    with pytest.raises(ConfigError, match=r"device\.purpose"):
        load_config(config)


LIGHT = {
    "at": NOW.isoformat(),
    "event": "light",
    "light": "green",
    "vi": "Mời lên xe",
    "en": "Welcome aboard",
    "card": 4711,
}


def test_the_screen_shows_the_light_and_then_the_state():
    screen = Screen("bus-01")
    screen.hear({"event": "state", "state": "IDLE", "why": []})
    screen.hear(LIGHT)
    fresh = screen.draw(NOW + timedelta(seconds=4), place="29B", colour=False)
    assert "Mời lên xe" in fresh
    assert "Welcome aboard" in fresh
    assert "4711" not in fresh, "no card is named"
    faded = screen.draw(NOW + timedelta(seconds=5), place="29B", colour=False)
    assert "Welcome" not in faded
    assert "Xin mời quét thẻ" in faded
    assert "green 1" in faded
    assert "\x1b[42;30m" in screen.draw(NOW, place="", colour=True)


def test_the_screen_shows_what_is_wrong():
    screen = Screen("bus-01")
    screen.hear({"event": "state", "state": "OUT_OF_SERVICE", "why": ["no bundle yet"]})
    assert "no bundle yet" in screen.draw(NOW, place="", colour=False)
    screen.hear({"event": "heartbeat", "state": "DEGRADED", "why": ["clock"], "unsent": 7, "uplink": "503"})
    drawn = screen.draw(NOW, place="", colour=False)
    assert "DEGRADED  clock" in drawn
    assert "unsent 7  503" in drawn
    screen.hear({"event": "something new"})
    assert screen.draw(NOW, place="", colour=False) == drawn


def test_a_file_is_followed_over_torn_lines_and_rotation(tmp_path):
    path, looks = tmp_path / "events.jsonl", [0]

    def rest():
        looks[0] += 1
        match looks[0]:
            case 1:
                path.write_text('{"event": "a"}\n{"eve')
            case 2:
                path.write_text('{"event": "a"}\n{"event": "b"}\nnonsense\n[1]\n')
            case 3:
                path.write_text('{"event": "c"}\n')
        return looks[0] < 4

    assert [each["event"] for each in follow(path, rest=rest) if each] == ["a", "b", "c"]

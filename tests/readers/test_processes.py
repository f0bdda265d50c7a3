"""The reader as real processes: its command line, and whole taps over nfcpy's udp driver."""

import json
import os
import signal
import stat
import subprocess
import sys
from uuid import uuid4

import pytest

from kernel.crypto.card_keys import card_key
from kernel.wire import cardinfo
from kernel.wire.tap import Phase, decode_tap
from readers.__main__ import main
from readers.config import load_config
from readers.identity import load_identity, locked
from readers.journal import open_or_replace
from tests.readers.kit import (
    AUTH_MASTERS,
    DEVICE,
    NOW,
    TMAC_MASTERS,
    enrolled,
    fill,
    info_of,
    open_journal,
    proven,
    uid_of,
    wait_until,
    write_config,
)
from tests.readers.loop import events
from tests.readers.test_journal_files import damaged


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "readers", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_enrolment_from_the_command_line(tmp_path, office):
    config = load_config(write_config(tmp_path, url=office.url))
    refused = run(tmp_path, "enrol", "--config", "reader.toml", "--code", "BAD")
    assert refused.returncode == 1
    assert "403 The one-time code is not valid" in refused.stderr
    done = run(tmp_path, "enrol", "--config", "reader.toml", "--code", "GOOD")
    assert done.returncode == 0, done.stderr
    assert str(DEVICE) in done.stdout
    first, second = office.enrolments
    assert first | {"code": ""} == second | {"code": ""}, "a second try sends the same keys"
    assert second["name"] == "bus-01"
    assert stat.S_IMODE((config.state_dir / "device.json").stat().st_mode) == 0o600
    again = run(tmp_path, "enrol", "--config", "reader.toml", "--code", "GOOD")
    assert again.returncode == 1
    assert "enrolled already" in again.stderr


@pytest.mark.parametrize(
    "command", ["run", "enrol", "status", "journal", "replay", "personalise", "stop", "view", "states"]
)
def test_every_command_teaches(tmp_path, command):
    said = run(tmp_path, command, "--help")
    assert said.returncode == 0
    assert f"example: python -m readers {command}" in said.stdout


def test_bad_input_is_one_clear_line(tmp_path):
    for arguments, why in (
        (("run", "--config", "none.toml"), "none.toml: cannot be read"),
        (("status", "--config", "reader.toml"), "not enrolled"),
        (("journal", "--config", "reader.toml"), "there is no journal"),
    ):
        write_config(tmp_path)
        said = run(tmp_path, *arguments)
        assert said.returncode == 1
        assert why in said.stderr
        assert len(said.stderr.splitlines()) == 1


def test_replay_prints_one_line_where_nobody_looks(tmp_path, office, capsys):
    config = enrolled(tmp_path, url=office.url)
    journal = open_journal(config.journal.path)
    fill(journal, 7)
    journal.close()
    config.file.write_text(config.file.read_text().replace("linger_ms = 5", "linger_ms = 5\nbatch = 3"))
    assert main(["replay", "--config", str(config.file)]) == 0
    said = capsys.readouterr()
    assert said.out == "7 records sent: 7 accepted; the server has the chain up to 7\n"
    assert said.err == ""


def test_replay_of_a_damaged_file_sends_the_rest_and_says_so(tmp_path, office, capsys):
    config = enrolled(tmp_path, url=office.url)
    damaged(config.journal.path, -2)
    assert main(["replay", "--config", str(config.file)]) == 1
    out = capsys.readouterr().out
    assert f"{len(office.stored)} records sent: {len(office.stored)} accepted" in out
    assert f"{60 - len(office.stored)} cannot be read; the file is damaged" in out
    assert {sequence for _, sequence in office.stored} >= {1, 60}


def test_no_identity_is_replaced_under_a_running_reader(tmp_path, office, capsys):
    config = enrolled(tmp_path, url=office.url)
    before = (config.state_dir / "device.json").read_bytes()
    held = locked(config.state_dir)
    assert main(["enrol", "--config", str(config.file), "--code", "GOOD", "--replace"]) == 1
    assert "another reader runs on this folder" in capsys.readouterr().err
    assert (config.state_dir / "device.json").read_bytes() == before
    assert office.enrolments == []
    os.close(held)


def test_what_a_replaced_device_left_unsent_can_still_be_sent(tmp_path, office, capsys):
    """Its journal is set aside at the next start; its keys are kept beside, since nobody else can sign it."""
    config = enrolled(tmp_path, url=office.url)
    journal = open_journal(config.journal.path)
    fill(journal, 3)
    journal.close()
    office.next_device = uuid4()
    assert main(["enrol", "--config", str(config.file), "--code", "GOOD", "--replace"]) == 0
    assert load_identity(config.state_dir).device_id == office.next_device
    former = config.state_dir / f"device-{DEVICE}.json"
    assert stat.S_IMODE(former.stat().st_mode) == 0o600
    fresh, why = open_or_replace(config.journal.path, device_id=office.next_device, now=NOW)
    fresh.close()
    assert "another device" in why
    (aside,) = config.state_dir.glob("journal-*.sqlite")
    capsys.readouterr()
    assert main(["replay", "--config", str(config.file), "--journal", str(aside)]) == 0
    assert "3 accepted" in capsys.readouterr().out
    former.unlink()
    assert main(["replay", "--config", str(config.file), "--journal", str(aside)]) == 1
    assert "which alone can sign it" in capsys.readouterr().err


def card_row(serial):
    uid = uid_of(serial)
    return {
        "serial": serial,
        "uid": uid.hex(),
        "keys": {
            "AUTH": card_key(AUTH_MASTERS[1], uid, 1).hex(),
            "TMAC": card_key(TMAC_MASTERS[1], uid, 1).hex(),
        },
        "generation": 1,
        "info": cardinfo.encode(info_of(serial)).hex(),
    }


def test_whole_taps_over_nfcpy_udp_in_real_processes(tmp_path, office):
    port = 54_300 + os.getpid() % 90
    config = enrolled(tmp_path, url=office.url, port=port, removal=100)
    (tmp_path / "cards.json").write_text(json.dumps([card_row(serial) for serial in range(1, 5)]))
    plan = [(1, None), (2, None), (3, "tear"), (3, None), (4, "wrong_mac")]
    lines = [{"at": NOW.isoformat(), "port": port, "card": card, "fault": fault} for card, fault in plan]
    (tmp_path / "plan.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    env = os.environ | {"PYTHONPATH": os.getcwd()}
    reader = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "readers", "run", "--config", "reader.toml"],
        cwd=tmp_path,
        env=env,
    )
    try:
        wait_until(lambda: config.lamp.events.exists() and events(config, "state"), timeout_s=20)
        field = subprocess.run(
            [sys.executable, "-m", "readers.softcard", "--plan", "plan.jsonl", "--ports", str(port), "--cards",
             "cards.json", "--clock", f"fixed:{NOW.isoformat()}", "--report", "report.json"],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert field.returncode == 0, field.stderr
    finally:
        reader.send_signal(signal.SIGTERM)
        assert reader.wait(timeout=15) == 0
    counters = {
        row["serial"]: row["tmc"] for row in json.loads((tmp_path / "report.json").read_text())["cards"]
    }
    assert counters == {1: 1, 2: 1, 3: 1, 4: 0}
    stored = [decode_tap(raw) for _, raw in sorted(office.stored.items())]
    charged = [tap for tap in stored if tap.phase in {Phase.DONE, Phase.RECOVERED}]
    assert all(proven(tap) for tap in charged)
    assert sorted(tap.card_serial for tap in charged) == [1, 2, 3]
    assert [tap.card_serial for tap in stored if tap.phase is Phase.TORN] == [3]
    listed = run(tmp_path, "journal", "--config", "reader.toml", "--verify", "--json")
    assert "chain whole from 1 to" in listed.stderr
    assert len(listed.stdout.splitlines()) == len(stored)
    status = json.loads(run(tmp_path, "status", "--config", "reader.toml", "--json").stdout)
    assert (status["unsent"], status["sequence"]) == (0, len(stored))
    replayed = run(tmp_path, "replay", "--config", "reader.toml")
    assert f"{len(stored)} records sent: {len(stored)} duplicate" in replayed.stdout

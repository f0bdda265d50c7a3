"""The field process: cards in another process, a reader here, and the report against what the reader saw."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from kernel.clock import FixedClock
from kernel.crypto import tmac
from kernel.crypto.card_keys import KEY_NUMBER, Role, card_key
from readers import card
from readers.card import CardError, CardForgedError, CardLostError
from readers.frontend import Emulation, open_frontend
from readers.softcard.__main__ import main
from readers.softcard.card import Eeprom, Fault
from readers.softcard.field import Antenna, FieldServer, Outcome, Presentation, Tally
from readers.softcard.files import FileFormatError, StateFile, read_cards, read_plan, write_report
from readers.softcard.mint import mint

MASTERS = {role: bytes((number,)) * 16 for number, role in enumerate(Role)}
KEYS = {1: MASTERS[Role.AUTH]}
READER = b"R" * 16
NOW = datetime(2026, 11, 18, tzinfo=UTC)


def free_ports(count):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def cards_file(path, serials):
    rows = []
    for serial in serials:
        soft = mint(serial, MASTERS)
        keys = {
            "AUTH": soft._secrets.by_number[KEY_NUMBER[Role.AUTH]].hex(),
            "TMAC": soft._secrets.tmac.hex(),
        }
        info = soft.eeprom.card_info.hex()
        rows.append({"serial": serial, "uid": soft.uid.hex(), "keys": keys, "generation": 1, "info": info})
    path.write_text(json.dumps(rows))
    return path


def plan_file(path, lines):
    rows = [
        {"at": (NOW + timedelta(seconds=count)).isoformat(), "port": port, "card": serial, "fault": fault}
        for count, (port, serial, fault) in enumerate(lines)
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return path


def read_all(port, until, commit=True):
    """Tap every card that comes, until told; return what was committed and each error, in order."""
    done, errors = [], []
    with closing(open_frontend(f"udp:127.0.0.1:{port}")) as field:
        while not until():
            channel = field.wait_for_card(0.05)
            if channel is None:
                continue
            try:
                read = card.begin(channel, KEYS)
                if commit:
                    prepared = card.prepare(read, READER)
                    done.append((prepared, card.commit(prepared)))
                else:
                    done.append(read)
            except CardError as error:
                errors.append(error)
            while channel.present() and not until():
                pass
    return done, errors


def run(folder, ports, lines, *extra, reader=read_all):
    """Run the field process over this plan with a reader here on each port; return its report and the taps."""
    plan = plan_file(folder / "plan.jsonl", lines)
    cards = cards_file(folder / "cards.json", {serial for _, serial, _ in lines})
    report = folder / "report.json"
    command = [sys.executable, "-W", "error", "-m", "readers.softcard"]
    command += ["--plan", plan, "--cards", cards, "--report", report]
    command += ["--ports", ",".join(map(str, ports)), "--clock", f"fixed:{NOW.isoformat()}", *extra]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        results = {}
        threads = [
            threading.Thread(
                target=lambda port=port: results.update(
                    {port: reader(port, lambda: process.poll() is not None)}
                )
            )
            for port in ports
        ]
        for thread in threads:
            thread.start()
        out, errors = process.communicate(timeout=60)
        for thread in threads:
            thread.join()
    assert errors == ""
    return process.returncode, json.loads(report.read_text()), results, out


def test_the_field_process_taps_every_card_of_its_plan_on_two_antennas(tmp_path):
    ports = free_ports(2)
    lines = [(ports[(serial + lap) % 2], serial, None) for lap in range(2) for serial in range(1, 9)]
    code, report, results, out = run(tmp_path, ports, lines, "--verbose")
    assert code == 0
    counters = {row["serial"]: row["tmc"] for row in report["cards"]}
    assert counters == dict.fromkeys(range(1, 9), 2)
    assert report["cards"][0]["uid"] == "04000000000001"
    assert (report["presented"], report["committed"], report["torn"]) == (16, 16, 0)
    assert (report["read_only"], report["unserved"]) == (0, 0)
    taps = [tap for done, _ in results.values() for tap in done]
    assert sorted((prepared.read.info.serial, end.tmc) for prepared, end in taps) == sorted(
        (serial, count) for serial in range(1, 9) for count in (1, 2)
    )
    for prepared, end in taps:
        key = tmac.TmacKey(card_key(MASTERS[Role.TMAC], prepared.read.uid, 1))
        assert tmac.verify_tmv(key, uid=prepared.read.uid, tmc=end.tmc, tmi=prepared.tmi, claimed=end.tmv)
    told = [json.loads(line) for line in out.splitlines()]
    assert [line["outcome"] for line in told] == ["committed"] * 16


def test_faults_strike_once_and_the_next_presentation_tells_what_happened(tmp_path):
    (port,) = free_ports(1)
    lines = [
        (port, 1, "tear"),
        (port, 1, None),
        (port, 1, "tear_before"),
        (port, 1, None),
        (port, 2, "wrong_mac"),
        (port, 2, "slow"),
    ]
    code, report, results, _ = run(tmp_path, [port], lines)
    done, errors = results[port]
    assert code == 0
    assert [(prepared.read.info.serial, prepared.read.prior_tmc, end.tmc) for prepared, end in done] == [
        (1, 1, 2),
        (1, 2, 3),
        (2, 0, 1),
    ]
    assert [type(error) for error in errors if type(error) is CardLostError] == [CardLostError] * 2
    assert any(type(error) is CardForgedError for error in errors)
    assert report["torn"] == 2
    assert {row["serial"]: row["tmc"] for row in report["cards"]} == {1: 3, 2: 1}


def test_hostile_cards_come_and_go(tmp_path):
    (port,) = free_ports(1)
    lines = [(port, 1, "hostile_ats"), (port, 1, "garbage"), (port, 1, None)]
    code, report, results, _ = run(tmp_path, [port], lines)
    assert code == 0
    assert len(results[port][0]) == 1
    assert (report["presented"], report["committed"], report["torn"]) == (3, 1, 0)


def test_a_card_that_a_reader_only_reads_goes_away_by_itself(tmp_path):
    (port,) = free_ports(1)

    def reading(port, until):
        return read_all(port, until, commit=False)

    code, report, results, _ = run(tmp_path, [port], [(port, 1, None)], reader=reading)
    assert code == 0
    assert (report["read_only"], report["committed"], report["cards"][0]["tmc"]) == (1, 0, 0)
    assert len(results[port][0]) >= 2


def test_a_card_that_no_reader_serves_is_reported(tmp_path):
    (port,) = free_ports(1)
    code, report, _, _ = run(tmp_path, [port], [(port, 1, None)], "--patience", "0.2", reader=lambda *_: None)
    assert code == 1
    assert (report["presented"], report["unserved"]) == (1, 1)


def test_sigterm_leaves_a_report(tmp_path):
    (port,) = free_ports(1)

    plan = plan_file(tmp_path / "plan", [(port, 1, None)])
    cards = cards_file(tmp_path / "cards", [1])
    command = [sys.executable, "-W", "error", "-m", "readers.softcard", "--plan", plan, "--cards", cards]
    command += ["--report", tmp_path / "report", "--ports", str(port), "--verbose"]
    command += ["--clock", f"fixed:{NOW.isoformat()}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        with closing(open_frontend(f"udp:127.0.0.1:{port}")) as field:
            assert field.wait_for_card(20) is not None
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert json.loads((tmp_path / "report").read_text())["presented"] == 0


def test_cards_keep_their_memory_from_run_to_run(tmp_path):
    (port,) = free_ports(1)
    for count in (1, 2):
        code, report, results, _ = run(tmp_path, [port], [(port, 1, None)], "--state", tmp_path / "state")
        ((prepared, end),) = results[port][0]
        assert (code, end.tmc, report["cards"][0]["tmc"]) == (0, count, count)
        assert prepared.read.prior_tmc == count - 1


def test_state_ignores_a_line_cut_short_by_a_kill(tmp_path):
    path = tmp_path / "state"
    state = StateFile(path)
    info = bytes(32)
    state.keep(1, Eeprom(info, 5, b"\x01" * 8, READER))
    state.keep(1, Eeprom(info, 6, b"\x02" * 8, READER))
    state.close()
    path.write_text(path.read_text()[:-20])
    again = StateFile(path)
    assert again.last(1, Eeprom(b"\x01" * 32)) == Eeprom(b"\x01" * 32, 5, b"\x01" * 8, READER)
    assert again.last(2, Eeprom(info)) == Eeprom(info)
    again.keep(1, Eeprom(info, 7, b"\x03" * 8, READER))
    again.close()
    with closing(StateFile(path)) as third:
        assert third.last(1, Eeprom(info)).tmc == 7
    StateFile(None).close()


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "7",
        "{}",
        '{"at": "2026-11-18T00:00:00", "port": 1, "card": 1}',
        '{"at": "soon", "port": 1, "card": 1}',
        '{"at": "2026-11-18T00:00:00Z", "port": 2, "card": 1}',
        '{"at": "2026-11-18T00:00:00Z", "port": 1, "card": 2}',
        '{"at": "2026-11-18T00:00:00Z", "port": 1, "card": 1, "fault": "explode"}',
    ],
)
def test_a_malformed_plan_names_its_line(tmp_path, line):
    path = tmp_path / "plan"
    path.write_text('{"at": "2026-11-18T00:00:00Z", "port": 1, "card": 1}\n' + line)
    with pytest.raises(FileFormatError, match=":2: "):
        read_plan(path, [1], [1])


@pytest.mark.parametrize("text", ["{", "{}x", "[1]", '[{"serial": 1}]', '[{"serial": 1, "uid": "zz"}]'])
def test_a_malformed_card_list_is_refused(tmp_path, text):
    path = tmp_path / "cards"
    path.write_text(text)
    with pytest.raises(FileFormatError):
        read_cards(path, StateFile(None))


def test_unusable_arguments_exit_with_two(tmp_path, capsys, monkeypatch):
    (port,) = free_ports(1)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    common = ["--report", str(tmp_path / "report"), "--clock", "system"]
    plan = ["--plan", str(plan_file(tmp_path / "plan", [(port, 1, None)]))]
    cards = ["--cards", str(cards_file(tmp_path / "cards", [1]))]
    with closing(Emulation(port)):
        assert main([*common, *plan, *cards, "--ports", str(port)]) == 2
    assert main([*common, *plan, *cards, "--ports", "none"]) == 2
    assert main([*common, *plan, "--cards", str(tmp_path / "nothing"), "--ports", str(port)]) == 2
    assert main([*common, *plan, *cards, "--ports", str(port), "--clock", "sundial"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    assert all(line.startswith("softcard: ") for line in said)
    assert not (tmp_path / "report").exists()


def test_a_report_replaces_the_one_before_it_whole(tmp_path):
    path = tmp_path / "report"
    tally = Tally()
    for outcome, fault in (
        (Outcome.COMMITTED, None),
        (Outcome.FAULTED, Fault.TEAR_AFTER),
        (Outcome.FAULTED, Fault.GARBAGE),
        (Outcome.READ_ONLY, None),
        (Outcome.UNSERVED, None),
    ):
        tally.count(outcome, fault)
        write_report(path, {1: mint(1, MASTERS)}, tally)
    report = json.loads(path.read_text())
    assert report.pop("cards") == [{"serial": 1, "uid": "04000000000001", "tmc": 0}]
    assert report == {"presented": 5, "committed": 1, "torn": 1, "read_only": 1, "unserved": 1}
    assert os.listdir(tmp_path) == ["report"]


def test_a_card_goes_from_antenna_to_antenna_in_the_plans_order():
    ports = free_ports(2)
    antennas = {port: Antenna(Emulation(port), patience_s=10) for port in ports}
    soft, seen = mint(1, MASTERS), []
    plan = [Presentation(NOW, ports[count % 2], 1) for count in range(6)]
    server = FieldServer(
        {1: soft}, antennas, plan, FixedClock(NOW), on_done=lambda which, _: seen.append(which.port)
    )
    stop = threading.Event()
    readers = [threading.Thread(target=read_all, args=(port, stop.is_set)) for port in ports]
    for reader in readers:
        reader.start()
    for thread in server.start():
        thread.join(30)
        assert not thread.is_alive()
    stop.set()
    for reader in readers:
        reader.join()
    for antenna in antennas.values():
        antenna.close()
    assert seen == [ports[count % 2] for count in range(6)]
    assert server.eeproms()[1].tmc == 6

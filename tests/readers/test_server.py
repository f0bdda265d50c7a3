"""The HTTP client's own troubles, and replay."""

import json
import socket
import threading
import time

import pytest

from kernel.clock import FixedClock
from kernel.wire.tap import decode_tap
from kernel.wire.upload import PATH
from readers import kept
from readers.errors import EnrolmentError, ServerError
from readers.identity import Identity
from readers.records import JournalReader
from readers.replay import replay
from readers.server import Server
from tests.readers.kit import (
    DEVICE_KEYS,
    IDENTITY,
    NOW,
    SERVER_KEY,
    enrolled,
    fill,
)


def test_a_kept_connection_that_went_stale_costs_no_failure(office):
    server = Server(office.url, timeout_s=2, clock=FixedClock(NOW))
    assert server.post("/v1/devices/heartbeats", b"{}").status == 200
    server._connection.sock.shutdown(socket.SHUT_RDWR)
    assert server.post("/v1/devices/heartbeats", b"{}").status == 200
    server.close()


def test_a_dripping_or_endless_answer_is_given_up():
    def serve(listener):
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            for _ in range(30):
                try:
                    peer.sendall(b"x")
                except OSError:
                    return
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.2, clock=FixedClock(NOW))
        with pytest.raises(ServerError, match="too long"):
            server.get(PATH)
        thread.join(timeout=5)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000,
        b"HTTP/1.1 500 Oh\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000,
        b"HTTP/1.1 200 OK\r\nDate: Fri, 31 Dec 9999 23:59:59 -2359\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 +99999999999\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_an_answer_that_is_nonsense_ends_no_thread(answer):
    def serve(listener):
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=2, clock=FixedClock(NOW))
        reply = server.get(PATH)
        assert reply.problem()
        with pytest.raises(ServerError, match="not JSON"):
            reply.json()
        thread.join(timeout=5)
        server.close()


def test_replay_sends_everything_kept_and_charges_nothing_twice(office, journal):
    server = Server(office.url, timeout_s=2, clock=FixedClock(NOW))
    fill(journal, 7)
    replay(journal.path, identity=IDENTITY, server=server, batch=7)
    fill(journal, 2)
    seen = []
    done = replay(journal.path, identity=IDENTITY, server=server, batch=4, progress=seen.append)
    assert (done.sent, done.verdicts, done.chained_up_to) == (9, {"duplicate": 7, "accepted": 2}, 9)
    assert seen == [4, 8, 9]
    server.close()


def test_a_record_that_cannot_be_read_costs_only_itself(office, journal, capsys, tmp_path):
    """What comes before it is signed by itself: no hash leads there from what comes after."""
    fill(journal, 5)
    journal._db.execute("UPDATE record SET body = substr(body, 1, 60) WHERE sequence = 3")
    server = Server(office.url, timeout_s=2, clock=FixedClock(NOW))
    done = replay(journal.path, identity=IDENTITY, server=server, batch=200)
    assert (done.sent, done.damaged, done.verdicts) == (4, 1, {"accepted": 4})
    assert sorted(sequence for _, sequence in office.stored) == [1, 2, 4, 5]
    server.close()
    assert kept.journal(journal.path, 5, as_json=True, verify=False) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["sequence"] for row in rows if "error" in row] == [3]
    config = enrolled(tmp_path, url=office.url)
    assert kept.resend(config, journal.path) == 1
    assert "1 cannot be read" in capsys.readouterr().out


def test_replay_of_another_devices_journal_is_refused(office, journal):
    other = Identity(decode_tap(journal_body(journal)).journal_id, DEVICE_KEYS, SERVER_KEY.public)
    server = Server(office.url, timeout_s=2, clock=FixedClock(NOW))
    with pytest.raises(EnrolmentError, match="which alone can sign it"):
        replay(journal.path, identity=other, server=server, batch=4)


def journal_body(journal):
    fill(journal, 1)
    reader = JournalReader(journal.path)
    body = reader.after(0, limit=1)[0][1]
    reader.close()
    return body

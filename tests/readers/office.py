"""A small real back office over HTTP for the readers' tests, with faults on demand."""

import json
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

from access.rules.segment import read_segment
from kernel.crypto.ed25519 import VerifyKey
from kernel.wire.tap import decode_tap, record_hash
from kernel.wire.upload import Answer, RecordVerdict, Upload, Verdict
from tests.readers.kit import DEVICE, DEVICE_KEYS, SERVER_KEY, envelope


class BackOffice:
    """A server that takes uploads in by the pure rules of `access`, over real HTTP, with faults on demand.

    `faults` is a list consumed one a request: "500", "503", "drop" (stored, then the connection dies without an
    answer), "garbage", "stall" (answers after `stall_s`), "413".
    """

    def __init__(self, key: VerifyKey = DEVICE_KEYS.signing.public) -> None:
        self.keys = [key]
        self.rotate_key = False
        self.offers: list[dict] = []
        self.stored: dict[tuple[UUID, int], bytes] = {}
        self.requests: list[bytes] = []
        self.faults: list[str] = []
        self.stall_s = 0.3
        self.envelope: bytes | None = envelope()
        self.bundle_headers: list[dict[str, str]] = []
        self.bundle_paths: list[str] = []
        self.enrolments: list[dict] = []
        self.next_device = DEVICE
        self.heartbeats: list[dict] = []
        self.heartbeat_faults: list[int] = []
        self.deaf_above = 10**9
        self.asked: list[dict] = []
        self.vouch: Callable[[dict], tuple[int, object]] = lambda _: (503, {"title": "not here"})
        office = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                office.post(self, body)

            def do_GET(self) -> None:
                office.get(self)

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass  # a peer that hangs up is what these tests are about

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, handler, status: int, content: object) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def post(self, handler, body: bytes) -> None:
        if handler.path == "/v1/devices/enrol":
            asked = json.loads(body)
            self.enrolments.append(asked)
            if asked["code"] != "GOOD":
                self.reply(handler, 403, {"detail": "The one-time code is not valid."})
                return
            bundle_key = b64encode(SERVER_KEY.public.raw).decode()
            self.reply(handler, 201, {"device_id": str(self.next_device), "bundle_key": bundle_key})
            return
        if handler.path == "/v1/devices/heartbeats":
            if self.heartbeat_faults:
                self.reply(handler, self.heartbeat_faults.pop(0), b"<html>")
                return
            self.heartbeats.append(json.loads(body))
            self.reply(handler, 200, {"rotate_key": self.rotate_key})
            return
        if handler.path == "/v1/devices/keys":
            self.offers.append(json.loads(body))
            if self.faults:
                self.reply(handler, int(self.faults.pop(0)), {"title": "fault"})
                return
            self.rotate_key = False
            self.keys.append(VerifyKey(b64decode(self.offers[-1]["public_key"])))
            self.reply(handler, 201, {"key_id": self.keys[-1].key_id.hex()})
            return
        if handler.path == "/v1/vouchers":
            self.asked.append(json.loads(body))
            status, answer = self.vouch(self.asked[-1])
            self.reply(handler, status, answer)
            return
        assert handler.path == "/v1/taps"
        self.requests.append(body)
        fault = self.faults.pop(0) if self.faults else ""
        if fault.isdigit():
            self.reply(handler, int(fault), {"title": f"fault {fault}"})
            return
        if fault == "stall":
            time.sleep(self.stall_s)
        answer = self.take_in(Upload.from_json(json.loads(body)))
        if fault == "drop":
            handler.close_connection = True
            handler.connection.close()
            return
        self.reply(handler, 200, b"<html>" if fault == "garbage" else answer.to_json())

    def take_in(self, upload: Upload) -> Answer:
        (key,) = [each for each in self.keys if each.key_id == upload.key_id]
        sent = read_segment(upload, key)
        assert sent is not None, "the head is signed by the device"
        verdicts = []
        for each in sent:
            assert each.fault is None, each.fault
            place = (upload.journal_id, each.link.sequence)
            if place not in self.stored:
                self.stored[place] = each.raw
                verdict = Verdict.ACCEPTED
            else:
                verdict = Verdict.DUPLICATE if self.stored[place] == each.raw else Verdict.CONFLICT
            verdicts.append(RecordVerdict(each.link.sequence, verdict))
        return Answer(tuple(verdicts), self.chained(upload.journal_id))

    def chained(self, journal: UUID) -> int:
        last, head = 0, bytes(32)
        while last < self.deaf_above and (journal, last + 1) in self.stored:
            raw = self.stored[journal, last + 1]
            if decode_tap(raw).previous_hash != head:
                break
            last, head = last + 1, record_hash(raw)
        return last

    def get(self, handler) -> None:
        self.bundle_headers.append({name.lower(): value for name, value in handler.headers.items()})
        self.bundle_paths.append(handler.path)
        if self.envelope is None:
            self.reply(handler, 503, {"title": "no bundle yet"})
            return
        version = json.loads(b64decode(json.loads(self.envelope)["bundle"]))["version"]
        if handler.headers.get("If-None-Match") == f'"{version}"':
            self.reply(handler, 304, b"")
            return
        self.reply(handler, 200, self.envelope)

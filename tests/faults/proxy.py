"""A bad line between a reader and the running service: away, slow, failing, cut off after the work was done, or
answering once more what it answered before.
"""

import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Line:
    """Forwards to `url`. `faults` is what happens to the next uploads, one each; "" lets one through."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url).netloc
        self.faults: list[str] = []
        self.met: list[str] = []
        self._before: tuple[int, bytes] | None = None
        line = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                line.pass_on(self, b"")

            def do_POST(self) -> None:
                line.pass_on(self, self.rfile.read(int(self.headers["Content-Length"])))

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass  # a peer that hangs up is what this is about

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def pass_on(self, handler, body: bytes) -> None:
        fault = self.faults.pop(0) if self.faults and handler.path == "/v1/taps" else ""
        self.met.append(fault)
        if fault == "away":
            handler.close_connection = True
            handler.connection.close()
            return
        if fault in {"500", "503", "429"}:
            self.answer(handler, int(fault), b'{"title": "fault"}')
            return
        if fault == "slow":
            time.sleep(0.5)
        if fault == "before" and self._before is not None:
            self.answer(handler, *self._before)
            return
        found = self.asked(handler, body)
        if fault == "twice":
            # The service takes the same upload in twice; the reader hears of it once.
            found = self.asked(handler, body)
        if handler.path == "/v1/taps":
            self._before = found
        if fault == "cut":
            handler.close_connection = True
            handler.connection.close()
        elif fault == "garbage":
            self.answer(handler, 200, b"<html>welcome</html>")
        else:
            self.answer(handler, *found)

    def asked(self, handler, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._target, timeout=30)
        names = ("content-type", "content-digest", "signature", "signature-input", "if-none-match")
        headers = {name: handler.headers[name] for name in names if name in handler.headers}
        connection.request(handler.command, handler.path, body or None, headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply.status, content

    def answer(self, handler, status: int, content: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

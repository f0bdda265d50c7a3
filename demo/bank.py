"""A bank and its payment provider, as somebody else would have written them: a process of its own, real wire formats.

Imports no house (a test holds it to that), so that a misreading of a format shows as a disagreement: the QR parser,
the checksum, the signatures and the clock here are second implementations. `python -m demo.bank --help`.

    POST /pay         {"qr": "000201…"} reads the QR as a bank's app would and pays what it asks. Also:
                      "amount" another amount; "times" how often it is notified; "notify": false never;
                      "delay_s"; "fold": the description upper-cased, glued and wrapped; "order_code": null
                      forgets it; "contradict": also notified with this amount; "forge": under a wrong key;
                      "paid_at"; without "qr" an amount paid straight to the account, "description" as given.
                      {"payments": […], "times": 5, "shuffle": true, "seed": 7} mixes all their notifications.
    POST /flush       waits until nothing is left to send; 504 after {"timeout_s": 30}
    GET  /statement   what the bank thinks it was paid, with running balances
    GET  /file        a statement or settlement file: ?format=camt.053.08&day=2026-11-18, with faults (demo/bank_files)
    POST /file        the same, written to {"into": path}, after {"delay_s": 0}: a late statement
    GET  /v2/payment-requests/CODE  what became of an order code, signed as payOS signs it
    GET  /deliveries  what was sent, and how the service answered
"""

import argparse
import http.client
import json
import random
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from demo.bank_files import write_file
from demo.bank_wire import (
    HANOI,
    RefusedError,
    as_banks_write,
    casso_note,
    payos_note,
    payos_status,
    scan,
    world_time,
)

TRIES = 12


class Bank:
    """One account, its movements, and the notifications still to be sent."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.key: bytes = options.secret_file.read_text("utf-8").rstrip("\r\n").encode()
        self.lock = threading.Condition()
        self.movements: list[dict[str, Any]] = []
        self.deliveries: list[dict[str, Any]] = []
        self.waiting: list[tuple[float, int, dict[str, Any], bytes]] = []
        self.sending = 0
        self.sent = 0

    def pay(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        """Book an order's payments and queue their notifications; return the movements."""
        orders = order.get("payments", [order])
        if not isinstance(orders, list) or not orders:
            raise RefusedError("nothing to pay")
        with self.lock:
            made = [self.book(one) for one in orders]
            notes = [
                (note, float(one.get("delay_s", 0)))
                for one, movement in zip(orders, made, strict=True)
                if one.get("notify", True)
                for note in self.notes(one, movement)
                for _ in range(int(one.get("times", order.get("times", 1))))
            ]
            if order.get("shuffle"):
                random.Random(order.get("seed", 0)).shuffle(notes)
            for (movement, key), delay in notes:
                self.sent += 1
                self.waiting.append((time.monotonic() + delay, self.sent, movement, key))
            self.lock.notify_all()
        return made

    def book(self, order: dict[str, Any]) -> dict[str, Any]:
        """Take one payment onto the account."""
        seen = scan(str(order["qr"])) if order.get("qr") else {}
        amount = order.get("amount", seen.get("amount"))
        if not isinstance(amount, int) or amount <= 0:
            raise RefusedError("no amount to pay")
        if seen and (seen["bin"], seen["account"]) != (self.options.bin, self.options.account):
            raise RefusedError(f"account {seen['account']} at {seen['bin']} is not kept here")
        number = len(self.movements) + 1
        words = order.get("description") or seen.get("purpose") or seen.get("reference") or "chuyen tien"
        bill = seen.get("bill", "")
        movement = {
            "id": number,
            "reference": order.get("reference") or f"FT{number:08d}",
            "amount": amount,
            "balance": (self.movements[-1]["balance"] if self.movements else self.options.opening) + amount,
            "paid_at": order.get("paid_at") or world_time(self.options.clock).astimezone(HANOI).isoformat(),
            "description": as_banks_write(words, f"{number:06d}") if order.get("fold") else words,
            "order_code": order.get("order_code", int(bill) if bill.isdecimal() else None),
            "account": self.options.account,
        }
        self.movements.append(movement)
        return movement

    def notes(self, order: dict[str, Any], movement: dict[str, Any]) -> list[tuple[dict[str, Any], bytes]]:
        """What is told of a movement, each with the key it will be signed with."""
        key = b"not the key" if order.get("forge") else self.key
        told = [(movement, key)]
        if "contradict" in order:
            told.append(({**movement, "amount": order["contradict"]}, key))
        return told

    def deliver_forever(self) -> None:
        """Send what is due, in the order queued; what is not answered by 2xx comes again later."""
        while True:
            with self.lock:
                while not (due := [note for note in self.waiting if note[0] <= time.monotonic()]):
                    soonest = min((note[0] for note in self.waiting), default=None)
                    self.lock.wait(None if soonest is None else max(0.0, soonest - time.monotonic()))
                note = min(due, key=lambda one: one[:2])
                self.waiting.remove(note)
                self.sending += 1
            _, number, movement, key = note
            status = self.send(movement, key)
            with self.lock:
                self.sending -= 1
                self.deliveries.append(
                    {"reference": movement["reference"], "number": number, "status": status}
                )
                tries = sum(one["number"] == number for one in self.deliveries)
                # A provider gives up on what is refused for good, and comes again where nobody answered.
                if (status == 0 or status >= 500) and tries < TRIES:
                    again = time.monotonic() + min(0.1 * 2**tries, 5)
                    self.waiting.append((again, number, movement, key))
                self.lock.notify_all()

    def send(self, movement: dict[str, Any], key: bytes) -> int:
        """POST one notification, signed now; the status, 0 when nobody answered."""
        if self.options.provider == "casso":
            raw, headers = casso_note(movement, key, world_time(self.options.clock))
        else:
            raw, headers = payos_note(movement, key)
        request = urllib.request.Request(
            self.options.notify_url,
            data=raw,
            method="POST",
            headers={"Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code
        except (OSError, http.client.HTTPException):
            return 0

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is sent; False when the time is up first."""
        with self.lock:
            return self.lock.wait_for(lambda: not self.waiting and not self.sending, timeout_s)

    def file(self, asked: dict[str, str]) -> bytes:
        """A statement or settlement file of what was booked so far."""
        with self.lock:
            return write_file(list(self.movements), self.options.account, self.options.opening, asked)

    def deliver_file(self, order: dict[str, Any]) -> str:
        """Put a file into a folder, at once or late; whole from the moment it has its name."""
        into = Path(str(order.pop("into")))
        delay = float(order.pop("delay_s", 0))
        raw = self.file({name: str(value) for name, value in order.items()})

        def put() -> None:
            part = into.with_name(into.name + ".part")
            part.write_bytes(raw)
            part.rename(into)

        if delay:
            threading.Timer(delay, put).start()
        else:
            put()
        return str(into)

    def statement(self) -> dict[str, Any]:
        """The account as the bank keeps it."""
        with self.lock:
            closing = self.movements[-1]["balance"] if self.movements else self.options.opening
            return {
                "bin": self.options.bin,
                "account": self.options.account,
                "currency": "VND",
                "opening": self.options.opening,
                "closing": closing,
                "movements": list(self.movements),
            }


class Desk(BaseHTTPRequestHandler):
    """The control API."""

    bank: Bank

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        match path:
            case "/file":
                self.file(dict(urllib.parse.parse_qsl(query)))
            case "/health":
                self.answer(200, {"status": "live"})
            case "/statement":
                self.answer(200, self.bank.statement())
            case _ if path.startswith("/v2/payment-requests/"):
                self.status(path.rpartition("/")[2])
            case "/deliveries":
                with self.bank.lock:
                    self.answer(200, {"deliveries": list(self.bank.deliveries)})
            case _:
                self.answer(404, {"error": "no such page"})

    def do_POST(self) -> None:
        try:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            order = json.loads(raw or b"{}")
            match self.path:
                case "/pay":
                    self.answer(200, {"movements": self.bank.pay(order)})
                case "/file":
                    self.answer(200, {"into": self.bank.deliver_file(order)})
                case "/flush":
                    done = self.bank.flush(float(order.get("timeout_s", 30)))
                    self.answer(200 if done else 504, {"sent": done})
                case _:
                    self.answer(404, {"error": "no such page"})
        except (RefusedError, ValueError, TypeError, KeyError, AttributeError) as error:
            self.answer(422, {"error": str(error)})

    def status(self, code: str) -> None:
        """What a payment request has come to, as payOS tells it to whoever has the keys."""
        if not self.headers.get("x-client-id") or not self.headers.get("x-api-key"):
            self.answer(401, {"code": "401", "desc": "no client id with its key"})
            return
        with self.bank.lock:
            paid = [one for one in self.bank.movements if str(one["order_code"]) == code]
        self.answer(200, payos_status(int(code), paid, self.bank.key))

    def file(self, asked: dict[str, str]) -> None:
        try:
            raw = self.bank.file(asked)
        except (RefusedError, ValueError) as error:
            self.answer(422, {"error": str(error)})
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def answer(self, status: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's signature)
        pass


def play(bank: Bank, plan: Path) -> None:
    """Pay what a plan says: JSON lines of /pay bodies, each with "after_s" since the one before."""
    for line in plan.read_text("utf-8").splitlines():
        order = json.loads(line)
        time.sleep(float(order.pop("after_s", 0)))
        bank.pay(order)


def main(arguments: list[str] | None = None) -> None:
    """Run the bank until the process is ended."""
    parser = argparse.ArgumentParser(
        "python -m demo.bank", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True, help="where the control API listens, on loopback")
    parser.add_argument("--notify-url", required=True, help="…/v1/notifications/payos of the service")
    parser.add_argument("--secret-file", type=Path, required=True, help="the provider's checksum key")
    parser.add_argument("--provider", choices=("payos", "casso"), default="payos", help="whose wire format")
    parser.add_argument("--clock", default="system", help="the world's clock text, as the service has it")
    parser.add_argument("--bin", default="970436", help="the bank's number")
    parser.add_argument("--account", default="0011001234567", help="the account that is paid to")
    parser.add_argument("--opening", type=int, default=0, help="its opening balance")
    parser.add_argument("--plan", type=Path, help="JSON lines of payments to make at once")
    options = parser.parse_args(arguments)
    bank = Bank(options)
    threading.Thread(target=bank.deliver_forever, daemon=True).start()
    if options.plan:
        threading.Thread(target=play, args=(bank, options.plan), daemon=True).start()
    desk = type("BankDesk", (Desk,), {"bank": bank})
    with ThreadingHTTPServer(("127.0.0.1", options.port), desk) as server:
        print(f"bank at http://127.0.0.1:{server.server_port}, notifying {options.notify_url}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()

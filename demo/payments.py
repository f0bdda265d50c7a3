"""The demo's riders top up: the service makes the VietQR, a bank that is another program pays it and notifies."""

import json
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.progress import track

from demo.plan import DRIVERS
from demo.processes import DemoError, wait_for_http
from demo.world import World, fare_account
from service.launcher import free_port

PLAIN, DRIVER = 200_000, 700_000
TIMES: Final = 5  # how often the provider tells of the first riders' payments
REPEATED: Final = 20
AT_ONCE: Final = 8
STRAY: Final = 123_000


@dataclass(frozen=True, slots=True)
class Paid:
    """What the morning's payments came to."""

    asked: int
    notifications: int
    repeats: int
    credited: int
    suspended: int


def top_up_everyone(city: World, cards: list[dict[str, Any]], token: str, console: Console) -> Paid:
    """Every card is topped up once; one payment too little, one too much and one of nobody's come besides."""
    bank = f"http://127.0.0.1:{free_port()}"
    child = city.crew.start(
        "bank",
        "-m", "demo.bank", "--port", bank.rpartition(":")[2],
        "--notify-url", f"{city.url}/v1/notifications/payos",
        "--secret-file", str(city.home / "provider_key"),
        "--clock", city.environment["LIENTHONG_CLOCK"],
    )  # fmt: skip
    wait_for_http(f"{bank}/health", child)

    def ask(card: dict[str, Any], minor: int) -> dict[str, Any]:
        body = {
            "topup_id": str(uuid.uuid4()),
            "fare_account_id": str(fare_account(card)),
            "amount": {"minor": minor, "currency": "VND"},
        }
        made = city.ask("POST", "/v1/topups", token, body)
        assert isinstance(made, dict)
        return made

    drivers = len(cards) - DRIVERS - 1
    wanted = [(card, DRIVER if number >= drivers else PLAIN) for number, card in enumerate(cards)]
    wanted += [(cards[0], PLAIN), (cards[1], PLAIN)]  # these two will not pay what they asked for
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(
            track(
                pool.map(lambda one: ask(*one), wanted),
                description="  VietQR codes",
                total=len(wanted),
                console=console,
                transient=True,
            )
        )
    payments: list[dict[str, Any]] = [
        {"qr": one["qr"]["payload"], "times": TIMES if number < REPEATED else 1, "fold": bool(number % 2)}
        for number, one in enumerate(made[:-2])
    ]
    payments += [
        {"qr": made[-2]["qr"]["payload"], "amount": PLAIN - 1_000},
        {"qr": made[-1]["qr"]["payload"], "amount": PLAIN + 1_000},
        {"amount": STRAY, "description": "chuyen khoan"},
    ]
    _bank(bank, "/pay", {"payments": payments, "shuffle": True, "seed": 7})
    with console.status("signed notifications …"):
        _bank(bank, "/flush", {"timeout_s": 60})
    with urllib.request.urlopen(f"{bank}/deliveries", timeout=30) as answer:
        deliveries = json.load(answer)["deliveries"]
    refused = [one for one in deliveries if one["status"] != 200]
    if refused:
        raise DemoError(f"the service refused {len(refused)} notifications, e.g. {refused[0]}")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        now = list(pool.map(lambda one: city.ask("GET", f"/v1/topups/{one['topup_id']}", token), made))
    finance = city.lienthong("credential", "add", "finance (demo)", "--role", "auditor").strip()
    waiting = city.ask("GET", "/v1/suspense", finance)["suspense"]
    return Paid(
        asked=len(made),
        notifications=len(deliveries),
        repeats=REPEATED,
        credited=sum(one["amount"]["minor"] for one in now if one["state"] == "credited"),
        suspended=len(waiting),
    )


def _bank(bank: str, path: str, body: object) -> None:
    request = urllib.request.Request(f"{bank}{path}", method="POST", data=json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=90) as answer:
        answer.read()


def sell_day_passes(city: World, cards: list[dict[str, Any]], starts_at: datetime) -> int:
    """Each of these riders signs in by an agent's code and buys a metro day pass; return what they paid, in đồng."""
    paid = 0
    agent = city.lienthong("credential", "add", "agent (demo)", "--role", "agent").strip()
    for card in cards:
        body = {
            "pass_id": str(uuid.uuid4()),
            "product_id": "metro_day",
            "scope": "metro_2a",
            "starts_at": starts_at.isoformat(),
        }
        who = {"card_serial": card["serial"]}
        code = city.ask("POST", "/v1/riders/codes", agent, who)["code"]
        own = city.ask("POST", "/v1/riders/sign-in", "", who | {"code": code})["token"]
        sold = city.ask("POST", f"/v1/riders/{fare_account(card)}/passes", own, body)
        paid += int(sold["price"]["minor"])
    return paid

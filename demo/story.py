"""One Hanoi day told in the terminal: every line is something that happened in the running system."""

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table

from demo import payday, payments
from demo.plan import BUS_2, BUS_RIDERS, DAY, READERS, REFUSED_CARD, DayPlan, at, make_plan
from demo.processes import DemoError, wait_until
from demo.world import (
    PASSWORD,
    STAFF,
    World,
    enrol_readers,
    issue_cards,
    prepare,
    scaled,
    udp_port,
    world,
    write_reader,
)
from kernel.clock import clock_from, stopwatch

EVE_RATE: Final = 20.0
DAY_RATE: Final = 1000.0  # where it takes EASY_S to prepare the city; slower machines get a slower day
EASY_S: Final = 8.0
DAY_PASSES: Final = 10
DRAIN_PATIENCE_S: Final = 60.0


@dataclass(slots=True)
class Story:
    """Who tells, and how long it took."""

    console: Console
    began: float
    prepared_s: float = EASY_S

    @property
    def rate(self) -> float:
        """How many times as fast as ours the day's time may run on this machine, which has shown how fast it is."""
        return DAY_RATE * min(1.0, EASY_S / self.prepared_s)

    def chapter(self, title: str) -> None:
        self.console.print(Rule(f"[bold]{title}", align="left", style="dim"))

    def say(self, text: str) -> None:
        self.console.print(f"  {text}", highlight=False)

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Show that something is under way, then what it took."""
        start = stopwatch()
        with self.console.status(f"{text} …"):
            yield
        self.say(f"{text} [dim]({stopwatch() - start:.1f} s)")


def play(home: Path, console: Console) -> int:
    """Play the day under `home`; return 0 when it settles and proves, 1 when anything does not agree."""
    story = Story(console, stopwatch())
    plan = make_plan()
    console.print(
        f"[bold]Liên Thông[/]: one card for buses, metro and car parks. One day in Hanoi, {DAY:%A %d %B %Y}.\n"
        f"{len(plan.concessions)} cards, {len(plan.presentations)} presentations, {plan.stays} car-park stays, "
        f"{len(READERS)} readers.\n"
    )
    with world(home, story.say) as city:
        cards = _before_dawn(city, plan, story)
        _top_up(city, cards, story)
        report = _the_day(city, plan, cards, story)
        _late_and_twice(city, story)
        good = _the_books(city, plan, report, story)
    console.print(Rule(style="dim"))
    verdict = "the day settles and proves" if good else "[red]THE DAY DOES NOT AGREE, see above[/]"
    console.print(f"[bold]{verdict}[/], {stopwatch() - story.began:.0f} s in all.\n")
    _how_to_look(console, home)
    return 0 if good else 1


def _before_dawn(city: World, plan: DayPlan, story: Story) -> list[dict[str, Any]]:
    story.chapter("Before dawn: tariff, staff, cards and readers")
    began = stopwatch()
    with story.doing("schema, keys, staff, Hanoi's tariff and parking rates, published by two people"):
        prepare(city)
    story.prepared_s = stopwatch() - began
    with story.doing("the service is up under gunicorn"):
        city.start_service(scaled(at(0, 10), EVE_RATE))
    with story.doing(f"{len(plan.concessions)} cards issued and personalised"):
        cards = issue_cards(city, plan.concessions)
    lost = cards[REFUSED_CARD - 1]["serial"]
    city.lienthong("card", "block", str(lost), "--reason", "lost", "--cause", "reported by telephone")
    story.say(f"card {lost} is reported lost and goes on the deny list")
    with story.doing(f"{len(READERS)} readers enrolled, each with keys of its own and a one-time code"):
        enrol_readers(city, city.environment["LIENTHONG_CLOCK"])
    return cards


def _top_up(city: World, cards: list[dict[str, Any]], story: Story) -> None:
    story.chapter("Top-ups by VietQR, paid at a bank that is another program")
    token = city.lienthong("credential", "add", "rider app (demo)", "--role", "rider").strip()
    paid = payments.top_up_everyone(city, cards, token, story.console)
    story.say(
        f"{paid.asked} riders asked, {paid.notifications} signed notifications came, shuffled, "
        f"{paid.repeats} of them five times"
    )
    holders = cards[BUS_RIDERS : BUS_RIDERS + DAY_PASSES]
    sold = payments.sell_day_passes(city, holders, at(6))
    story.say(f"{len(holders)} metro riders buy day passes from their balance: {sold:,} VND, not earned yet")
    story.say(
        f"credited once: {paid.credited:,} VND; one paid too little, one too much and one nobody knows: "
        f"{paid.suspended} wait in suspense"
    )


def _the_day(city: World, plan: DayPlan, cards: list[dict[str, Any]], story: Story) -> dict[str, Any]:
    story.chapter("The day")
    # Service and readers start while the city sleeps: what they take is known from how long the city took to prepare.
    eve = clock_from(city.environment["LIENTHONG_CLOCK"]).now()
    clock = scaled(max(eve, at(6, 10) - timedelta(seconds=2 * story.rate * story.prepared_s)), story.rate)
    story.say(f"world time runs {story.rate:,.0f} times as fast as ours")
    city.start_service(clock)
    nowhere = f"http://127.0.0.1:{udp_port()}"
    for reader in READERS:
        write_reader(city, reader, url=city.url, clock=clock)
        city.start_reader(reader.name)
    wait_until(
        "all readers to be ready",
        lambda: all(
            (city.config(reader.name).parent / "state" / "status.json").exists() for reader in READERS
        ),
    )
    if clock_from(clock).now() > at(9):
        raise DemoError(
            "this machine is too busy: the day had begun before its readers were ready; try again later"
        )
    # Bus 02 has no modem: from here on its uploads lead nowhere until it is back at the depot.
    city.readers[BUS_2].stop()
    write_reader(city, next(reader for reader in READERS if reader.name == BUS_2), url=nowhere, clock=clock)
    city.start_reader(BUS_2)
    field = _start_cards(city, plan, cards, clock)
    total = len(plan.presentations)
    world_clock = clock_from(clock)
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=story.console, transient=True) as progress:
        task = progress.add_task("taps", total=total)
        while field.running():
            progress.update(
                task,
                completed=_lines(field.log),
                description=f"{world_clock.now().astimezone(at(0).tzinfo):%H:%M} in Hanoi",
            )
            time.sleep(0.2)
    if field.popen.returncode != 0:
        raise DemoError(f"a card was never served:\n{field.tail()}")
    report: dict[str, Any] = json.loads((city.home / "report.json").read_text("utf-8"))
    story.say(
        f"{report['presented']} presentations at {len(READERS)} readers, {report['committed']} committed by the "
        f"cards, {report['torn']} torn; one lost card shown red"
    )
    for name in city.readers:
        if name != BUS_2:
            _drain(city, name)
    story.say("every reader but bus-02, which has no modem, has its journal acknowledged")
    return report


def _start_cards(city: World, plan: DayPlan, cards: list[dict[str, Any]], clock: str) -> Any:
    lines = [
        json.dumps(
            {
                "at": tap.at.isoformat(),
                "port": city.ports[tap.reader],
                "card": cards[tap.card - 1]["serial"],
                "fault": tap.fault,
            }
        )
        for tap in plan.presentations
    ]
    path = city.home / "plan.jsonl"
    path.write_text("\n".join(lines) + "\n", "ascii")
    return city.crew.start(
        "cards",
        "-m", "readers.softcard", "--plan", str(path), "--cards", str(city.home / "cards.json"),
        "--ports", ",".join(str(port) for port in city.ports.values()),
        "--clock", clock, "--report", str(city.home / "report.json"), "--verbose",
    )  # fmt: skip


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.startswith(b"{"))


def _drain(city: World, name: str) -> None:
    wait_until(
        f"{name} to be acknowledged", lambda: city.reader_says(name).get("unsent") == 0, DRAIN_PATIENCE_S
    )


def _late_and_twice(city: World, story: Story) -> None:
    story.chapter("Late, and twice")
    clock = city.environment["LIENTHONG_CLOCK"]
    waiting = city.reader_says(BUS_2)["unsent"]
    city.readers[BUS_2].stop()
    journal = city.config(BUS_2).parent / "state" / "journal.sqlite"
    kept = shutil.copy(journal, journal.with_name("journal-before-upload.sqlite"))
    write_reader(city, next(reader for reader in READERS if reader.name == BUS_2), url=city.url, clock=clock)
    city.start_reader(BUS_2)
    with story.doing(f"bus-02 is back at the depot and uploads the {waiting} records of its day"):
        _drain(city, BUS_2)
    city.readers[BUS_2].stop()
    again = city.crew.call(
        "-m", "readers", "replay", "--config", str(city.config(BUS_2)), "--journal", str(kept)
    )
    story.say(f"the same upload once more: {again.strip()}")


def _the_books(city: World, plan: DayPlan, report: dict[str, Any], story: Story) -> bool:
    story.chapter("The day closes")
    day = DAY.isoformat()
    story.console.print(city.lienthong("settle", day, "--early"), highlight=False, markup=False)
    settled = json.loads(city.lienthong("settle", day, "--json"))
    story.chapter("The day is paid out")
    with story.doing(
        "terms signed, payout prepared by one and approved by another, released; statements written"
    ):
        paid = payday.pay_out(city)
    story.say(f"{paid.payments} payments, {paid.total:,} VND: {city.home / f'pain-{day}.xml'}")
    story.say(f"statements, evidence and the operators' own script: {city.home / 'statements'}")
    for line in paid.said:
        story.say(line)
    story.chapter("The proof")
    story.console.print(city.lienthong("ledger", "prove"), highlight=False, markup=False)
    journal = city.home / f"{day}.journal"
    journal.write_text(city.lienthong("ledger", "export", "--format", "hledger"), "utf-8")
    story.say(f"books for hledger: {journal}")
    checks = (
        *_checks(city, plan, report, settled),
        ("operators paid · whose own script agrees", paid.operators, paid.agreed),
    )
    table = Table(title="Counted apart, compared", title_justify="left")
    table.add_column("what")
    table.add_column("one side", justify="right")
    table.add_column("the other", justify="right")
    table.add_column("agree")
    for what, one, other in checks:
        table.add_row(what, f"{one:,}", f"{other:,}", "yes" if one == other else "[red]NO")
    story.console.print(table)
    return all(one == other for _, one, other in checks)


def _checks(
    city: World, plan: DayPlan, report: dict[str, Any], settled: dict[str, Any]
) -> tuple[tuple[str, int, int], ...]:
    """What cards, bills and books say of the same day, counted on each side for itself."""
    token = city.lienthong("credential", "add", f"demo checks {uuid.uuid4()}", "--role", "auditor").strip()
    told = city.ask("GET", f"/v1/evidence/{DAY.isoformat()}", token)["total"]
    rows = settled["settlements"]
    face = sum(row["face_value"]["minor"] for row in rows)
    parts = sum(
        row[name]["minor"] * sign
        for row in rows
        for name, sign in (
            ("waived", 1), ("discounted", 1), ("pass_covered", 1), ("cap_covered", 1), ("collected", 1), ("refunded", -1),
        )
    )  # fmt: skip
    return (
        ("card counters · taps with a valid card MAC or proven torn", sum(c["tmc"] for c in report["cards"]), told["committed"]),
        ("face value · its parts", face, parts),
        ("operators settled · that agree with the ledger", len(rows), sum(row["reconciled"] for row in rows)),
        ("car-park stays planned · billed", plan.stays, sum(r["trips"] for r in rows if "parking" in r["operator_id"])),
    )  # fmt: skip


def _how_to_look(console: Console, home: Path) -> None:
    console.print("Look at it: [bold]make run[/], then open the address that it prints.")
    table = Table(title=f"Sign-ins (password {PASSWORD})", title_justify="left")
    table.add_column("e-mail")
    table.add_column("who")
    for email, name, _ in STAFF:
        table.add_row(email, name)
    console.print(table)
    console.print(f"Logs of every process: {home / 'logs'}", highlight=False)

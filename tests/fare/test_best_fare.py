"""What a rider pays is the cheapest combination of the fares, passes and caps held: searched by brute force beside it.

The slow search knows no state but the rides themselves: it tries every choice for every ride. A rider's charges up to
the end of every service day must come to its minimum up to there, whatever comes later.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fare.rules.explain import explain
from fare.rules.facts import FareTap, HeldPass
from fare.rules.fold import days_of, fold_days
from fare.rules.recompute import check
from kernel.ids import CardId, FareAccountId, OperatorId, TapId, uuid8
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose
from tests.described import told
from tests.fare.cities import town

ACCOUNT = FareAccountId(UUID(int=9))
SATURDAY = datetime(2026, 11, 28, 3, tzinfo=UTC)  # a week and a month end inside the days that follow
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FARES = {"a1": 200, "b1": 300}
NETWORK = {"a1": "A", "b1": "B"}


@dataclass(frozen=True)
class Limit:
    """A cap as the slow search sees it."""

    period: str
    minor: int | None = None
    rides: int | None = None
    networks: str = ""
    days: int = 0

    @property
    def row(self) -> str:
        amount = "" if self.minor is None else f"{self.minor // 100}.{self.minor % 100:02d}"
        return (
            f"{self.period},{self.days or ''},{amount},{amount and 'EUR'},{self.rides or ''},{self.networks}"
        )


LIMITS = {
    "day": Limit("day", 400), "day_a": Limit("day", 300, networks="A"), "day_b": Limit("day", 350, networks="B"),
    "day_low": Limit("day", 100, networks="B"), "week": Limit("week", 700), "week_a": Limit("week", 500, networks="A"),
    "week_b": Limit("week", 450, networks="B"), "month": Limit("month", 900), "two_rides": Limit("day", rides=2),
    "rides_week": Limit("week", rides=3), "rolling": Limit("rolling", 500, days=2),
    "rolling_a": Limit("rolling", 300, networks="A", days=3), "rolling_rides": Limit("rolling", rides=3, days=3),
}  # fmt: skip
PASSES = {  # networks, validity, days, activation
    "one_day": ("", "days", 1, "purchase"), "a_week": ("A", "days", 7, "purchase"),
    "first_two": ("", "days", 2, "first_tap"), "first_b": ("B", "days", 1, "first_tap"),
}  # fmt: skip
CHEAP = {"none": None, "free": 0, "less": 50, "half": 100}


def book_of(limits, cheap: str):
    caps = "".join(f"{name},{LIMITS[name].row}\n" for name in limits)
    more = {}
    if cheap != "none":
        price = CHEAP[cheap]
        more["fare_products"] = (
            f"fare_product_id,amount,currency\na,2.00,EUR\nb,3.00,EUR\nr,5.00,EUR\ncheap,{price // 100}.{price % 100:02d},EUR"
        )
        more["fare_leg_rules"] = "leg_group_id,network_id,fare_product_id\nA,A,a\nB,B,b\nR,R,r\nC,A,cheap"
    if caps:
        more["caps"] = f"cap_id,period,period_days,amount,currency,rides,network_ids\n{caps}"
    passes = "".join(
        f"{name},all,{networks},{validity},{days},{begins},9.00,EUR\n"
        for name, (networks, validity, days, begins) in PASSES.items()
    )
    header = "pass_product_id,scope,network_ids,validity,validity_count,activation,amount,currency\n"
    return town(passes=header + passes, **more)


def tap(number: int, at: datetime, route: str) -> FareTap:
    return FareTap(
        TapId(uuid8("best", number)), CardId(UUID(int=1)), number, at, Purpose.BOARD, Phase.DONE, OperatorId(""), "x",
        route, "", f"p{number}", 0, Concession.NORMAL, ClockState.SYNCED, proven_torn=False,
    )  # fmt: skip


@dataclass(frozen=True)
class World:
    """What the slow search carries along one branch: what was paid towards each cap, and when each pass began."""

    paid: dict = field(default_factory=dict)
    begun: dict = field(default_factory=dict)


def service_day(at: datetime) -> date:
    return (at - 3 * HOUR).date()


def period(limit: Limit, name: str, at: datetime, world: World):
    """The name of a cap's period that a ride lies in; a rolling one begins with the first ride that counts."""
    day = service_day(at)
    if limit.period == "rolling":
        last = max((start for known, start in world.paid if known == name), default=None)
        return at if last is None or at >= last + limit.days * DAY else last
    return {"day": day, "week": day.isocalendar()[:2], "month": (day.year, day.month)}[limit.period]


def cheapest(rides, limits, held, cheap, world=None) -> int:
    """Try every choice for every ride: its fares, each pass that covers it or none, every cap's limit or none."""
    if not rides:
        return 0
    world = world or World()
    (at, route), *rest = rides
    totals = []
    fares = {FARES[route]} | ({CHEAP[cheap]} if route == "a1" and cheap != "none" else set())
    able, waiting = [], []
    for name, since, until in held:
        networks, _, days, begins = PASSES[name]
        if networks not in {"", NETWORK[route]}:
            continue
        start = world.begun.get(name)
        if begins == "purchase" or start is None:
            if since <= at < until:
                (able if begins == "purchase" else waiting).append(name)
        elif start <= at < start + days * DAY:
            able.append(name)
    for fare in fares:
        if not fare:
            totals.append(cheapest(rest, limits, held, cheap, world))
            continue
        branches = [(World(world.paid, {**world.begun, name: at}), 0) for name in ([] if able else waiting)]
        branches += [(world, 0)] if able else []
        totals += [cheapest(rest, limits, held, cheap, one) for one, _ in branches]
        # Left unused; a pass that begins at its first tap begins all the same.
        begun = world.begun if able or not waiting else {**world.begun, waiting[0]: at}
        counting = [name for name in limits if LIMITS[name].networks in {"", NETWORK[route]}]
        slots = {name: (name, period(LIMITS[name], name, at, world)) for name in counting}
        payments = {fare}
        for name, slot in slots.items():
            money, count = world.paid.get(slot, (0, 0))
            limit = LIMITS[name]
            room = (
                max(0, limit.minor - money)
                if limit.minor is not None
                else (fare if count < limit.rides else 0)
            )
            payments.add(min(fare, room))
        for payment in payments:
            paid = dict(world.paid)
            for slot in slots.values():
                money, count = paid.get(slot, (0, 0))
                paid[slot] = (money + payment, count + (payment > 0))
            totals.append(payment + cheapest(rest, limits, held, cheap, World(paid, begun)))
    return min(totals)


ridden = st.lists(st.tuples(st.integers(0, 5 * 24 - 1), st.sampled_from(sorted(FARES))), min_size=1, max_size=6).map(
    lambda found: [(SATURDAY + hours * HOUR + n * timedelta(minutes=1), route) for n, (hours, route) in enumerate(sorted(found))]
)  # fmt: skip
some_limits = st.lists(st.sampled_from(sorted(LIMITS)), unique=True, max_size=4)
some_passes = st.lists(
    st.tuples(st.sampled_from(sorted(PASSES)), st.integers(0, 72)), unique_by=lambda one: one[0], max_size=2
).map(lambda found: [(name, SATURDAY + hours * HOUR, SATURDAY + (hours + (24 * PASSES[name][2] if PASSES[name][3] == "purchase" else 240)) * HOUR) for name, hours in found])  # fmt: skip


def folded(rides, limits, held, cheap):
    book = book_of(limits, cheap)
    passes = tuple(HeldPass(uuid8("held", name), name, "", since, until) for name, since, until in held)
    taps = [tap(number, at, route) for number, (at, route) in enumerate(rides, start=1)]
    return book, fold_days(days_of(ACCOUNT, taps, book, passes=passes), book)


def charged(days) -> list[int]:
    return [
        sum(line.amount.minor for line in bill.lines if line.component.value == "charged")
        for _, _, bill in days
    ]


def by_pass_order(held):
    """The order in which waiting passes are taken up: by start, then by id."""
    return sorted(held, key=lambda one: (one[1], uuid8("held", one[0])))


@settings(max_examples=250, deadline=None)
@given(ridden, some_limits, some_passes, st.sampled_from(sorted(CHEAP)))
@example(  # a cap of the day that a cheap ride fills for two others: leaving the pass unused is cheaper
    [(SATURDAY + n * HOUR, route) for n, route in enumerate(("a1", "b1", "b1"))], ["two_rides"],
    [("a_week", SATURDAY, SATURDAY + 7 * DAY)], "none",
)  # fmt: skip
def test_charges_up_to_every_day_are_the_cheapest_combination_up_to_there(rides, limits, held, cheap):
    held = by_pass_order(held)
    _, days = folded(rides, limits, held, cheap)
    so_far = 0
    for facts, paid in zip((day for day, _, _ in days), charged(days), strict=True):
        so_far += paid
        upto = [one for one in rides if service_day(one[0]) <= facts.service_day]
        assert so_far == cheapest(upto, limits, held, cheap), facts.service_day


@settings(max_examples=150, deadline=None)
@given(ridden, some_limits, some_passes, st.sampled_from(sorted(CHEAP)), st.data())
def test_a_product_more_never_raises_the_total_of_any_day(rides, limits, held, cheap, data):
    """A cap, a pass or a fare more, however it crosses the others."""
    fewer_limits = data.draw(st.lists(st.sampled_from(limits), unique=True)) if limits else []
    fewer_passes = [one for one in held if data.draw(st.booleans())]
    fewer_cheap = data.draw(st.sampled_from(("none", cheap)))
    richer = charged(folded(rides, limits, held, cheap)[1])
    poorer = charged(folded(rides, fewer_limits, fewer_passes, fewer_cheap)[1])
    for upto in range(1, len(richer) + 1):
        assert sum(richer[:upto]) <= sum(poorer[:upto])


@settings(max_examples=150, deadline=None)
@given(ridden, some_limits, some_passes, st.sampled_from(sorted(CHEAP)))
def test_every_part_still_sums_and_every_explanation_recomputes(rides, limits, held, cheap):
    book, days = folded(rides, limits, held, cheap)
    for facts, carried, bill in days:
        parts = bill.parts
        assert (
            parts.face
            == parts.waived + parts.discounted + parts.pass_covered + parts.cap_covered + parts.charged
        )
        assert parts.charged >= 0
        assert len(carried.others) < 64
        for one in explain(facts, book, carried).taps:
            assert check(told(one.to_json())) == one.charged_minor


def test_what_a_later_day_shows_to_be_cheaper_is_taken_off_that_day(price):
    """Three paid rides in the week ride free: the pass of Saturday's cheap rides turns out to have cost more."""
    rides = [(SATURDAY + n * HOUR, "a1") for n in range(3)] + [
        (SATURDAY + DAY + n * HOUR, "b1") for n in range(6)
    ]
    held = [("one_day", SATURDAY, SATURDAY + DAY)]
    book, days = folded(rides, ["rides_week"], held, "none")
    assert charged(days) == [0, 600]  # 3 x 2.00 instead of 3 x 3.00, told on the day that shows it
    (saturday, sunday) = days
    assert saturday[2].carried_out.others
    told = explain(sunday[0], book, sunday[1]).taps
    assert [one.charged_minor for one in told] == [300, 300, 0, 0, 0, 0]
    assert sum(step["minor"] for one in told for step in one.steps if step["op"] == "best") == 300
    assert "another way" in " ".join(told[2].en)


def test_caps_that_nest_weigh_nothing():
    limits = ["day_a", "day", "week"]
    rides = [(SATURDAY + 6 * n * HOUR, "a1") for n in range(12)]
    _, days = folded(rides, limits, [("one_day", SATURDAY, SATURDAY + DAY)], "none")
    assert not any(bill.carried_out.others for _, _, bill in days)
    assert replace(days[0][2].carried_out, others=()) == days[0][2].carried_out


def test_a_ride_over_the_days_start_counts_towards_the_caps_of_the_day_it_began(price):
    """On at 02:50, off at 03:10 where a day starts at 03:00: Saturday's cap covers what is left of it, Sunday's is whole."""
    book = town(caps="cap_id,period,amount,currency\nday,day,8.00,EUR")
    day = [
        "2026-11-28T08:00",
        "2026-11-28T08:20",
        "2026-11-29T02:50",
        "2026-11-29T03:10",
        "2026-11-29T08:00",
        "2026-11-29T08:20",
    ]
    taps = [f"{at}+00:00,{'off' if n % 2 else 'on'},r1,{'y' if n % 2 else 'x'}" for n, at in enumerate(day)]
    assert price(book, "at,purpose,route,stop", *taps).charged == [500, 300, 500]

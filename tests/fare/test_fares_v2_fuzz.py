"""GTFS-Fares v2 against a slow evaluator written from its text alone (STANDARDS.md 1 to 10), over made-up feeds.

The evaluator reads rows as dictionaries, tries every offer of every leg, and shares no code with pricing.
"""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fare.gtfs.load import check_files
from fare.gtfs.taps import price_taps, read_taps

NETWORKS, AREAS, GROUPS = ("bus", "rail", "tram"), ("A", "B", "C"), ("g1", "g2")
# Stops in no, one and two areas; p1 and p2 are platforms of the station, p2 with an area of its own.
STOPS = {
    "none": set(), "a": {"A"}, "b": {"B"}, "ab": {"A", "B"}, "station": {"B", "C"}, "p1": {"B", "C"}, "p2": {"A"},
}  # fmt: skip
FRAMES = {"am": (6, 10), "noon": (10, 16)}  # hours; am on weekdays only
START = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)  # a Friday: the next day has other timeframes


def maybe(values, blanks: int = 1):
    return st.sampled_from((*[""] * blanks, *values))


leg_rules = st.lists(
    st.fixed_dictionaries(
        {
            "leg_group_id": st.sampled_from((*GROUPS, *GROUPS, "")), "network_id": maybe(NETWORKS[:2], 2), "from_area_id": maybe(AREAS, 3),
            "to_area_id": maybe(AREAS, 3), "from_timeframe_group_id": maybe(FRAMES, 6), "to_timeframe_group_id": maybe(FRAMES, 6),
            "fare_product_id": st.sampled_from(("p100", "p250", "p330", "p575")),
            "rule_priority": st.sampled_from(("", "0", "1", "2")),
        }
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip


@st.composite
def transfer_row(draw):
    start, end = draw(maybe(GROUPS)), draw(maybe(GROUPS))
    limit = draw(st.sampled_from(("", "", "600", "1800", "3600")))
    return {
        "from_leg_group_id": start,
        "to_leg_group_id": end,
        "transfer_count": draw(st.sampled_from(("-1", "1", "2"))) if start == end != "" else "",
        "duration_limit": limit,
        "duration_limit_type": draw(st.sampled_from(("0", "1", "2", "3"))) if limit else "",
        "fare_transfer_type": draw(st.sampled_from(("0", "1", "2"))),
        "fare_product_id": draw(st.sampled_from(("", "p100", "p250", "m050"))),
    }


legs = st.lists(
    st.tuples(
        st.sampled_from(NETWORKS), st.sampled_from(sorted(STOPS)), st.sampled_from(sorted(STOPS)),
        st.sampled_from((0, 0, 5, 5, 10, 20, 55, 120, 900)),  # minutes before it
        st.sampled_from((5, 10, 20, 40)),  # minutes on board
    ),
    min_size=2,
    max_size=5,
)  # fmt: skip


def price_of(product: str) -> int:
    return -50 if product == "m050" else int(product[1:])


# The slow evaluator.


def frames_at(when: datetime) -> set[str]:
    weekday = when.weekday() < 5
    return {
        name
        for name, (first, last) in FRAMES.items()
        if first <= when.hour < last and (weekday or name != "am")
    }


def fits(cell: str, values: set[str]) -> bool:
    return cell in values


def offers_of(rules, leg, by_priority: bool):
    network, start, end, departed, arrived = leg
    ends = STOPS[start], STOPS[end]
    standing = [
        rule
        for rule in rules
        if rule["network_id"] in {"", network}
        and (not rule["from_area_id"] or fits(rule["from_area_id"], ends[0]))
        and (not rule["to_area_id"] or fits(rule["to_area_id"], ends[1]))
        and (not rule["from_timeframe_group_id"] or rule["from_timeframe_group_id"] in frames_at(departed))
        and (not rule["to_timeframe_group_id"] or rule["to_timeframe_group_id"] in frames_at(arrived))
    ]
    if by_priority:
        best = max((int(rule["rule_priority"] or 0) for rule in standing), default=0)
        won = [rule for rule in standing if int(rule["rule_priority"] or 0) == best]
    else:
        won = [
            rule for rule in standing if rule["network_id"] and rule["from_area_id"] and rule["to_area_id"]
        ]
        if not won:
            listed = {
                column: {rule[column] for rule in rules} - {""}
                for column in ("network_id", "from_area_id", "to_area_id")
            }
            won = [
                rule
                for rule in standing
                if (rule["network_id"] or network not in listed["network_id"])
                and (rule["from_area_id"] or not ends[0] or ends[0] - listed["from_area_id"])
                and (rule["to_area_id"] or not ends[1] or ends[1] - listed["to_area_id"])
            ]
    return {(rule["leg_group_id"], price_of(rule["fare_product_id"])) for rule in won}


def rows_between(transfers, before: str, after: str):
    exact = [
        row
        for row in transfers
        if before and after and (row["from_leg_group_id"], row["to_leg_group_id"]) == (before, after)
    ]
    if exact:
        return exact
    froms = {row["from_leg_group_id"] for row in transfers} - {""}
    tos = {row["to_leg_group_id"] for row in transfers} - {""}
    return [
        row
        for row in transfers
        if "" in {row["from_leg_group_id"], row["to_leg_group_id"]}
        and (row["from_leg_group_id"] == before if row["from_leg_group_id"] else before not in froms)
        and (row["to_leg_group_id"] == after if row["to_leg_group_id"] else after not in tos)
    ]


def cheapest(transfers, priced, state=None) -> int:
    """Every offer of every leg, and every transfer row of the smallest fitting count."""
    if not priced:
        return 0
    (departed, arrived, offers), *rest = priced
    totals = []
    for group, price in offers:
        ways = []
        if state is not None:
            before, first, count, so_far, further = state
            count = count + 1 if before == group else 1
            fitting = []
            for row in rows_between(transfers, before, group):
                most = int(row["transfer_count"] or -1)
                if most != -1 and count > most:
                    continue
                if row["duration_limit"]:
                    kind = row["duration_limit_type"]
                    begin = first[0] if kind in "01" else first[1]
                    finish = arrived if kind in "03" else departed
                    if finish - begin > timedelta(seconds=int(row["duration_limit"])):
                        continue
                fitting.append((99 if most == -1 else most, row))
            for most, row in fitting:
                if most == min(one for one, _ in fitting):
                    product = price_of(row["fare_product_id"]) if row["fare_product_id"] else 0
                    kept = (
                        0 if row["fare_transfer_type"] == "2" and not further else so_far
                    )  # the text's table: S + BC
                    total = kept + product + (price if row["fare_transfer_type"] == "1" else 0)
                    ways.append(
                        (total - so_far, (group, first, count if before == group else 0, total, True))
                    )
        if not ways:
            ways = [(price, (group, (departed, arrived), 0, price, False))]
        totals += [adds + cheapest(transfers, rest, after) for adds, after in ways]
    return min(totals)


def book_of(rules, transfers, *, by_priority: bool):
    def table(header: str, rows) -> str:
        names = header.split(",")
        return "\n".join([header, *(",".join(row[name] for name in names) for row in rows)])

    columns = "leg_group_id,network_id,from_area_id,to_area_id,from_timeframe_group_id,to_timeframe_group_id,fare_product_id"
    unique = {tuple(row[name] for name in columns.split(",")[1:]): row for row in rules}
    groups = {row["leg_group_id"] for row in unique.values()} | {""}
    between = {
        tuple(row[name] for name in ("from_leg_group_id", "to_leg_group_id", "fare_product_id", "transfer_count", "duration_limit")): row
        for row in transfers
        if {row["from_leg_group_id"], row["to_leg_group_id"]} <= groups
    }  # fmt: skip
    stop_areas = [f"{area},{stop}" for stop, areas in STOPS.items() if stop != "p1" for area in sorted(areas)]
    files = {
        "tariff": "tariff_version,zone,day_starts,currency\nt,UTC,03:00:00,EUR",
        "agency": "agency_id,agency_name,agency_timezone\na,A,UTC",
        "routes": "route_id,agency_id,route_type\nbus,a,3\nrail,a,2\ntram,a,0",
        "networks": "network_id\nbus\nrail\ntram",
        "route_networks": "network_id,route_id\nbus,bus\nrail,rail\ntram,tram",
        "stops": "stop_id,parent_station\nnone,\na,\nb,\nab,\nstation,\np1,station\np2,station",
        "areas": "area_id\nA\nB\nC",
        "stop_areas": "\n".join(["area_id,stop_id", *stop_areas]),
        "calendar": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "week,1,1,1,1,1,0,0,20260101,20271231\nall,1,1,1,1,1,1,1,20260101,20271231",
        "timeframes": "timeframe_group_id,start_time,end_time,service_id\nam,06:00:00,10:00:00,week\nnoon,10:00:00,16:00:00,all",
        "ride_rules": "network_id,settled_by\n,ride",
        "fare_products": "fare_product_id,amount,currency\np100,1.00,EUR\np250,2.50,EUR\np330,3.30,EUR\np575,5.75,EUR\nm050,-0.50,EUR",
        "fare_leg_rules": table(f"{columns},rule_priority" if by_priority else columns, unique.values()),
        "fare_transfer_rules": table(
            "from_leg_group_id,to_leg_group_id,transfer_count,duration_limit,duration_limit_type,fare_transfer_type,fare_product_id",
            between.values(),
        ),
    }
    checked = check_files({f"{name}.txt": text.encode() for name, text in files.items()})
    assert checked.book is not None, [str(one) for one in checked.errors]
    return checked.book, list(unique.values()), list(between.values())


@settings(max_examples=300, deadline=None)
@given(leg_rules, st.lists(transfer_row(), min_size=2, max_size=6), legs, st.booleans())
def test_engine_and_slow_evaluator_agree(rules, transfers, ridden, by_priority):
    book, rules, transfers = book_of(rules, transfers, by_priority=by_priority)
    at = START
    lines, priced, unknown = ["rider,at,purpose,route,stop"], [], 0
    for network, start, end, before, aboard in ridden:
        departed = at + timedelta(minutes=before)
        at = arrived = departed + timedelta(minutes=aboard)
        lines += [
            f"r,{departed.isoformat()},on,{network},{start}",
            f"r,{arrived.isoformat()},off,{network},{end}",
        ]
        offers = offers_of(rules, (network, start, end, departed, arrived), by_priority)
        if offers:
            priced.append((departed, arrived, sorted(offers)))
        else:
            unknown += 1
    taps, wrong = read_taps("\n".join(lines), book)
    assert not wrong
    (rider,) = price_taps(taps, {}, book)
    bills = [bill for _, _, bill in rider.days]
    assert sum(len(bill.unpriced) for bill in bills) == unknown  # unknown, never zero
    assert sum(line.amount.minor for bill in bills for line in bill.lines) == cheapest(transfers, priced)

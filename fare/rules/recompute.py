"""Checks an explanation by its own numbers. It imports nothing of the pricing code, on purpose."""

from collections.abc import Mapping, Sequence
from typing import Any

Step = Mapping[str, Any]
# The part of the face value that each step takes.
_TAKES = {
    "waive": "waived",
    "discount": "discounted",
    "park_and_ride": "discounted",
    "pass": "pass_covered",
    "cap": "cap_covered",
    "best": "cap_covered",
}


def check(explanation: Step) -> int:
    """Return the charge, in minor units, that one tap's explanation (its JSON object) comes to by itself.

    ValueError where it contradicts itself: in a step (see `recompute`), where its parts are not those of the steps
    or do not sum to the face value, where operators' shares do not sum to a part, or where a cap's or window's state
    after the ride does not follow from the one before.
    """
    steps = explanation["steps"]
    if not steps:
        if explanation["parts"] or explanation["shares"] or explanation["charged_minor"]:
            raise ValueError("a tap without a price has amounts")
        return 0
    charged = recompute(steps)
    if charged != explanation["charged_minor"]:
        raise ValueError(f"the steps come to {charged}, the tap says {explanation['charged_minor']}")
    if explanation["parts"]:
        _check_parts(explanation, charged)
    saved = sum(step["minor"] for step in steps if step["op"] == "best")
    for cap in explanation["caps"]:
        _check_cap(cap, charged + saved)
    for window in explanation["windows"]:
        _check_window(window, steps)
    _check_named(explanation)
    return charged


def recompute(steps: Sequence[Step]) -> int:
    """Return the charge that a tap's steps come to, in minor units.

    ValueError where a step contradicts itself: a distance that does not cost that much, a transfer or window that
    does not follow from what was paid before, a discount that is not its percent, a cap that covers more or less
    than its limit allows, or a sum that is not the charge the last step states.
    """
    left = 0
    for step in steps:
        minor = _whole(step, "minor")
        match step["op"]:
            case "complete":
                pass  # says where the ride is taken to have ended; its price follows
            case "withheld":
                if minor != left:
                    raise ValueError(f"nothing is granted, and yet {left} became {minor}")
            case "share":
                _check_share(step, left)
            case "price":
                _check_distance(step)
                left = minor
            case "transfer":
                _check_transfer(step, left)
                left = minor
            case "window":
                _check_upgrade(step, left)
                left = minor
            case "join":
                if minor != left - _whole(step, "before_minor"):
                    raise ValueError(
                        f"joined it costs {left}, and {step['before_minor']} before: not {minor}"
                    )
                left = minor
            case "waive" | "pass":
                if minor != left:
                    raise ValueError(f"{step['op']} takes {minor} of {left}")
                left = 0
            case "discount":
                _check_discount(step, left)
                left -= minor
            case "park_and_ride":
                _check_park(step, left)
                left -= minor
            case "cap":
                _check_cover(step, left)
                left -= minor
            case "best":
                left -= minor  # the day's cheapest way, which no tap knows alone
            case "charge":
                if minor != left:
                    raise ValueError(f"the steps come to {left}, the charge says {minor}")
            case other:
                raise ValueError(f"unknown step {other}")
    return left


def _whole(step: Step, name: str) -> int:
    value = step[name]
    if type(value) is not int:
        raise ValueError(f"{name} is not a whole number")
    return value


def _rounded(number: int, unit: int, rounding: str) -> int:
    """Return how many units a number comes to."""
    whole, rest = divmod(number, unit)
    up = {
        "down": False,
        "up": rest > 0,
        "half_up": 2 * rest >= unit,
        "half_even": 2 * rest > unit or (2 * rest == unit and whole % 2 == 1),
    }[rounding]
    return whole + up


def _check_distance(step: Step) -> None:
    found = step.get("distance")
    if found is None:
        return
    steps = _rounded(_whole(found, "metres"), _whole(found, "step_m"), found["rounding"])
    by_length = steps * _whole(found, "step_m") * _whole(found, "per_km_minor")
    minor = _whole(found, "base_minor") + _rounded(by_length, 1000 * _whole(found, "per_km_parts"), "half_up")
    if found["min_minor"] is not None:
        minor = max(minor, _whole(found, "min_minor"))
    if found["max_minor"] is not None:
        minor = min(minor, _whole(found, "max_minor"))
    unit = _whole(found, "cash_step")
    if unit != 1:
        minor = unit * _rounded(minor, unit, found["cash_rounding"])
    if minor != step["minor"]:
        raise ValueError(f"{found['metres']} m cost {minor}, not {step['minor']}")


def _check_transfer(step: Step, left: int) -> None:
    """GTFS fare_transfer_type: 0 is A + AB, 1 is A + AB + B, 2 is AB; the leg adds what the total rises by.

    At a further transfer all three begin with the total so far, type 2 as well.
    """
    if "kind" not in step:
        return
    own, price, so_far = (_whole(step, name) for name in ("own_minor", "transfer_minor", "so_far_minor"))
    if own != left:
        raise ValueError(f"the leg alone costs {left}, the transfer says {own}")
    adds = {0: price, 1: price + own, 2: price - (0 if step["further"] else so_far)}[_whole(step, "kind")]
    if adds != step["minor"]:
        raise ValueError(f"the transfer adds {adds}, not {step['minor']}")


def _check_upgrade(step: Step, left: int) -> None:
    if _whole(step, "own_minor") != left:
        raise ValueError(f"the leg alone costs {left}, the window says {step['own_minor']}")
    if "paid_before_minor" in step:
        paid = _whole(step, "paid_before_minor")
        due = {"free": 0, "difference": max(0, left - paid), "distance": left}[step["dearer"]]
        if step["through_minor"] is not None:
            due = max(0, _whole(step, "through_minor") - paid)
        if due != step["minor"]:
            raise ValueError(f"inside the window {due} is due, not {step['minor']}")


def _check_discount(step: Step, left: int) -> None:
    percent, minor = _whole(step, "percent"), _whole(step, "minor")
    owed = left - _rounded(left * percent, 100, str(step["rounding"]))
    if "cash_step" in step and percent < 100:
        coin = _whole(step, "cash_step")
        owed = min(left, coin * _rounded(owed, coin, step["cash_rounding"]))
    if left - owed != minor:
        raise ValueError(f"{percent}% of {left} is not {minor}")


def _check_park(step: Step, left: int) -> None:
    """Park and ride takes its percent as a concession does, or its amount; never more rides than it has."""
    if step["percent"] is not None:
        _check_discount(step, left)
    elif _whole(step, "minor") != min(left, _whole(step, "amount_minor")):
        raise ValueError(f"{step['amount_minor']} off {left} is not {step['minor']}")
    if step["max_rides"] is not None and _whole(step, "rides_before") >= _whole(step, "max_rides"):
        raise ValueError(f"park and ride {step['rule']} has no rides left")


def _check_share(step: Step, left: int) -> None:
    parts = step["parts"]
    if sum(_whole(part, "minor") for part in parts) != left:
        raise ValueError(f"the operators' parts are not {left}")
    whole = sum(_whole(part, "weight") for part in parts)
    journey = left + sum(_whole(part, "before_minor") for part in parts)
    if any(
        abs((_whole(part, "minor") + _whole(part, "before_minor")) * whole - journey * _whole(part, "weight"))
        >= whole
        for part in parts
    ):
        raise ValueError("an operator's part is not its share")


def _check_cover(step: Step, left: int) -> None:
    used, minor = _whole(step, "used_before"), _whole(step, "minor")
    if step["limit_minor"] is None:
        room = left if used < _whole(step, "limit_rides") else 0
    else:
        room = max(0, _whole(step, "limit_minor") - used)
    if left - minor != min(left, room):
        raise ValueError(f"the cap leaves {min(left, room)}, not {left - minor}")


def _check_parts(explanation: Step, charged: int) -> None:
    parts, steps = explanation["parts"], explanation["steps"]
    taken = dict.fromkeys(_TAKES.values(), 0)
    for step in steps:
        if step["op"] in _TAKES:
            taken[_TAKES[step["op"]]] += step["minor"]
    face = [step["minor"] for step in steps if step["op"] in {"price", "transfer", "window", "join"}][-1]
    if parts != {"face_value": face, **taken, "charged": charged}:
        raise ValueError("the parts are not those of the steps")
    if sum(taken.values()) + charged != face:
        raise ValueError("the parts do not sum to the face value")
    for name, part in parts.items():
        shared = sum(share["minor"] for share in explanation["shares"] if share["component"] == name)
        if name != "face_value" and shared != part:
            raise ValueError(f"the shares of {name} come to {shared}, not {part}")


def _check_named(explanation: Step) -> None:
    """A step that leans on a cap or a window says the same of it as the cap or window itself."""
    caps = {cap["cap_id"]: cap for cap in explanation["caps"]}
    windows = {window["window_id"]: window for window in explanation["windows"]}
    for step in explanation["steps"]:
        if step["op"] == "cap":
            cap = caps[step["rule"]]
            used = cap["before"]["rides" if cap["limit_minor"] is None else "minor"]
            same = (used, cap["limit_minor"], cap["limit_rides"])
            if (step["used_before"], step["limit_minor"], step["limit_rides"]) != same:
                raise ValueError(f"cap {step['rule']} is told in two ways")
        if step["op"] == "window" and "paid_before_minor" in step:
            before = windows[step["rule"]]["before"]
            if before is None or before["paid_minor"] != step["paid_before_minor"]:
                raise ValueError(f"window {step['rule']} is told in two ways")


def _check_cap(cap: Step, charged: int) -> None:
    before, after = cap["before"], cap["after"]
    if after != {"minor": max(0, before["minor"] + charged), "rides": before["rides"] + (charged > 0)}:
        raise ValueError(f"cap {cap['cap_id']} does not count this ride")
    if cap.get("left_unused"):
        return
    if cap["limit_minor"] is not None and charged > 0 and after["minor"] > cap["limit_minor"]:
        raise ValueError(f"cap {cap['cap_id']} is exceeded")
    if cap["limit_rides"] is not None and after["rides"] > max(cap["limit_rides"], before["rides"]):
        raise ValueError(f"cap {cap['cap_id']} is exceeded")


def _check_window(window: Step, steps: Sequence[Step]) -> None:
    """A window that gave something counts one use more; no use is ever taken back."""
    before, after = window["before"], window["after"]
    gave = any(step["op"] == "window" and step["rule"] == window["window_id"] for step in steps)
    same = before is not None and after is not None and before["started_at"] == after["started_at"]
    restarted = any(step.get("restarted") for step in steps)
    if gave and (not (same or restarted) or after["used"] != before["used"] + 1):
        raise ValueError(f"window {window['window_id']} gave a ride and does not count it")
    if same and (after["used"] < before["used"] or after["paid_minor"] < before["paid_minor"]):
        raise ValueError(f"window {window['window_id']} runs backwards")

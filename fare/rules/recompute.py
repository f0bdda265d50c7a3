"""Checks an explanation by its own numbers. It imports nothing of the pricing code, on purpose."""

from collections.abc import Mapping, Sequence


def recompute(steps: Sequence[Mapping[str, object]]) -> int:
    """Return the charge that a tap's steps come to, in minor units.

    ValueError where a step contradicts itself: a discount that is not its percent, a cap that covers
    more or less than its limit allows, or a sum that is not the charge the last step states.
    """
    left = 0
    for step in steps:
        minor = _whole(step, "minor")
        match step["op"]:
            case "price" | "transfer" | "window":
                left = minor
            case "waive" | "pass":
                if minor != left:
                    raise ValueError(f"{step['op']} takes {minor} of {left}")
                left = 0
            case "discount":
                _check_discount(step, left)
                left -= minor
            case "cap":
                if step["limit_minor"] is None:
                    room = left if _whole(step, "used_before") < _whole(step, "limit_rides") else 0
                else:
                    room = max(0, _whole(step, "limit_minor") - _whole(step, "used_before"))
                if left - minor != min(left, room):
                    raise ValueError(f"the cap leaves {min(left, room)}, not {left - minor}")
                left -= minor
            case "charge":
                if minor != left:
                    raise ValueError(f"the steps come to {left}, the charge says {minor}")
            case other:
                raise ValueError(f"unknown step {other}")
    return left


def _whole(step: Mapping[str, object], name: str) -> int:
    value = step[name]
    if type(value) is not int:
        raise ValueError(f"{name} is not a whole number")
    return value


def _check_discount(step: Mapping[str, object], left: int) -> None:
    percent, minor = _whole(step, "percent"), _whole(step, "minor")
    whole, rest = divmod(left * percent, 100)
    allowed = {
        "down": {whole},
        "up": {whole + (rest > 0)},
        "half_up": {whole + (2 * rest >= 100)},
        "half_even": {whole + (2 * rest > 100 or (2 * rest == 100 and whole % 2 == 1))},
    }[str(step["rounding"])]
    if minor not in allowed:
        raise ValueError(f"{percent}% of {left} is not {minor}")

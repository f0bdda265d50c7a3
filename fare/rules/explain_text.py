"""The sentences of an explanation, in Vietnamese and English; no arithmetic here."""

from collections.abc import Mapping, Sequence
from typing import Final

from kernel.money import Currency, Money

_STEPS: Final[dict[str, tuple[str, str]]] = {
    "price": ("Giá vé tuyến {route}: {amount}.", "Fare of route {route}: {amount}."),
    "closing": (
        "Thiếu một lần quẹt thẻ trên tuyến {route}, nên tính theo quy định: {amount}.",
        "A tap is missing on route {route}, so the rule for that sets the fare: {amount}.",
    ),
    "transfer": ("Chuyển tuyến: lượt này tính {amount}.", "Transfer: this ride adds {amount}."),
    "window": ("Trong thời gian chuyển tuyến: lượt này tính {amount}.", "Inside the transfer window: this ride costs {amount}."),
    "complete": (
        "Theo các chuyến bạn thường đi, đầu còn thiếu được tính là {name}.",
        "By the rides you usually make, the missing end is taken to be {name}.",
    ),
    "withheld": (
        "Tài khoản đang nợ nên chưa được miễn phí chuyển tuyến: {amount}. Nạp tiền trong thời gian chuyển tuyến thì được miễn lại.",
        "The account was in debt, so the free transfer was withheld: {amount}. Clearing it inside the window gives it back.",
    ),
    "join": (
        "Đi tiếp một chuyến của ngày hôm trước, đã tính khi đó: lượt này thêm {amount}.",
        "This goes on with a ride of the day before, charged then: it adds {amount}.",
    ),
    "waive": ("Miễn vé ({rule}): {amount} do {funder} chi trả.", "Free travel ({rule}): {funder} pays {amount}."),
    "discount": ("Giảm {percent}% ({rule}): {amount} do {funder} chi trả.", "{percent}% concession ({rule}): {funder} pays {amount}."),
    "park_and_ride": ("Gửi xe và đi tiếp ({rule}): {amount} do {funder} chi trả.", "Park and ride ({rule}): {funder} pays {amount}."),
    "pass": ("Vé {rule} đã bao gồm {amount}.", "Pass {rule} covers {amount}."),
    "cap": ("Đã đạt mức trần {rule}: bớt {amount}.", "Cap {rule} reached: {amount} less."),
    "best": (
        "Tính chung các vé, mức trần và chuyến đi của bạn thì có cách rẻ hơn: bớt {amount}.",
        "Taken together, your rides, passes and caps come cheaper in another way: {amount} less.",
    ),
    "share": ("Các đơn vị vận chuyển chia nhau {amount}.", "The operators share {amount}."),
    "charge": ("Bạn trả {amount}.", "You pay {amount}."),
}  # fmt: skip
_CLOSED: Final[dict[str, tuple[str, str]]] = {
    "torn": (
        "Thẻ đã ghi nhưng thiết bị chưa báo xanh: không tính tiền.",
        "The card was written but the reader never showed green: no charge.",
    ),
    "passback": ("Quẹt lặp lại cùng chỗ: không tính thêm.", "Tapped again at the same place: nothing more is charged."),
    "continued": (
        "Đi tiếp bằng xe khác cùng tuyến: không tính thêm.",
        "The ride went on in another vehicle of the route: nothing more is charged.",
    ),
    "alighted": (
        "Xuống xe của chuyến đã tính tiền hôm trước: không tính thêm.",
        "The end of a ride that was charged the day before: nothing more is charged.",
    ),
    "inspected": ("Đã xuất trình khi kiểm tra vé: không tính tiền.", "Shown at an inspection: no charge."),
    "open": ("Chuyến đi chưa kết thúc.", "The ride is still open."),
    "missing_off": ("Không có lượt quẹt xuống.", "No tap-off was recorded."),
    "missing_on": ("Không có lượt quẹt lên.", "No tap-on was recorded."),
    "over_long": ("Quẹt xuống sau thời hạn chuyến đi.", "The tap-off came after the journey time limit."),
    "corrected": (
        "Không có lượt quẹt xuống; tính theo điểm xuống mà bạn đã khai.",
        "No tap-off was recorded; priced to the stop that you named.",
    ),
    "unpriced": ("Chưa có giá cho lượt này ({reason}); nhân viên sẽ xem xét.", "No fare is known for this tap ({reason}); a person will look at it."),
}  # fmt: skip


# What is unknown of a tap without a fare, by the code of the bill.
_UNKNOWN: Final[dict[str, tuple[str, str]]] = {
    "unknown_route": ("biểu giá không có tuyến này", "the tariff has no such route"),
    "unknown_stop": ("biểu giá không có điểm dừng này", "the tariff has no such stop"),
    "no_leg_rule": (
        "biểu giá không có giá cho chuyến đi như vậy",
        "no rule of the tariff prices such a ride",
    ),
    "no_product_for_medium": ("không có vé bán cho loại thẻ này", "no fare is sold to this medium"),
    "no_rule_for_missing_off": (
        "thiếu lượt quẹt xuống và không có quy định cho việc đó",
        "the tap-off is missing, and no rule says what that costs",
    ),
    "no_rule_for_missing_on": (
        "thiếu lượt quẹt lên và không có quy định cho việc đó",
        "the tap-on is missing, and no rule says what that costs",
    ),
    "no_rule_for_over_long": (
        "quẹt xuống sau thời hạn và không có quy định cho việc đó",
        "the tap-off came too late, and no rule says what that costs",
    ),
}

# Taps that are in no bill, by status; the reason is a code of docs/evidence.md.
_STATUS: Final[dict[str, tuple[str, str]]] = {
    "waiting": ("Lượt quẹt này chưa được tính tiền.", "This tap has not been billed yet."),
    "exception": (
        "Lượt quẹt này đang chờ nhân viên xem xét ({reason}); chưa tính tiền.",
        "A person will look at this tap ({reason}); nothing is charged for it yet.",
    ),
    "nothing": (
        "Thẻ bị từ chối hoặc giao dịch chưa hoàn tất ({reason}): không tính tiền.",
        "The card was refused or the transaction did not complete ({reason}): no charge.",
    ),
    "no-fare": ("Lượt quẹt này không phải là chuyến đi ({reason}).", "This tap is no ride ({reason})."),
    "engine-retired": (
        "Hóa đơn này do phiên bản bộ tính giá cũ lập; số tiền đã ghi vẫn giữ nguyên.",
        "An older pricing engine made this bill; what it booked stands.",
    ),
}


def status_text(status: str, reason: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return one sentence in each language about a tap without an explanation of its price."""
    vi, en = _STATUS[status]
    return (vi.format(reason=reason),), (en.format(reason=reason),)


# By money, and by rides.
_CAP: Final[tuple[tuple[str, str], tuple[str, str]]] = (
    ("Mức trần {cap}: đã trả {used} trên {limit}.", "Cap {cap}: {used} of {limit} paid so far."),
    ("Mức trần {cap}: đã trả tiền {used} trên {limit} lượt.", "Cap {cap}: {used} of {limit} rides paid so far."),
)  # fmt: skip


def _used_of(cap: Mapping[str, object], currency: Currency, place: int) -> tuple[str, str]:
    after = cap["after"]
    assert isinstance(after, dict), "a cap's use is an object"
    if cap["limit_minor"] is None:
        return str(after["rides"]), str(cap["limit_rides"])
    return amount_text(after["minor"], currency)[place], amount_text(int(str(cap["limit_minor"])), currency)[
        place
    ]


def amount_text(minor: int, currency: Currency) -> tuple[str, str]:
    """Return an amount in Vietnamese (8.595 ₫ style) and English notation."""
    english = str(Money(minor, currency))
    number, _, code = english.partition(" ")
    swapped = number.translate(str.maketrans(",.", ".,"))
    return f"{swapped} {'đồng' if code == 'VND' else code}", english


def sentences(
    steps: Sequence[Mapping[str, object]],
    currency: Currency,
    closed: str,
    reason: str = "",
    *,
    caps: Sequence[Mapping[str, object]] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return one sentence a step in each language, after one that says how an odd ride ended.

    `reason` is the code of a tap without a fare. Last, where each cap that the ride counts towards stands now.
    """
    vi: list[str] = []
    en: list[str] = []
    if closed in _CLOSED:
        unknown = _UNKNOWN[reason] if reason else ("", "")
        for found, text, why in zip((vi, en), _CLOSED[closed], unknown, strict=True):
            found.append(text.format(reason=why))
    for step in steps:
        name = "closing" if step.get("by_closing_rule") else str(step["op"])
        amounts = amount_text(int(str(step["minor"])), currency)
        for found, text, amount in zip((vi, en), _STEPS[name], amounts, strict=True):
            found.append(text.format(**{**step, "amount": amount}))
    for cap in caps:
        for place, (found, text) in enumerate(zip((vi, en), _CAP[cap["limit_minor"] is None], strict=True)):
            used, limit = _used_of(cap, currency, place)
            found.append(text.format(cap=cap["cap_id"], used=used, limit=limit))
    return tuple(vi), tuple(en)

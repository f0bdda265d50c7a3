"""What riders are told, in Vietnamese and English. Pure: facts in, texts out."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from fare.rules.explain_text import amount_text
from kernel.money import currency


class NoticeKind(StrEnum):
    """What a notice is about; the values are the ones the outbox stores."""

    LATE_ADJUSTMENT = "late_adjustment"
    DENIAL = "denial"
    LOW_BALANCE = "low_balance"
    PASS_ENDING = "pass_ending"  # noqa: S105 - a travel pass, no secret
    PARKING_ENDING = "parking_ending"
    PARKING_PASS_ENDING = "parking_pass_ending"  # noqa: S105 - a pass, no secret
    MANDATE_FAILED = "mandate_failed"


_TEXTS: Final[dict[str, tuple[tuple[str, str], tuple[str, str]]]] = {
    "late_charge": (
        ("Điều chỉnh tiền vé ngày {day}", "Dữ liệu quẹt thẻ đến muộn: ngày {day} tính thêm {amount}."),
        ("Your fares of {day} changed", "Taps arrived late: {amount} more is charged for {day}."),
    ),
    "late_refund": (
        ("Điều chỉnh tiền vé ngày {day}", "Bạn được hoàn {amount} cho ngày {day}."),
        ("Your fares of {day} changed", "{amount} is given back for {day}."),
    ),
    "denial": (
        ("Thẻ {card} tạm dừng sử dụng", "Thẻ số {card} đã bị tạm dừng: {why_vi}."),
        ("Card {card} is stopped", "Card {card} cannot be used for now: {why_en}."),
    ),
    "low_balance": (
        ("Số dư sắp hết", "Số dư của bạn còn {amount}. Hãy nạp thêm để tiếp tục đi lại."),
        ("Your balance is low", "{amount} is left on your balance. Top up to keep riding."),
    ),
    "pass_ending": (
        ("Vé {product} sắp hết hạn", "Vé {product} hết hạn lúc {until}. Bạn có thể gia hạn trong ứng dụng."),
        ("Pass {product} is ending", "Pass {product} ends at {until}. You can renew it in the app."),
    ),
    "parking_ending": (
        (
            "Sắp hết giờ gửi xe tại {place}",
            "Giờ gửi xe đã trả tại {place} hết lúc {until}. Bạn có thể gia hạn hoặc kết thúc trong ứng dụng.",
        ),
        (
            "Your parking at {place} is ending",
            "What is paid at {place} ends at {until}. You can extend or stop it in the app.",
        ),
    ),
    "parking_pass_ending": (
        ("{product} sắp hết hạn", "{product} hết hạn lúc {until}. Hãy mua tiếp để xe vẫn có chỗ."),
        ("{product} is ending", "{product} ends at {until}. Buy the next one to keep your space."),
    ),
    "mandate_failed": (
        ("Nạp tiền tự động không thành công", "Không thu được {amount}. {next_vi}"),
        ("Your automatic top-up failed", "{amount} could not be collected. {next_en}"),
    ),
}
_NEXT: Final[dict[str, tuple[str, str]]] = {
    "active": ("Chúng tôi sẽ thử lại.", "It will be tried again."),
    "paused": (
        "Đã tạm dừng nạp tự động; hãy bật lại trong ứng dụng.",
        "Automatic top-ups are paused; turn them on again in the app.",
    ),
    "revoked": ("Nạp tự động đã được hủy.", "Automatic top-ups are switched off."),
}
_WHY: Final[dict[str, tuple[str, str]]] = {
    "debt": ("tài khoản còn nợ; nạp tiền để mở lại", "the account owes money; a top-up opens it again"),
    "blocked": ("thẻ đã bị khóa", "it was blocked"),
    "replaced": ("thẻ đã được thay bằng thẻ mới", "a new card has taken its place"),
    "expired": ("thẻ đã hết hạn", "it has expired"),
    "returned": ("thẻ đã được trả lại", "it was handed back"),
    "lost": ("thẻ đã được báo mất", "it was reported lost"),
}
_OTHER: Final = ("liên hệ tổng đài để biết thêm", "ask the service desk")


def texts(kind: NoticeKind, facts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return `{"vi": {"title", "text"}, "en": {…}}` of a notice."""
    name = kind.value
    values = dict(facts)
    amounts = ("", "")
    if "minor" in facts:
        amounts = amount_text(abs(int(facts["minor"])), currency(str(facts["currency"])))
    if kind is NoticeKind.LATE_ADJUSTMENT:
        name = "late_charge" if int(facts["minor"]) > 0 else "late_refund"
    if kind is NoticeKind.DENIAL:
        values["why_vi"], values["why_en"] = _WHY.get(str(facts["reason"]), _OTHER)
    if kind is NoticeKind.MANDATE_FAILED:
        values["next_vi"], values["next_en"] = _NEXT[str(facts["state"])]
    return {
        language: {
            "title": title.format(**values, amount=amount),
            "text": line.format(**values, amount=amount),
        }
        for language, (title, line), amount in zip(("vi", "en"), _TEXTS[name], amounts, strict=True)
    }

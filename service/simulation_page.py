"""A simulation's report as one HTML file that needs nothing else: every chart is an SVG, and a table beside it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from markupsafe import Markup

from kernel.money import Money, currency

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Mô phỏng biểu giá", "Tariff simulation"),
    "current": ("hiện hành", "current"),
    "draft": ("dự thảo", "draft"),
    "difference": ("chênh lệch", "difference"),
    "totals": ("Tổng cộng", "Totals"),
    "operator": ("Thu từ hành khách theo đơn vị", "Paid by riders, by operator"),
    "route": ("Thu từ hành khách theo tuyến (20 tuyến thay đổi nhiều nhất)", "Paid by riders, by route (the 20 that change most)"),
    "category": ("Thu từ hành khách theo đối tượng", "Paid by riders, by category"),
    "subsidy": ("Trợ giá theo nguồn chi trả", "Subsidy, by who pays it"),
    "percentiles": ("Thay đổi của mỗi hành khách theo phân vị", "Each rider's change, by percentile"),
    "spending": ("Mười nhóm hành khách theo mức chi hiện nay", "Riders in ten groups by what they pay now"),
    "patterns": ("Cách đi lợi dụng biểu giá dự thảo", "Ways to exploit the draft"),
    "counts": ("trả ít hơn / như cũ / nhiều hơn", "pay less / the same / more"),
    "rides": ("lượt đi", "rides"), "face_value": ("giá vé đầy đủ", "face value"),
    "waived": ("miễn vé", "waived"), "discounted": ("giảm giá", "discounted"),
    "pass_covered": ("vé tháng trả", "covered by passes"), "cap_covered": ("vượt mức trần", "covered by caps"),
    "charged": ("hành khách trả", "paid by riders"), "unpriced": ("chưa có giá", "without a known fare"),
    "cases": ("trường hợp", "cases"), "accounts": ("tài khoản", "accounts"), "saved": ("bớt được", "saved"),
    "taps": ("lượt quẹt", "taps"), "key": ("", ""), "percent": ("phân vị", "percentile"),
    "change": ("thay đổi", "change"), "tenth": ("nhóm", "group"),
    "sample": ("% tài khoản", "% of accounts"), "example": ("ví dụ", "example"),
}  # fmt: skip
_COUNTED: Final = frozenset({"rides", "unpriced"})
_BAR: Final = 16  # px
_WIDE: Final = 420
_LABEL: Final = 190
_STYLE: Final = Markup("""<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a2233}
table{border-collapse:collapse;margin:.5rem 0 2rem}td,th{border-bottom:1px solid #ccd;padding:.2rem .7rem;text-align:right}
td:first-child,th:first-child{text-align:left}svg text{font:12px system-ui,sans-serif}
.c{fill:#6b7a99}.d{fill:#0a6e5c}.n{fill:#b3372b}</style>""")


_RECT: Final = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>')
_SVG: Final = Markup('<svg role="img" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>')
_CELL: Final = {"th": Markup("<th>{}</th>"), "td": Markup("<td>{}</td>")}


def page(found: dict[str, Any], language: str) -> str:
    """Return the report as HTML in `vi` or `en`; amounts in the currency's own notation."""
    at = language == "en"

    def word(name: str) -> str:
        return _WORDS[name][at]

    def money(minor: int) -> str:
        return str(Money(minor, currency(found["currency"])))

    riders = found["riders"]
    routes = sorted(found["by"]["route"], key=lambda row: -abs(row["charged"]["difference"]))[:20]
    parts = [
        Markup("<h1>{}</h1>").format(word("title")),
        Markup("<p>{}: {} → {}: {}<br>{} – {}, {:,} {}, {:,} {} ({} {})</p>").format(
            word("current"), found["current"]["tariff_version"], word("draft"), found["draft"]["tariff_version"],
            found["from"], found["to"], found["taps"], word("taps"), found["accounts"], word("accounts"),
            found["percent_of_accounts"], word("sample"),
        ),
        Markup("<h2>{}</h2>").format(word("totals")),
        _compared(
            [(word(name), row) for name, row in found["totals"].items() if name not in _COUNTED], word, money
        ),
        _table(
            ("", word("current"), word("draft"), word("difference")),
            [
                (word(name), *(f"{found['totals'][name][side]:,}" for side in ("current", "draft", "difference")))
                for name in ("rides", "unpriced")
            ],
        ),
    ]  # fmt: skip
    for name, rows in (
        ("operator", found["by"]["operator"]),
        ("route", routes),
        ("category", found["by"]["category"]),
    ):
        parts += [
            Markup("<h2>{}</h2>").format(word(name)),
            _compared([(row["key"], row["charged"]) for row in rows], word, money),
        ]
    parts += [
        Markup("<h2>{}</h2>").format(word("subsidy")),
        _compared([(row["key"], row) for row in found["subsidy"]], word, money),
        Markup("<h2>{}</h2><p>{}: {:,} / {:,} / {:,}</p>").format(
            word("percentiles"), word("counts"), riders["winners"], riders["same"], riders["losers"]
        ),
        _single(
            [(f"{row['percent']} %", row["change_minor"]) for row in riders["percentiles"]],
            (word("percent"), word("change")),
            money,
        ),
        Markup("<h2>{}</h2>").format(word("spending")),
        _compared(
            [(f"{word('tenth')} {row['tenth']}", row) for row in riders["by_spending"]], word, money
        ),
        Markup("<h2>{}</h2>").format(word("patterns")),
        _single(
            [(row[language], row["cases"]) for row in found["patterns"]], ("", word("cases")), "{:,}".format
        ),
        _table(
            ("", word("cases"), word("accounts"), word("saved"), word("example")),
            [
                (
                    row[language], f"{row['cases']:,}", f"{row['accounts']:,}", money(row["saved_minor"]),
                    f"{row['examples'][0]['account']} {row['examples'][0]['at']}" if row["examples"] else "",
                )
                for row in found["patterns"]
            ],
        ),
    ]  # fmt: skip
    head = Markup('<!doctype html><html lang="{}"><meta charset="utf-8"><title>{}</title>{}')
    return str(head.format(language, word("title"), _STYLE) + Markup("\n").join(parts))


def _compared(
    rows: Sequence[tuple[str, dict[str, int]]], word: Callable[[str], str], money: Callable[[int], str]
) -> Markup:
    """Return a chart of two bars a row, and its table."""
    sides = ("current", "draft")
    bars = [(label, [(row[side], side[0]) for side in sides]) for label, row in rows]
    return _chart(bars) + _table(
        ("", *(word(name) for name in (*sides, "difference"))),
        [(label, *(money(row[name]) for name in (*sides, "difference"))) for label, row in rows],
    )


def _single(rows: Sequence[tuple[str, int]], heads: tuple[str, str], shown: Callable[[int], str]) -> Markup:
    """Return a chart of one bar a row, and its table."""
    bars = [(label, [(value, "n" if value < 0 else "d")]) for label, value in rows]
    return _chart(bars) + _table(heads, [(label, shown(value)) for label, value in rows])


def _chart(rows: Sequence[tuple[str, Sequence[tuple[int, str]]]]) -> Markup:
    values = [value for _, bars in rows for value, _ in bars]
    least, most = min([0, *values]), max([1, *values])
    whole = most - least
    zero = _LABEL + -least * _WIDE // whole
    drawn: list[Markup] = []
    top = 0
    for label, bars in rows:
        drawn.append(Markup('<text x="0" y="{}">{}</text>').format(top + _BAR - 3, label[:30]))
        for value, kind in bars:
            wide = abs(value) * _WIDE // whole
            left = zero if value >= 0 else zero - wide
            drawn.append(_RECT.format(kind, left, top + 2, wide, _BAR - 4, label, f"{value:,}"))
            top += _BAR
        top += 4
    wide = _LABEL + _WIDE + 10
    return _SVG.format(wide, top, wide, top, Markup("").join(drawn))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Markup:
    def line(tag: str, cells: Iterable[str]) -> Markup:
        row = Markup("").join(_CELL[tag].format(cell) for cell in cells)
        return Markup("<tr>{}</tr>").format(row)

    body = Markup("").join(line("td", row) for row in rows)
    return Markup("<table>{}{}</table>").format(line("th", heads), body)

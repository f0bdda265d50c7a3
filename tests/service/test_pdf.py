"""PDFs: the same values give the same bytes, and Vietnamese is there as text, in our typeface."""

import warnings
from datetime import UTC, datetime

from fontTools.ttLib import TTFont

from service.pdf import FONTS, Column, Paper

NOW = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
# Every letter that Vietnamese adds to the Latin alphabet, and what our pages write besides.
VIETNAMESE = "ăâđêôơưáàảãạắằẳẵặấầẩẫậéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựýỳỷỹỵ"


def a_paper(rows: int = 3, made_at: datetime = NOW, footer: str = "Liên Thông") -> bytes:
    paper = Paper("Bảng kê quyết toán", made_at=made_at, footer=footer)
    paper.heading("Tuyến")
    paper.facts([("Đơn vị", "Xí nghiệp xe buýt Hà Nội")])
    paper.say("Đã đối soát", faint=True)
    paper.rows(
        [Column("Tuyến", 2), Column("Thu", number=True)],
        ([f"tuyến {n}", f"{n}.000"] for n in range(rows)),
        total=["Tổng", "1"],
    )
    return paper.written()


def test_same_values_give_the_same_bytes():
    assert a_paper() == a_paper()
    assert a_paper() != a_paper(footer="khác")
    assert a_paper() != a_paper(made_at=NOW.replace(hour=18))


def test_fonts_hold_every_vietnamese_letter():
    for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"):
        held = TTFont(FONTS / name).getBestCmap()
        assert not [c for c in VIETNAMESE + VIETNAMESE.upper() + "₫–…→−" if ord(c) not in held], name


def test_letters_can_be_copied_out():
    """The map from glyphs back to letters is in the file: what copying and searching use."""
    for letter in "ảếĐ":
        assert f"<{ord(letter):04X}>".encode() in a_paper(), letter


def test_long_tables_run_over_pages_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert a_paper(rows=200).count(b"/Type /Page\n") > 2
        assert a_paper(rows=0).count(b"/Type /Page\n") == 1

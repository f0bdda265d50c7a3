"""The frame of every PDF that we hand out: A4, a typeface that has Vietnamese, a title, facts, tables, page numbers.

The same values give the same bytes: nothing of the machine and no clock is in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fpdf import FPDF
from fpdf.enums import TableCellFillMode, XPos, YPos
from fpdf.fonts import FontFace

FONTS: Final = Path(__file__).parent / "static" / "vendor" / "dejavu-2.37"
FAMILY: Final = "DejaVu"
INK: Final = (33, 37, 41)
FAINT: Final = (108, 117, 125)
BAND: Final = (241, 243, 245)


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column: its heading, how wide it is beside the others, and whether it holds numbers."""

    title: str
    weight: int = 1
    number: bool = False


class Paper(FPDF):
    """A document that is written from the top down; `written` ends it."""

    def __init__(self, title: str, *, made_at: datetime, footer: str = "", wide: bool = False) -> None:
        """Begin with a heading. `footer` stands beside the page number; `wide` turns the page."""
        super().__init__(orientation="landscape" if wide else "portrait", format="A4")
        self.footer_text = footer
        self.add_font(FAMILY, "", FONTS / "DejaVuSans.ttf")
        self.add_font(FAMILY, "B", FONTS / "DejaVuSans-Bold.ttf")
        self.set_creation_date(made_at.astimezone(UTC))
        self.set_producer("lienthong")
        self.set_title(title)
        self.set_margin(10)
        self.set_auto_page_break(auto=True, margin=15)
        self.set_text_color(*INK)
        self.add_page()
        self.set_font(FAMILY, "B", 15)
        self._line(title, 8)
        self.ln(1)

    def footer(self) -> None:
        """Write the line under every page: fpdf2 calls this."""
        self.set_y(-12)
        self.set_font(FAMILY, "", 7)
        self.set_text_color(*FAINT)
        self.cell(0, 5, self.footer_text)
        self.set_x(self.l_margin)
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")
        self.set_text_color(*INK)

    def heading(self, text: str) -> None:
        """Write the heading of a part."""
        self.ln(3)
        self.set_font(FAMILY, "B", 11)
        self._line(text, 6)
        self.ln(1)

    def say(self, text: str, *, faint: bool = False) -> None:
        """Write a paragraph."""
        self.set_font(FAMILY, "", 9)
        self.set_text_color(*(FAINT if faint else INK))
        self._line(text, 5)
        self.set_text_color(*INK)

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Write pairs of a name and its value, one below the other."""
        for name, value in rows:
            self.set_font(FAMILY, "", 9)
            self.set_text_color(*FAINT)
            self.cell(55, 5, name)
            self.set_text_color(*INK)
            self.multi_cell(0, 5, value, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def rows(
        self, columns: Sequence[Column], rows: Iterable[Sequence[str]], *, total: Sequence[str] | None = None
    ) -> None:
        """Write a table; its heading is repeated on every page, `total` is a last row in bold."""
        self.set_font(FAMILY, "", 7)
        self.set_draw_color(*BAND)
        with self.table(
            col_widths=tuple(column.weight for column in columns),
            text_align=tuple("RIGHT" if column.number else "LEFT" for column in columns),
            headings_style=FontFace(emphasis="BOLD", fill_color=BAND),
            cell_fill_mode=TableCellFillMode.NONE,
            borders_layout="HORIZONTAL_LINES",
            line_height=4.5,
            padding=1,
        ) as table:
            table.row([column.title for column in columns])
            for row in rows:
                table.row(list(row))
            if total is not None:
                table.row(list(total), style=FontFace(emphasis="BOLD"))
        self.ln(2)

    def written(self) -> bytes:
        """End the document and return it."""
        return bytes(self.output())

    def _line(self, text: str, height: int) -> None:
        self.multi_cell(0, height, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

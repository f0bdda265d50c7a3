"""The small town of docs/tariff-authors.md is real: it is read from the page and priced."""

import re
from pathlib import Path

from fare.gtfs.load import check_files
from fare.gtfs.schema import COMMON, FILES

PAGE = Path(__file__).parents[2] / "docs" / "tariff-authors.md"


def town_of_the_page() -> dict[str, bytes]:
    block = PAGE.read_text("utf-8").split("## A small town in twenty lines")[1].split("```")[1]
    files: dict[str, list[str]] = {}
    name = ""
    for line in block.strip("\n").splitlines():
        name = line[:25].strip() or name
        files.setdefault(name, []).append(line[25:])
    return {name: "\n".join(lines).encode() for name, lines in files.items()}


def test_small_town_of_the_page_is_sound_and_prices_as_it_says(price):
    checked = check_files(town_of_the_page())
    assert checked.book is not None, checked.notices
    assert not checked.notices
    hours = [
        f"2026-11-18T{at}+01:00,on,{route},"
        for at, route in (("08:00", 1), ("09:00", 2), ("10:00", 1), ("12:00", 1))
    ]
    assert price(checked.book, "at,purpose,route,category", *hours).charged == [200, 0, 200, 100]
    child = f"{hours[0]}FREE_CHILD"
    assert price(checked.book, "at,purpose,route,category", child).charged == [100]


def test_page_names_every_file_of_ours():
    page = PAGE.read_text("utf-8")
    for name, spec in FILES.items():
        assert (f"`{name}`" if not spec.standard else name.removesuffix(".txt")) in page, name


def test_examples_of_our_files_have_columns_that_these_files_know():
    section = PAGE.read_text("utf-8").split("## Our files")[1].split("\n## ")[0]
    texts = section.split("```")
    known = {name: {column.name for column in (*spec.columns, *COMMON)} for name, spec in FILES.items()}
    examples = 0
    for words, block in zip(texts[::2], texts[1::2], strict=False):
        named = [known[name] for name in re.findall(r"\*\*`(\w+\.txt)`\*\*", words)]
        headers = re.findall(r"^(?=.*[a-z]_)[a-z_0-9]+(?:,[a-z_0-9]+)+(?=\s|$)", block, re.MULTILINE)
        assert named, words
        assert headers, block
        for header in headers:
            if not any(cell[0].isdigit() for cell in header.split(",")) and "," in header:
                fitting = [columns for columns in named if set(header.split(",")) <= columns]
                examples += bool(fitting)
        assert any(set(headers[0].split(",")) <= columns for columns in named), headers[0]
    assert examples >= 15

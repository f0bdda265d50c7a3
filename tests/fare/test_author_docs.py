"""Everything on docs/tariff-authors.md is real: its town, its commands, its examples and its answer are run as printed."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fare.gtfs.load import check_files
from fare.gtfs.riders import read_riders
from fare.gtfs.schema import COMMON, FILES
from fare.gtfs.taps import read_taps
from service.cli import main
from tests.fare.cities import book_of

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


def blocks(section: str) -> list[str]:
    """The fenced blocks of a section of the page."""
    return PAGE.read_text("utf-8").split(f"## {section}")[1].split("\n## ")[0].split("```")[1::2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the page's town, as `my-town` and `old-town`, and the taps and riders of the page."""
    for name in ("my-town", "old-town"):
        (tmp_path / name).mkdir()
        for file, body in town_of_the_page().items():
            (tmp_path / name / file).write_bytes(body + b"\n")
    (tmp_path / "taps.csv").write_text(blocks("A small town in twenty lines")[1].lstrip(), "utf-8")
    (tmp_path / "riders.csv").write_text("rider\nan\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str) -> str:
    words = shlex.split(re.sub(r"\[(.*?)\]", r"\1", command))
    assert words[0] == "lienthong"
    done = CliRunner().invoke(main, words[1:])
    assert done.exit_code == 0, (command, done.output)
    return done.output


def test_the_town_has_twenty_lines_or_fewer_of_values():
    lines = [line for body in town_of_the_page().values() for line in body.decode().splitlines()[1:]]
    assert len(lines) <= 20


def test_the_towns_day_costs_what_the_page_prints(here):
    command, printed = blocks("A small town in twenty lines")[2].lstrip().split("\n", 1)
    assert run(command.removeprefix("$ ")) == printed


def test_every_command_of_the_page_that_needs_no_database_runs(here):
    commands = PAGE.read_text("utf-8").split("```")[1].strip().splitlines()
    assert len(commands) == 6
    ran = [command for command in commands if " publish " not in command]
    for command in ran:
        run(command)
    assert len(ran) == 5
    assert (here / "report.html").exists()
    assert (here / "my-town-gtfs.zip").exists()


def tables(block: str) -> Iterator[list[str]]:
    """The CSV tables of a block: some stand side by side, some one under the other; each begins with its header."""
    columns: dict[int, list[list[str]]] = {}
    for line in filter(None, block.strip("\n").splitlines()):
        for place, text in enumerate(re.split(r"\s{2,}", line.strip())):
            header = re.fullmatch(r"[a-z][a-z_]*(,[a-z][a-z_]*)+", text)
            if header:
                columns.setdefault(place, []).append([])
            columns[place][-1].append(text)
    for found in columns.values():
        yield from found


def test_every_example_of_our_files_is_read_without_a_wrong_cell():
    section = PAGE.read_text("utf-8").split("## Our files")[1].split("\n## ")[0]
    texts = section.split("```")
    seen = set()
    for words, block in zip(texts[::2], texts[1::2], strict=False):
        named = re.findall(r"\*\*`(\w+\.txt)`\*\*", words)
        for header, *rows in tables(block):
            assert rows, (named, header)
            (name,) = [
                name
                for name in named
                if set(header.split(",")) <= {one.name for one in (*FILES[name].columns, *COMMON)}
            ]
            seen.add(name)
            checked = check_files({name: "\n".join([header, *rows]).encode()})
            # The other files of its city are not there, and nothing else may be amiss.
            amiss = [
                one
                for one in checked.errors
                if one.code not in {"foreign_key_violation", "missing_required_file"}
            ]
            assert not amiss, [str(one) for one in amiss]
    assert seen == {name for name, spec in FILES.items() if not spec.standard}


def test_examples_of_taps_and_riders_are_read_under_hanoi():
    hanoi = book_of("hanoi")
    texts = blocks("taps.csv and riders.csv")
    (taps, wrong), riders = read_taps(texts[0].strip(), hanoi), list(tables(texts[1]))
    assert taps
    assert not wrong
    assert len(riders) == 3
    for rows in riders:
        found, wrong = read_riders("\n".join(rows), hanoi)
        assert len(found) == len(rows) - 1
        assert not wrong


def keys_of(value: object) -> object:
    """The shape of a JSON value: its keys, and theirs."""
    if isinstance(value, dict):
        return {key: keys_of(one) for key, one in value.items()}
    return [keys_of(value[0])] if isinstance(value, list) and value else None


def test_the_answer_has_the_shape_that_the_page_prints(here):
    printed = blocks("The answer")[0]
    told = json.loads(re.sub(r'("[a-z_]+")(?=\s*[,}])', r"\1: null", printed))
    (here / "taps.csv").write_text(
        "rider,at,purpose,route\nan,2026-11-18T08:00,on,1\nan,2026-11-18T08:10,on,9\n", "utf-8"
    )
    done = CliRunner().invoke(main, shlex.split("fare price --tariff my-town --taps taps.csv --json"))
    assert done.exit_code == 1, "route 9 is unknown"
    found = json.loads(done.output)

    def compare(said: object, real: object, at: str) -> None:
        if isinstance(said, dict):
            assert isinstance(real, dict), at
            assert said.keys() == real.keys(), at
            for key, value in said.items():
                if value is not None:
                    compare(value, real[key], f"{at}.{key}")
        elif isinstance(said, list):
            assert real, at
            for one in real:
                compare(said[0], one, at)

    compare(told, found, "")
    ((day,),) = [rider["days"] for rider in found["riders"]]
    assert [(one["row"], one["reason"]) for one in day["unpriced"]] == [(3, "unknown_route")]
    assert [one["row"] for one in day["lines"]] == [2]


def test_an_error_is_answered_as_json_too(here):
    (here / "my-town" / "caps.txt").write_text("cap_id,period\nday,day\n", "utf-8")
    done = CliRunner().invoke(main, shlex.split("fare price --tariff my-town --taps taps.csv --json"))
    assert done.exit_code == 1
    (notice,) = json.loads(done.stdout)["notices"]
    assert set(notice) == {"severity", "code", "file", "row", "field", "detail"}
    assert (notice["file"], notice["row"], notice["code"]) == ("caps.txt", 2, "cap_needs_amount_or_rides")

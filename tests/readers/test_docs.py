"""docs/readers.md and the unit file say what is so."""

import configparser
import re
from dataclasses import fields
from pathlib import Path

from readers.__main__ import _parser
from readers.config import (
    DeviceConfig,
    FieldConfig,
    GateConfig,
    LampConfig,
    ServerConfig,
    load_config,
)
from readers.states import diagram

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "readers.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_diagram_is_the_table():
    assert blocks("mermaid") == [diagram() + "\n"]


def test_every_example_is_accepted(tmp_path):
    examples = blocks("toml")
    assert len(examples) == 3
    for text in examples:
        (tmp_path / "reader.toml").write_text(text, encoding="utf-8")
        load_config(tmp_path / "reader.toml")


def test_every_setting_is_described():
    tables = {
        "device": DeviceConfig,
        "reader": FieldConfig,
        "server": ServerConfig,
        "lamp": LampConfig,
        "gate": GateConfig,
    }
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    for table, kind in tables.items():
        for field in fields(kind):
            assert f"`{table}.{field.name}`" in rows or f"`{field.name}`" in rows, f"{table}.{field.name}"


def test_every_command_is_described():
    commands = _parser()._subparsers._group_actions[0].choices
    for name in commands:
        assert re.search(rf"^\| `{name}[` ]", PAGE, re.MULTILINE), name


def test_the_unit_starts_the_reader_with_a_watchdog():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(ROOT / "deploy" / "systemd" / "lienthong-reader@.service", encoding="utf-8")
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert "-m readers run --config" in service["ExecStart"]
    assert (service["WatchdogSec"], service["Restart"]) == ("20", "always")

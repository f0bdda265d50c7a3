"""Every text of the pages has a Vietnamese one, and what is compiled is what is written."""

import re
from pathlib import Path

from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import service

ROOT = Path(service.__file__).parent
CATALOG = ROOT / "translations/vi/LC_MESSAGES/messages"


def written():
    with CATALOG.with_suffix(".po").open("rb") as file:
        return {message.id: message.string for message in read_po(file) if message.id}


def test_every_text_is_translated():
    used = set()
    for path in (ROOT / "console/templates").glob("*.html"):
        used |= set(re.findall(r"""_\((["'])(.*?)\1""", path.read_text("utf-8")))
    missing = {text for _, text in used} - {text for text, vietnamese in written().items() if vietnamese}
    assert used
    assert not missing, f"run make messages, then translate: {missing}"


def test_compiled_catalog_is_the_written_one():
    with CATALOG.with_suffix(".mo").open("rb") as file:
        compiled = {message.id: message.string for message in read_mo(file) if message.id}
    assert compiled == {text: vietnamese for text, vietnamese in written().items() if vietnamese}, (
        "run make messages"
    )


def test_placeholders_survive_translation():
    for text, vietnamese in written().items():
        assert sorted(re.findall(r"%\(\w+\)s", text)) == sorted(re.findall(r"%\(\w+\)s", vietnamese)), text

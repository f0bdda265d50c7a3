"""The API's document names each schema after its class: two classes of one name would describe each other's requests."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]

GIVEN = re.compile(r"^@blueprint\.(?:input|output)\((\w+)[,)]", re.MULTILINE)


def test_no_two_documented_schemas_share_a_name():
    defined: Counter[str] = Counter()
    for path in sorted((ROOT / "service" / "api").glob("*.py")):
        text = path.read_text("utf-8")
        defined.update({name for name in GIVEN.findall(text) if f"\nclass {name}(" in text})
    assert defined, "the API documents its bodies"
    assert [name for name, files in defined.items() if files > 1] == []

"""`python -m readers vectors`: every vector of ours agrees from outside, no altered one does, and nonsense is said to be so."""

import copy
import json
from pathlib import Path

import pytest

from readers.__main__ import main
from readers.vectors import VectorError, answer, check

FILE = Path(__file__).parents[1] / "kernel" / "card_vectors.json"
VECTORS = json.loads(FILE.read_text())


def is_bytes(value):
    return isinstance(value, str) and value and all(letter in "0123456789abcdef" for letter in value)


def flipped(value):
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value[:-1] + format(int(value[-1], 16) ^ 1, "x")


def test_every_vector_agrees_and_says_so(capsys):
    assert main(["vectors", str(FILE)]) == 0
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["ok"] * len(VECTORS)
    assert f"{len(VECTORS)} of {len(VECTORS)}" in said.err


@pytest.mark.parametrize(
    ("number", "name"),
    [(number, name) for number, row in enumerate(VECTORS) for name in row["expected"]],
)
def test_no_altered_expectation_agrees(number, name):
    twin = copy.deepcopy(VECTORS)
    twin[number]["expected"][name] = flipped(twin[number]["expected"][name])
    words = [each.word for each in check(twin)]
    assert words[number] == "differs"
    assert words.count("ok") == len(VECTORS) - 1


# What another value of would be another vector's question, or is only told beside the rest.
TOLD = {
    "div_input",
    "uid",
    "aid",
    "system_id",
    "K1",
    "K2",
    "SV1",
    "key_no",
    "capdu1",
    "TMRICur",
    "record",
    "based_on",
}


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (number, name)
        for number, row in enumerate(VECTORS)
        for name, value in row["inputs"].items()
        # Another wrong MAC than the published one is refused as well.
        if (row["id"], name) != ("sun.negative", "sdmmac")
        and is_bytes(value)
        and name not in TOLD
        and not (name == "cmac_message" and "div_input" in row["inputs"])
    ],
)
def test_no_altered_input_agrees(number, name):
    twin = copy.deepcopy(VECTORS[number : number + 1])
    twin[0]["inputs"][name] = flipped(twin[0]["inputs"][name])
    answers = {"accept": False, **answer(VECTORS[number]["inputs"])}
    (found,) = check(twin)
    refused = found.answers.get("accept") is False and answers.get("accept") is not False
    assert found.word != "ok" or refused or name in {"K_SDMFileRead", "sdmmac"}
    if name in {"K_SDMFileRead", "sdmmac"}:
        assert refused


def test_what_is_about_something_else_is_unknown_and_without_expectation_answered(tmp_path, capsys):
    file = tmp_path / "v.json"
    rows = [
        {"id": "a", "inputs": {"colour": "red"}, "expected": {"hue": 0}},
        {"id": "b", "inputs": {"key": "2b7e151628aed2a6abf7158809cf4f3c", "message": ""}},
        {
            "id": "c",
            "inputs": {"key": "2B7E151628AED2A6ABF7158809CF4F3C", "message": ""},
            "expected": {"size": 1},
        },
    ]
    file.write_text(json.dumps({"vectors": rows}))
    assert main(["vectors", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["unknown", "ok", "unknown"]
    assert "cmac bb1d6929e95937287fa37d129b756746" in lines[1]
    assert main(["vectors", str(file), "--json"]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[1] == {"id": "b", "result": "ok", "answers": {"cmac": "bb1d6929e95937287fa37d129b756746"}}


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"vectors": 5}', '[{"id": "x"}]', '[{"inputs": 5}]'])
def test_a_file_without_vectors_is_refused(tmp_path, capsys, content):
    file = tmp_path / "v.json"
    file.write_text(content)
    assert main(["vectors", str(file)]) == 1
    assert "v.json" in capsys.readouterr().err
    assert main(["vectors", str(tmp_path / "none.json")]) == 1
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "inputs",
    [
        {"key": "no hex", "message": ""},
        {"key": 5, "message": ""},
        {"key": "00", "message": ""},
        {"key": "00" * 16, "RndA": "00", "RndB": "00"},
        {"key": "00" * 16, "RndA": "00" * 16, "RndB": "00" * 16, "rapdu1": "0091af", "rapdu2": "9100"},
        {"secret": "00", "message": ""},
        {"TI": "00", "CmdCtr": 0, "KSesAuthENC": "00" * 16},
        {"TI": "00" * 4, "CmdCtr": 70_000, "KSesAuthENC": "00" * 16},
        {"AppTransactionMACKey": "00" * 16, "TMC": "x", "uid": "00" * 7},
        {"AppTransactionMACKey": "00" * 16, "TMC_before": 0, "uid": "00" * 7, "TMI": "00"},
    ],
)
def test_inputs_that_are_none_name_their_vector(inputs):
    with pytest.raises(VectorError, match="seventh"):
        check([{"id": "seventh", "inputs": inputs, "expected": {}}])


def test_a_changed_key_carries_its_checksum():
    # AN12196 §6.16, table 26: the checksum of that key.
    new = "f3847d627727ed3bc9c4cc050489b966"
    found = answer({"new_key": new, "old_key": "00" * 16, "key_version": 1})
    assert found == {"key_data": new + "01" + "789dfadc", "crc32": "789dfadc"}
    assert answer({"new_key": new, "key_version": 1}) == {"key_data": new + "01"}

"""Folded text and references that survive a bank."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rails.fold import (
    find_references,
    fold,
    order_code_of,
    printable,
    reference_of,
    same_text,
    squeeze,
)

ONE = UUID("0198c0de-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Nạp thẻ Đống Đa", "Nap the Dong Da"),
        ("Thành công", "Thanh cong"),
        ("đường  sắt\nđô thị", "duong sat do thi"),
        ("Ngân hàng Ấn Độ ☂", "Ngan hang An Do"),
        ("", ""),
        ("\x00\x07 a", "a"),
        ("Søren Straße Łódź ŒUVRE", "Soren Strasse Lodz OEUVRE"),
        ("½ giá", "1/2 gia"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert printable("Nạp\x1b[2J thẻ\n") == "Nạp�[2J thẻ�"


def test_same_text_ignores_marks_case_and_punctuation() -> None:
    assert same_text("Nạp thẻ: LT-01", "NAP THE LT01")
    assert not same_text("nap 1", "nap 2")


def test_reference_is_short_derived_and_differs() -> None:
    assert reference_of(ONE) == reference_of(UUID(str(ONE)))
    assert len(reference_of(ONE)) == 15
    assert reference_of(ONE) != reference_of(UUID(int=ONE.int + 1))


@given(st.uuids())
def test_reference_is_found_as_banks_write_it(identifier: UUID) -> None:
    reference = reference_of(identifier)
    spoken = reference[2:].replace("0", "O").replace("1", "i")
    for text in (
        reference,
        f"MBVCB.7741.{reference}.CT tu 0011 toi 0022",
        f"nap the {reference[:7].lower()}\r\n{reference[7:]} FT23",
        f"IBFT LT {spoken}",
        f"LTLT{reference}LT",
    ):
        assert reference in find_references(text)


@given(st.uuids(), st.integers(2, 14), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXY"))
def test_reference_with_one_wrong_character_is_not_found(identifier: UUID, place: int, letter: str) -> None:
    reference = reference_of(identifier)
    wrong = reference[:place] + letter + reference[place + 1 :]
    assert find_references(wrong) == ((reference,) if wrong == reference else ())


@given(st.uuids(), st.integers(2, 13))
def test_reference_with_neighbours_swapped_is_not_found(identifier: UUID, place: int) -> None:
    reference = reference_of(identifier)
    swapped = reference[:place] + reference[place + 1] + reference[place] + reference[place + 2 :]
    assert find_references(swapped) in ((), (reference,))
    assert (find_references(swapped) == ()) == (swapped != reference)


def test_two_references_are_both_found() -> None:
    other = UUID(int=7)
    assert find_references(f"{reference_of(ONE)} {reference_of(other)}") == (
        reference_of(ONE),
        reference_of(other),
    )


@given(st.text())
def test_squeeze_leaves_letters_and_digits(text: str) -> None:
    assert all(letter in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" for letter in squeeze(text))


@given(st.uuids())
def test_order_code_is_safe_in_javascript(identifier: UUID) -> None:
    assert 1 <= order_code_of(identifier) < 2**53

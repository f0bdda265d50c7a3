"""Payments to make out of a CSV: what a bank would be asked for, and every row that nobody may guess."""

import pytest

from ledger.rails.pain001 import UnwritablePaymentError
from ledger.rails.payment_csv import read_payments

HEADER = "id,amount,name,account,bic,text\n"


def test_rows_become_payments_with_their_bank_by_bic_or_number() -> None:
    one, two = read_payments(
        "\ufeffid,amount,name,account,bank,bic,text,note\r\nA1,1000, Nguyễn Văn A ,0011,,BFTVVNVX,Nạp,x\r\n\r\nA2,2,B,12,970436,,,\r\n".encode()
    )
    assert (one.end_to_end, one.amount.minor, one.creditor.name, one.creditor.bic) == (
        "A1", 1000, "Nguyễn Văn A", "BFTVVNVX",
    )  # fmt: skip
    assert (two.creditor.bank, two.creditor.account, two.text) == ("970436", "12", "")


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        (b"", "the header", "no column 'id'"),
        (b"id;amount;name;account\nA;1;x;1\n", "the header", "no column 'id'"),
        (b"id,amount,amount,name,account\n", "the header", "column 'amount' stands twice"),
        (f"{HEADER}A1,1\n".encode(), "row 2", "it has 2 cells, the header 6"),
        # An unquoted comma in a name would move the name's end into the account.
        (f"{HEADER}A1,1,Nguyen, A,0011,,\n".encode(), "row 2", "it has 7 cells, the header 6"),
        (f"{HEADER}A1,1,Gebühr,1,,\n".encode("cp1252"), "line 2", "it is not UTF-8"),
        (f"{HEADER}A1,10.00,x,1,,\n".encode(), "row 2", "“10.00” is not an amount in VND"),
        (f"{HEADER}A1,1.000,x,1,,\n".encode(), "row 2", "“1.000” is not an amount in VND"),
        (f'{HEADER}A1,"1,000",x,1,,\n'.encode(), "row 2", "“1,000” is not an amount in VND"),
        (f"{HEADER}A1,1e3,x,1,,\n".encode(), "row 2", "“1e3” is not an amount in VND"),
        (f"{HEADER}A1,,x,1,,\n".encode(), "row 2", "“” is not an amount in VND"),
        (f'{HEADER}A1,1,"x,1,,\n'.encode(), "line 2", "unexpected end of data"),
    ],
)  # fmt: skip
def test_what_nobody_may_guess_is_refused(raw: bytes, field: str, reason: str) -> None:
    with pytest.raises(UnwritablePaymentError) as refused:
        read_payments(raw)
    assert (refused.value.fields["field"], refused.value.fields["reason"]) == (field, reason)

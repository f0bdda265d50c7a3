"""VietQR against the samples that NAPAS printed, the faults they contain included."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import VND, Money, currency
from ledger.rails.banks import banks, find_bank, list_banks_named
from ledger.rails.emvqr import (
    DataObject,
    MalformedQrError,
    UnwritableQrError,
    crc16,
    write_objects,
    write_payload,
)
from ledger.rails.vietqr import NotVietQrError, Service, VietQr, read, write

# NAPAS "QR Format T&C" v1.0 (09/2021), §6.1: the payload as printed, and what it says.
OFFICIAL = [
    pytest.param(
        "00020101021138570010A00000072701270006970403011300110123456780208QRIBFTTA53037045802VN63049E6F",
        VietQr(bin="970403", account="0011012345678"),
        id="6.1.1 static to account, corrected",
    ),
    pytest.param(
        "00020101021138600010A00000072701300006970403011697040311012345670208QRIBFTTC53037045802VN63044F52",
        VietQr(bin="970403", account="9704031101234567", service=Service.CARD),
        id="6.1.2 static to card",
    ),
    pytest.param(
        "00020101021238570010A00000072701270006970403011300110123456780208QRIBFTTA530370454061800005802VN"
        "62340107NPS68690819thanh toan don hang63042E2E",
        VietQr(
            bin="970403",
            account="0011012345678",
            single_use=True,
            amount=Money(180_000, VND),
            bill="NPS6869",
            purpose="thanh toan don hang",
        ),
        id="6.1.3 dynamic to account",
    ),
    pytest.param(
        "00020101021238600010A00000072701300006970403011697040311012345670208QRIBFTTC530370454061800005802VN"
        "62340107NPS68690819thanh toan don hang6304A203",
        VietQr(
            bin="970403",
            account="9704031101234567",
            service=Service.CARD,
            single_use=True,
            amount=Money(180_000, VND),
            bill="NPS6869",
            purpose="thanh toan don hang",
        ),
        id="6.1.4 dynamic to card",
    ),
]
# §6.1.1 as printed: the checksum is right over a nested length of 12 for 13 digits.
BROKEN_INSIDE = (
    "00020101021138570010A00000072701270006970403011200110123456780208QRIBFTTA53037045802VN6304F4E5"
)
# §6.1.4's heading line: the checksum of the dynamic string on the static body.
WRONG_CHECKSUM = (
    "00020101021138600010A00000072701300006970403011697040311012345670208QRIBFTTC53037045802VN6304A203"
)
ACCOUNT = VietQr(bin="970403", account="0011012345678")


@pytest.mark.parametrize(("payload", "qr"), OFFICIAL)
def test_official_sample_reads_and_writes_the_same(payload: str, qr: VietQr) -> None:
    found = read(payload)
    assert found.qr == qr
    assert found.warnings == ()
    assert found.bank is not None
    assert found.bank.short_name == "Sacombank"
    assert write(qr) == payload


def test_official_sample_with_a_broken_nested_length_is_refused_though_its_checksum_is_right() -> None:
    assert crc16(BROKEN_INSIDE[:-4]) == BROKEN_INSIDE[-4:]
    with pytest.raises(MalformedQrError, match="38-01"):
        read(BROKEN_INSIDE)


def test_official_misprint_is_refused_by_its_checksum() -> None:
    with pytest.raises(MalformedQrError, match="A203, not 4F52"):
        read(WRONG_CHECKSUM)


def test_printed_tag_38_alone_is_written_the_same() -> None:
    # §5.2.3.2.4: account 0011009950446 at bank 970468
    text = write(VietQr(bin="970468", account="0011009950446"))
    assert "38570010A00000072701270006970468011300110099504460208QRIBFTTA" in text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bin": "97040"}, "bin"),
        ({"bin": "97040a"}, "bin"),
        ({"account": ""}, "account"),
        ({"account": "1" * 20}, "account"),
        ({"account": "12 34"}, "account"),
        ({"account": "ABC123", "service": Service.CARD}, "account"),
        ({"category": "12"}, "category"),
        ({"amount": Money(0, VND)}, "amount"),
        ({"amount": Money(-1, VND)}, "amount"),
        ({"amount": Money(500_000_000, VND)}, "amount"),  # State Bank: below 500 M
        ({"amount": Money(100, currency("USD"))}, "amount"),
        ({"name": "x" * 26}, "name"),
        ({"city": "x" * 16}, "city"),
        ({"postal_code": "1" * 11}, "postal_code"),
        ({"bill": "b" * 26}, "bill"),
        ({"purpose": "b" * 26}, "purpose"),
        ({"purpose": "🎉"}, "purpose"),  # folding would leave nothing of it, silently
        ({"name": "東京"}, "name"),
        ({"bill": "b" * 25, "reference": "r" * 25, "terminal": "t" * 25, "purpose": "p" * 9}, "62"),
    ],
)
def test_write_refuses(change: dict[str, object], field: str) -> None:
    content = {"bin": ACCOUNT.bin, "account": ACCOUNT.account} | change
    with pytest.raises(UnwritableQrError) as refused:
        write(VietQr(**content))  # type: ignore[arg-type]
    assert refused.value.fields["field"] == field


def test_write_takes_the_longest_of_each() -> None:
    qr = VietQr(
        bin="970436",
        account="A" * 19,
        amount=Money(499_999_999, VND),
        category="4111",
        name="n" * 25,
        city="c" * 15,
        postal_code="1" * 10,
        bill="b" * 25,
        reference="r" * 25,
        terminal="t" * 25,
        purpose="p" * 8,
    )
    assert read(write(qr)).qr == qr


def test_write_folds_names_and_purpose() -> None:
    found = read(
        write(VietQr(bin="970436", account="1", name="Liên Thông", city="Hà Nội", purpose="nạp thẻ"))
    )
    assert (found.qr.name, found.qr.city, found.qr.purpose) == ("LIEN THONG".title(), "Ha Noi", "nap the")


def payload(**change: str) -> str:
    """A sound payload with root tags replaced ("" takes one out), checksum right."""
    nested = write_objects([DataObject("00", "970403"), DataObject("01", "0011012345678")])
    root = {
        "00": "01",
        "01": "11",
        "38": write_objects(
            [DataObject("00", "A000000727"), DataObject("01", nested), DataObject("02", "QRIBFTTA")]
        ),
        "53": "704",
        "58": "VN",
    } | {tag[1:]: value for tag, value in change.items()}
    return write_payload(DataObject(tag, value) for tag, value in root.items() if value)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"_58": ""}, "country"),
        ({"_01": ""}, "method"),
        ({"_01": "13"}, "method"),
        ({"_01": "12"}, "no-amount"),
        ({"_54": "180000.00"}, "amount-form"),
        ({"_54": "0180000"}, "amount-form"),
        ({"_54": "500000000"}, "amount-limit"),
        ({"_59": "x" * 26}, "too-long"),
        ({"_64": "0002VI"}, "unknown-tag"),
        ({"_62": "0303abc"}, "unknown-tag"),
        ({"_62": "0103abc", "_52": "4111"}, "order"),
        ({"_38": "0010A0000007270115000699999901011"}, "unknown-bank"),
        ({"_38": "0010A00000072701150006970403010110208QRIBFTTA0301x"}, "unknown-tag"),
        ({"_38": "0010A00000072701200006970403010110201x0208QRIBFTTA"}, "unknown-tag"),
        ({"_38": "0010A00000072701150006970403010110208QRIBFTTC"}, "card-number"),
        ({"_62": "0826" + "p" * 26}, "too-long"),
        ({"_38": "0010A0000007270115000697040301011"}, "service"),
        ({"_38": "0010A00000072701150006970403010110208QRPUSHXX"}, "service"),
    ],
)
def test_read_lets_pass_with_a_warning(change: dict[str, str], code: str) -> None:
    assert code in {warned.code for warned in read(payload(**change)).warnings}


def test_lengths_in_bytes_are_read_at_every_depth() -> None:
    def counted(tag: str, value: str) -> str:
        return f"{tag}{len(value.encode()):02d}{value}"

    body = "".join(
        (
            payload()[:-8],
            counted("59", "Nguyễn Văn A"),
            counted("62", counted("01", "7") + counted("08", "Nạp thẻ Đống Đa")),
            "6304",
        )
    )
    found = read(body + crc16(body))
    assert (found.qr.name, found.qr.bill, found.qr.purpose) == ("Nguyễn Văn A", "7", "Nạp thẻ Đống Đa")
    assert [warned.code for warned in found.warnings] == ["lengths-in-bytes"]


@pytest.mark.parametrize(
    "change",
    [
        {"_38": ""},
        {"_38": "0010A0000007270118000697040300069704030101"},  # the bank number twice
        {"_38": "0010A000000999"},
        {"_38": "0010A000000727"},
        {"_38": "0010A0000007270110000697040302"},
        {"_38": "0010A00000072701170006970403010312-"},
        {"_53": ""},
        {"_53": "840"},
        {"_54": "0"},
        {"_54": "12,5"},
        {"_54": "180000.50"},
        {"_54": "-5"},
        {"_62": "0199abc"},
    ],
)
def test_read_refuses(change: dict[str, str]) -> None:
    with pytest.raises(MalformedQrError):
        read(payload(**change))


def test_another_country_s_qr_is_named_as_such() -> None:
    with pytest.raises(NotVietQrError, match="NAPAS"):
        read(payload(_38="", _26="0011hk.com.hkic"))


texts = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=16)


@given(
    st.builds(
        VietQr,
        bin=st.sampled_from(sorted(banks())),
        account=st.text("0123456789ABCdef", min_size=1, max_size=19),
        single_use=st.booleans(),
        amount=st.none() | st.integers(1, 499_999_999).map(lambda minor: Money(minor, VND)),
        category=st.just("") | st.text("0123456789", min_size=4, max_size=4),
        name=texts,
        city=st.text("abcXYZ", max_size=15),
        bill=texts,
        reference=texts,
        terminal=texts,
        purpose=texts,
    )
)
def test_round_trip(qr: VietQr) -> None:
    found = read(write(qr))
    assert found.qr == qr
    assert {warned.code for warned in found.warnings} <= {"no-amount"}


@given(st.data())
def test_fuzzed_samples_are_read_or_refused(data: st.DataObject) -> None:
    sample: str = data.draw(st.sampled_from([str(param.values[0]) for param in OFFICIAL]))
    at = data.draw(st.integers(0, len(sample)))
    cut = data.draw(st.integers(0, 6))
    body = (sample[:at] + data.draw(st.text(max_size=6)) + sample[at + cut :])[:-8] + "6304"
    with contextlib.suppress(MalformedQrError):
        read(body + crc16(body))  # a right checksum, so that the structure alone must hold


def test_bank_list_is_dated_and_whole() -> None:
    assert len(banks()) == 56  # SBV letter 1589/NHNN-TT: 56 rows
    assert all(len(number) == 6 and number.isdigit() and bank.source for number, bank in banks().items())
    assert find_bank("970436") is banks()["970436"]
    assert find_bank("123456") is None


def test_banks_are_found_by_folded_name() -> None:
    assert [bank.bin for bank in list_banks_named("ngoại thương")] == ["970436"]
    assert [bank.bin for bank in list_banks_named("VIETINBANK")] == ["970415"]
    assert list_banks_named(" - ") == ()

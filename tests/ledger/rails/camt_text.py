"""camt.053 documents for the tests, piece by piece."""

HEAD = '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{v}"><BkToCstmrStmt>{body}</BkToCstmrStmt></Document>'


def balance(code: str, amount: str, mark: str = "CRDT", unit: str = "VND", day: str = "2026-11-18") -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="{unit}">{amount}</Amt>'
        f"<CdtDbtInd>{mark}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def entry(amount: str, mark: str = "CRDT", more: str = "", unit: str = "VND", status: str = "BOOK") -> str:
    return (
        f'<Ntry><Amt Ccy="{unit}">{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd><Sts>{status}</Sts>'
        f"<BookgDt><Dt>2026-11-18</Dt></BookgDt>{more}</Ntry>"
    )


def document(
    *parts: str, version: str = "02", account: str = "<Acct><Id><IBAN>NL26VAYB8060476890</IBAN></Id></Acct>"
):
    return HEAD.format(v=version, body=f"<Stmt><Id>S1</Id>{account}{''.join(parts)}</Stmt>").encode()

"""The ledger that a user would write first: ORM rows, stored balances on both sides, one commit a tap."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Engine, ForeignKey, Identity, Text, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from ledger.rules.entry import Entry


class _Base(DeclarativeBase):
    pass


class NaiveAccount(_Base):
    """An account and its balance; `floor` None for no floor."""

    __tablename__ = "bench_naive_account"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    balance: Mapped[int] = mapped_column(BigInteger)
    floor: Mapped[int | None] = mapped_column(BigInteger)


class NaiveEntry(_Base):
    """A booked entry."""

    __tablename__ = "bench_naive_entry"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    cause: Mapped[str] = mapped_column(Text)
    effective_at: Mapped[datetime]
    postings: Mapped[list[NaivePosting]] = relationship(back_populates="entry")


class NaivePosting(_Base):
    """One side of an entry."""

    __tablename__ = "bench_naive_posting"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("bench_naive_entry.id"), index=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("bench_naive_account.id"), index=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    entry: Mapped[NaiveEntry] = relationship(back_populates="postings")


def build(engine: Engine, riders: list[UUID], payees: list[UUID], loaded: int) -> None:
    """Make the tables and the accounts, each rider with money."""
    _Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all(NaiveAccount(id=one, balance=loaded, floor=0) for one in riders)
        session.add_all(NaiveAccount(id=one, balance=0, floor=None) for one in payees)


def post(session: Session, entry: Entry) -> bool:
    """Book an entry of one line unless its id is there; False when the payer lacks the money."""
    (line,) = entry.lines
    if session.get(NaiveEntry, entry.entry_id) is not None:
        return True
    locked = session.scalars(
        select(NaiveAccount)
        .where(NaiveAccount.id.in_([line.debit, line.credit]))
        .order_by(NaiveAccount.id)
        .with_for_update()
    )
    accounts = {account.id: account for account in locked}
    payer, payee = accounts[line.debit], accounts[line.credit]
    amount = line.amount.minor
    if payer.floor is not None and payer.balance - amount < payer.floor:
        return False
    payer.balance -= amount
    payee.balance += amount
    session.add(
        NaiveEntry(
            id=entry.entry_id,
            kind=entry.kind,
            cause=entry.cause,
            effective_at=entry.effective_at.replace(tzinfo=None),
            postings=[
                NaivePosting(account_id=line.debit, amount=-amount),
                NaivePosting(account_id=line.credit, amount=amount),
            ],
        )
    )
    return True

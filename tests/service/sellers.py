"""What tests of selling share: issued cards with money, signed-in riders, agents, a published tariff."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

from access import issue
from access.issue import IssuedCard
from fare import publish
from kernel.ids import EntryId, OperatorId
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
from ledger import accounts
from ledger.post import post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from service import riders, staff
from service.audit import Actor, ActorKind
from service.staff import Grant, Role

HANOI = Path(__file__).parents[2] / "fare" / "tariffs" / "hanoi"
TEST = Actor(ActorKind.COMMAND, "test")


def problem(answer) -> tuple[int, str]:
    """Return the status and the kind of a refusal."""
    return answer.status_code, answer.json["type"].removeprefix("/problems/")


@dataclass
class Shop:
    """The running service's insides, with short ways to make riders and money."""

    running: object
    client: object
    count: int = 0

    @property
    def now(self):
        return self.running.clock.now()

    def publish(self) -> None:
        with self.running.database.begin() as tx:
            publish.publish(
                tx,
                HANOI,
                prepared_by="lan",
                approved_by="minh",
                key=self.running.keyring.bundle_key,
                now=self.now,
            )

    def card(self, money: int = 0, concession: Concession = Concession.NORMAL) -> IssuedCard:
        self.count += 1
        with self.running.database.begin() as tx:
            made = issue.issue_card(
                tx,
                keyring=self.running.keyring,
                uid=b"\x04shop" + self.count.to_bytes(2, "big"),
                concession=concession,
                expiry=date(2030, 1, 1),
                now=self.now,
            )
        if money:
            self.load(made, money)
        return made

    def load(self, card: IssuedCard, money: int) -> None:
        specs = (chart.provider_clearing("test"), chart.rider_stored_value(card.fare_account_id))
        with self.running.database.begin() as tx:
            accounts.open_accounts(tx, specs, self.now)
            line = Line(specs[0].account_id, specs[1].account_id, Money(money, VND))
            entry = Entry(EntryId(uuid4()), "topup", (line,), card.fare_account_id, self.now.date(), self.now)
            post(tx, (entry,), self.now)

    def owe(self, card: IssuedCard, money: int) -> None:
        specs = (chart.rider_receivable(card.fare_account_id), chart.operator_payable("transerco"))
        with self.running.database.begin() as tx:
            accounts.open_accounts(tx, (*specs, chart.rider_stored_value(card.fare_account_id)), self.now)
            line = Line(specs[0].account_id, specs[1].account_id, Money(money, VND))
            entry = Entry(EntryId(uuid4()), "fare", (line,), card.fare_account_id, self.now.date(), self.now)
            post(tx, (entry,), self.now)

    def rider(self, card: IssuedCard) -> dict[str, str]:
        with self.running.database.begin() as tx:
            account = card.fare_account_id
            code = riders.make_code(tx, account, keyring=self.running.keyring, by=TEST, now=self.now)
            token = riders.sign_in(tx, account, code, keyring=self.running.keyring, now=self.now)
        return {"Authorization": f"Bearer {token}"}

    def staff(self, role: Role, operator: str = "", name: str = "") -> dict[str, str]:
        with self.running.database.begin() as tx:
            _, token = staff.add_credential(
                tx,
                name=name or role.value,
                grant=Grant(role, OperatorId(operator)),
                valid=timedelta(days=365),
                by=TEST,
                now=self.now,
            )
        return {"Authorization": f"Bearer {token}"}

    def balance(self, spec) -> int:
        with self.running.database.begin() as tx:
            accounts.open_accounts(tx, (spec,), self.now)
            return accounts.read_balances(tx, (spec.account_id,), self.now)[spec.account_id].posted.minor

    def purse(self, card: IssuedCard) -> int:
        return self.balance(chart.rider_stored_value(card.fare_account_id))

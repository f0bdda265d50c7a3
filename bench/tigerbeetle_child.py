"""TigerBeetle's Python client, run by its own Python: `run N` makes N transfers in batches of 1,000."""

import os
import random
import sys

import tigerbeetle as tb

RIDERS = 10_000
OPERATORS = 12
BATCH = 1_000
LEDGER = 704


def serve() -> None:
    """Open and load the accounts (riders may not go below zero), then answer each `run N` with N."""
    chance = random.Random(20261118)
    with tb.ClientSync(cluster_id=0, replica_addresses=os.environ["TIGERBEETLE_ADDRESS"]) as client:
        guarded = tb.AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS
        bank = tb.Account(id=1, ledger=LEDGER, code=1)
        operators = [tb.Account(id=2 + n, ledger=LEDGER, code=2) for n in range(OPERATORS)]
        riders = [tb.Account(id=1_000 + n, ledger=LEDGER, code=3, flags=guarded) for n in range(RIDERS)]
        accounts = [bank, *operators, *riders]
        for start in range(0, len(accounts), BATCH):
            _all(client.create_accounts(accounts[start : start + BATCH]), tb.CreateAccountStatus.CREATED)
        for start in range(0, RIDERS, BATCH):
            _post(client, [(bank.id, rider.id, 100_000_000) for rider in riders[start : start + BATCH]])
        print("ready", flush=True)
        for line in sys.stdin:
            number = int(line.split()[1])
            for _ in range(0, number, BATCH):
                _post(
                    client,
                    [(chance.choice(riders).id, chance.choice(operators).id, 8_595) for _ in range(BATCH)],
                )
            print(number, flush=True)


def _post(client: tb.ClientSync, moves: list[tuple[int, int, int]]) -> None:
    transfers = [
        tb.Transfer(
            id=tb.id(), debit_account_id=debit, credit_account_id=credit, amount=amount, ledger=LEDGER, code=1
        )
        for debit, credit, amount in moves
    ]
    _all(client.create_transfers(transfers), tb.CreateTransferStatus.CREATED)


def _all(results: list[object], created: object) -> None:
    assert all(one.status == created for one in results), results[:3]


if __name__ == "__main__":
    serve()

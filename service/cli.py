"""The command `lienthong`. Groups live in service/commands; each is loaded when it is called, so help is quick."""

import importlib
import os
import sys
from typing import Final

import click

from kernel.errors import DomainError

# name: (module, one line of help). The module has a click command or group of the same name, dashes as underscores.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "serve": ("service.commands.serve", "Run the service under gunicorn."),
    "migrate": ("service.commands.migrate", "Bring the database to the newest schema."),
    "partition": ("service.commands.partition", "Make the database's day partitions ahead of time."),
    "user": ("service.commands.user", "Add and list staff users."),
    "credential": ("service.commands.user", "Add API credentials for machines."),
    "keys": ("service.commands.keys", "Make the keyring and the keys that protect it."),
    "env": ("service.commands.env", "Print every setting with its meaning and default."),
    "tariff": ("service.commands.tariff", "Check, compare and publish tariffs."),
    "fare": ("service.commands.fare", "Price taps from data files; explain and bill again what is stored."),
    "rebill": ("service.commands.rebill", "Price history again: an announced run of two people."),
    "evidence": ("service.commands.evidence", "Account for every tap: conservation, late taps, exceptions."),
    "tides": ("service.commands.tides", "Export rides as TIDES 1.0, public or sealed."),
    "device": ("service.commands.device", "Enrol, list and suspend validators and gates."),
    "case": ("service.commands.case", "Review what looks like fraud or a broken device."),
    "card": ("service.commands.card", "Issue, block and look up cards."),
    "passes": ("service.commands.passes", "Sell passes, list them, give them back."),
    "legacy": ("service.commands.legacy", "Take an outgoing scheme's cards on."),
    "risk": ("service.commands.risk", "Show and bound what riders owe; deny stolen batches."),
    "topup": ("service.commands.topup", "Ask for a top-up and see what became of it."),
    "notices": ("service.commands.notices", "Tell riders what they should know."),
    "goodwill": ("service.commands.goodwill", "Give riders money back in bulk, by two people."),
    "rider": (
        "service.commands.rider",
        "Serve a card's holder: notices, rides to mend, concessions, family.",
    ),
    "dispute": ("service.commands.dispute", "Raise and answer disputes, see what is overdue."),
    "ledger": ("service.commands.ledger", "Prove and export the books."),
    "settle": ("service.commands.settle", "Settle a day per operator."),
    "payout": ("service.commands.payout", "Pay a settled day out, by two people."),
    "subsidy": ("service.commands.subsidy", "Ask funders for what they owe operators, by two people."),
    "operator": ("service.commands.operator", "Operators' terms: accounts, fees and shares, by two people."),
    "invoice": ("service.commands.invoice", "Issue e-invoices, send them, take the answers in."),
    "suspense": ("service.commands.suspense", "End what waits in suspense, by two people."),
    "mandate": ("service.commands.mandate", "Top up by itself: riders' mandates, their charges."),
    "till": ("service.commands.till", "Cash top-ups at tills: shifts, remittance, counts, deposits."),
    "payback": ("service.commands.payback", "Pay riders back, by two people and one payment file."),
    "reconcile": ("service.commands.reconcile", "Reconcile books, provider and bank."),
    "parking": ("service.commands.parking", "Check rates and quote stays."),
    "receipt": ("service.commands.receipt", "Check a signed receipt, without a database."),
    "qr": ("service.commands.qr", "Write and read VietQR codes."),
    "bank": ("service.commands.bank", "Read bank files and write payment files, without a database."),
    "webhook": ("service.commands.webhook", "Verify payment notifications from files."),
}
# Other programs of the distribution. They are run and not imported: readers and the service never meet (DESIGN §1).
PROGRAMS: Final[dict[str, tuple[str, str]]] = {
    "reader": ("readers", "Run or enrol a validator or gate (python -m readers …)."),
    "demo": ("demo", "Play one Hanoi day, end to end (python -m demo …)."),
}


class Lienthong(click.Group):
    """Lists all commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Return the names in the order of a working day."""
        return [*COMMANDS, *PROGRAMS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one command."""
        if cmd_name in PROGRAMS:
            return _program(cmd_name, *PROGRAMS[cmd_name])
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command), f"{cmd_name} is a click command"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list from the table, without importing."""
        rows = [(name, line) for name, (_, line) in (*COMMANDS.items(), *PROGRAMS.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a refusal becomes one line and exit code 1."""
        try:
            return super().invoke(ctx)
        except DomainError as error:
            raise click.ClickException(str(error)) from error


def _program(name: str, module: str, line: str) -> click.Command:
    @click.command(
        name,
        short_help=line,
        help=line,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def run(arguments: tuple[str, ...]) -> None:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606  (that is the point)

    return run


@click.group(
    cls=Lienthong, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="lienthong")
def main() -> None:
    """Liên Thông: the back office of one card for buses, metro and car parks.

    Settings come from the environment (LIENTHONG_…); `lienthong env` lists them.

    \b
    A first look, with private servers in ./.lienthong:
      lienthong demo                      play one day
      lienthong serve --private .lienthong/demo    look at it
    """  # noqa: D301  (click reads \b)

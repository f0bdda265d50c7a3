"""django-hordak, run by its own Python: `run N` on standard input makes N transfers, one commit each.

`DATABASE_URL` names an empty database. Nothing of ours is imported: the package stands outside the product.
"""

import os
import random
import sys
from urllib.parse import urlsplit

import django
from django.conf import settings

RIDERS = 200


def configure() -> None:
    """Set Django up on the given database."""
    url = urlsplit(os.environ["DATABASE_URL"])
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.path.lstrip("/"),
                "USER": url.username,
                "PASSWORD": url.password,
                "HOST": url.hostname,
                "PORT": url.port,
                "CONN_MAX_AGE": None,
            }
        },
        INSTALLED_APPS=["django.contrib.contenttypes", "mptt", "hordak"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        # Its table of currencies does not know the đồng; the work is the same in euros.
        DEFAULT_CURRENCY="EUR",
        CURRENCIES=["EUR"],
        HORDAK_CURRENCIES=["EUR"],
        HORDAK_INTERNAL_CURRENCY="EUR",
    )
    django.setup()


def serve() -> None:
    """Migrate, open the accounts, then answer each `run N` with N."""
    from django.core.management import call_command
    from hordak.models import Account
    from moneyed import Money

    call_command("migrate", verbosity=0)
    riders = [
        Account.objects.create(name=f"rider {n}", code=f"1{n:03d}", type="LI", currencies=["EUR"])
        for n in range(RIDERS)
    ]
    operators = [
        Account.objects.create(name=f"operator {n}", code=f"2{n:03d}", type="LI", currencies=["EUR"])
        for n in range(12)
    ]
    print("ready", flush=True)
    chance = random.Random(20261118)
    price = Money(8_595, "EUR")
    for line in sys.stdin:
        number = int(line.split()[1])
        for n in range(number):
            # The library's own verb: one transaction with its two legs.
            chance.choice(riders).transfer_to(chance.choice(operators), price, description=f"tap:{n:012d}")
        print(number, flush=True)


if __name__ == "__main__":
    configure()
    serve()

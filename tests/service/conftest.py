"""Who signs at the shop of a test: each module has its own `shop`."""

import pytest

from service.staff import Role


@pytest.fixture
def maker(shop):
    return shop.staff(Role.FINANCE_MAKER)


@pytest.fixture
def checker(shop):
    return shop.staff(Role.FINANCE_CHECKER)

"""The API's blueprints, one a file. A new file is added to this list; nothing is discovered."""

from typing import Final

from apiflask import APIBlueprint

from service.api.accounts import blueprint as accounts
from service.api.apds_changes import blueprint as apds_changes
from service.api.apds_places import blueprint as apds_places
from service.api.apds_rights import blueprint as apds_rights
from service.api.apds_sessions import blueprint as apds_sessions
from service.api.apds_webhooks import blueprint as apds_webhooks
from service.api.bundles import blueprint as bundles
from service.api.cards import blueprint as cards
from service.api.cases import blueprint as cases
from service.api.corrections import blueprint as corrections
from service.api.decisions import blueprint as decisions
from service.api.device_life import blueprint as device_life
from service.api.device_words import blueprint as device_words
from service.api.devices import blueprint as devices
from service.api.disputes import blueprint as disputes
from service.api.enforcement import blueprint as enforcement
from service.api.entitlements import blueprint as entitlements
from service.api.evidence import blueprint as evidence
from service.api.exceptions import blueprint as exceptions
from service.api.explanations import blueprint as explanations
from service.api.fares import blueprint as fares
from service.api.goodwill import blueprint as goodwill
from service.api.health import blueprint as health
from service.api.inspections import blueprint as inspections
from service.api.invoices import blueprint as invoices
from service.api.ledger import blueprint as ledger
from service.api.mandates import blueprint as mandates
from service.api.media import blueprint as media
from service.api.notifications import blueprint as notifications
from service.api.operators import blueprint as operators
from service.api.parking import blueprint as parking
from service.api.parking_changes import blueprint as parking_changes
from service.api.parking_exports import blueprint as parking_exports
from service.api.parking_meters import blueprint as parking_meters
from service.api.parking_payments import blueprint as parking_payments
from service.api.parking_places import blueprint as parking_places
from service.api.parking_rights import blueprint as parking_rights
from service.api.parking_shifts import blueprint as parking_shifts
from service.api.parking_tickets import blueprint as parking_tickets
from service.api.pass_refunds import blueprint as pass_refunds
from service.api.passes import blueprint as passes
from service.api.pay_backs import blueprint as pay_backs
from service.api.payouts import blueprint as payouts
from service.api.plates import blueprint as plates
from service.api.problems import blueprint as problems
from service.api.rate_proposals import blueprint as rate_proposals
from service.api.receipts import blueprint as receipts
from service.api.reconciliation import blueprint as reconciliation
from service.api.reruns import blueprint as reruns
from service.api.rider_parking import blueprint as rider_parking
from service.api.riders import blueprint as riders
from service.api.risk import blueprint as risk
from service.api.settlements import blueprint as settlements
from service.api.subsidies import blueprint as subsidies
from service.api.taps import blueprint as taps
from service.api.tills import blueprint as tills
from service.api.topups import blueprint as topups
from service.api.vouchers import blueprint as vouchers

BLUEPRINTS: Final[tuple[APIBlueprint, ...]] = (
    health,
    problems,
    ledger,
    settlements,
    invoices,
    operators,
    payouts,
    subsidies,
    pay_backs,
    tills,
    reconciliation,
    parking,
    enforcement,
    parking_places,
    parking_changes,
    plates,
    parking_rights,
    parking_payments,
    rider_parking,
    parking_shifts,
    parking_tickets,
    parking_meters,
    parking_exports,
    apds_changes,
    apds_places,
    apds_rights,
    apds_sessions,
    apds_webhooks,
    rate_proposals,
    receipts,
    topups,
    notifications,
    fares,
    taps,
    devices,
    cases,
    device_words,
    device_life,
    decisions,
    vouchers,
    bundles,
    evidence,
    cards,
    accounts,
    entitlements,
    inspections,
    mandates,
    media,
    risk,
    riders,
    exceptions,
    explanations,
    reruns,
    passes,
    pass_refunds,
    corrections,
    disputes,
    goodwill,
)

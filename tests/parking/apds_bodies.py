"""What an APDS client sends in these tests."""

from datetime import timedelta
from uuid import uuid4

BASE = "/v1/apds"
CASUAL = "casual:dong-da:car_le9:casual"


def plate(text="30A-123.45"):
    return {
        "identifier": {"className": "LicensePlate", "id": text},
        "issuer": [{"language": "vi", "string": "Cục CSGT"}],
        "type": "licensePlate",
    }


def session(now, minutes=90, **changes):
    body = {
        "id": str(uuid4()),
        "version": 1,
        "actualStart": (now - timedelta(minutes=minutes)).isoformat(),
        "initiator": {"id": "dongda-parking", "version": 1},
        "identifiedCredentials": [plate()],
        "segments": [
            {
                "id": "1",
                "version": 1,
                "actualStart": (now - timedelta(minutes=minutes)).isoformat(),
                "assignedRight": {
                    "id": "1",
                    "version": 1,
                    "rightHolder": {},
                    "rightSpecification": {"id": CASUAL, "version": 1},
                },
                "validationType": ["licensePlate"],
            }
        ],
        "hierachyElement": {"id": "dong-da-01", "version": 1},
    }
    return {**body, **changes}


def observation(now, **changes):
    body = {
        "id": str(uuid4()),
        "version": 1,
        "method": "anpr",
        "type": "licensePlate",
        "observedCredentialId": "30A-123.45",
        "observationStartTime": now.isoformat(),
        "creationDateTime": now.isoformat(),
        "location": {"observerLocation": {"type": "Point", "coordinates": [105.82, 21.01]}},
        "elementIds": {"id": "dong-da-01", "version": 1},
        "observerOrganisation": {"id": "dongda-parking", "version": 1},
    }
    return {**body, **changes}


def quote_request(now, hours=5, **changes):
    body = {
        "id": str(uuid4()),
        "version": 1,
        "periodStart": now.isoformat(),
        "periodEnd": (now + timedelta(hours=hours)).isoformat(),
        "requestTime": now.isoformat(),
        "referencedRightSpecifications": [
            {
                "elementId": {"id": "dong-da-01", "version": 1},
                "rightSpecificationId": {"id": CASUAL, "version": 1},
            }
        ],
    }
    return {**body, **changes}


def began(apds, now, **changes):
    made = apds("POST", "/sessions", session(now, **changes))
    assert made.status_code == 201, made.text
    return made.json["reference"]["id"]


def problem(response):
    return response.status_code, response.json["type"].rpartition("/")[2]


def right(now, account, **changes):
    body = {
        "id": str(uuid4()),
        "version": 1,
        "rightHolder": {
            "credentials": [
                {
                    "identifier": {"className": "Account", "id": str(account)},
                    "issuer": [{"language": "vi", "string": "Liên Thông"}],
                }
            ]
        },
        "rightSpecification": {"id": "hoan-kiem-12-month", "version": 1},
        "plannedUses": [{"startTime": now.isoformat(), "endTime": (now + timedelta(days=30)).isoformat()}],
        "place": {"id": "hoan-kiem-01", "version": 1},
    }
    return {**body, **changes}

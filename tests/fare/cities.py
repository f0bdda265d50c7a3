"""The tariffs of the tests: by the name of their directory, and a town made up file by file."""

from functools import cache
from pathlib import Path

from fare.gtfs.load import check_files, load_tariff
from fare.rules.tariff import TariffBook

HERE = Path(__file__).parent / "tariffs"
HANOI = Path(__file__).parents[2] / "fare" / "tariffs" / "hanoi"


@cache
def book_of(name: str) -> TariffBook:
    return load_tariff(HANOI if name == "hanoi" else HERE / name)


BASE = {
    "tariff": "tariff_version,zone,day_starts,currency\nt,UTC,03:00:00,EUR",
    "agency": "agency_id,agency_name,agency_timezone\na,A,UTC\nb,B,UTC",
    "routes": "route_id,agency_id,route_type\na1,a,3\nb1,b,3\nr1,a,1",
    "networks": "network_id\nA\nB\nR",
    "route_networks": "network_id,route_id\nA,a1\nB,b1\nR,r1",
    "stops": "stop_id\nx\ny\nz",
    "areas": "area_id\nX\nY\nZ",
    "stop_areas": "area_id,stop_id\nX,x\nY,y\nZ,z",
    "ride_rules": "network_id,settled_by,limit_min,passback_s,companions\nA,boarding,120,60,3\nB,boarding,120,,\nR,ride,120,,",
    "fare_products": "fare_product_id,amount,currency\na,2.00,EUR\nb,3.00,EUR\nr,5.00,EUR\nplus,1.00,EUR\nless,-0.50,EUR",
    "fare_leg_rules": "leg_group_id,network_id,fare_product_id\nA,A,a\nB,B,b\nR,R,r",
}


def town(**changed: str):
    files = {f"{name}.txt": text.encode() for name, text in {**BASE, **changed}.items()}
    checked = check_files(files)
    assert checked.book is not None, [str(one) for one in checked.notices]
    return checked.book


def ride(at: str, route: str, stop: str = "", purpose: str = "on") -> str:
    return f"2026-11-18T{at}+00:00,{purpose},{route},{stop}"

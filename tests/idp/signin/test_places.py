from ipaddress import ip_network
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import insert, text

from idp.signin import places
from idp.signin.places import PlaceRange
from idp.signin.places_commands import places as command
from runtime.database import transaction

ROWS = [
    ["203.0.113.0/24", "山东省东营市", "Dongying, Shandong"],
    ["203.0.0.0/8", "中国", "China"],
    ["2001:db8:77::/48", "山东省淄博市", "Zibo, Shandong"],
]


@pytest.fixture(autouse=True)
def known(context: None) -> None:
    with transaction() as session:
        taken, faults = places.replace_all(session, enumerate(ROWS, start=1))
    assert (taken, faults) == (3, [])


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.9", "山东省东营市"),
        ("::ffff:203.0.113.9", "山东省东营市"),
        ("203.9.9.9", "中国"),
        ("2001:db8:77::1", "山东省淄博市"),
        ("9.9.9.9", "未知地区"),
        ("127.0.0.1", "本机"),
        ("::1", "本机"),
        ("192.168.3.4", "内部网络"),
        ("fe80::1%eth0", "内部网络"),
        ("fd00::5", "内部网络"),
        ("100.64.3.4", "运营商内部网络"),
        ("", "未知地区"),
        ("nonsense", "未知地区"),
    ],
)
def test_an_address_is_in_the_narrowest_range_that_holds_it(address: str, place: str) -> None:
    with transaction() as session:
        assert places.find_place(session, address).zh == place


@pytest.mark.parametrize(
    ("address", "kept"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2:3::4", "2001:db8:1::/48"), ("::ffff:192.0.2.77", "192.0.2.0/24"), ("?", "")],
)
def test_of_an_address_only_its_network_is_kept(address: str, kept: str) -> None:
    assert places.network_of(address) == kept


def test_a_place_is_found_by_an_index_among_very_many() -> None:
    with transaction() as session:
        many = [{"network": ip_network(f"{20 + n // 65536}.{n // 256 % 256}.{n % 256}.0/24"), "zh": "某地", "en": "Somewhere"} for n in range(20_000)]
        session.execute(insert(PlaceRange), many)
        session.execute(text("ANALYZE place_ranges"))
        plan = "\n".join(session.scalars(text("EXPLAIN SELECT zh FROM place_ranges WHERE network >>= '20.1.2.3'::inet")).all())
        assert "ix_place_ranges_network" in plan
        assert places.find_place(session, "20.1.2.3").zh == "某地"


def test_the_command_takes_a_file_in_place_of_what_was_known_and_names_its_faults(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text(
        "range,中文,English\n198.51.100.0/24,济南市,Jinan\n198.51.100.1/24,错,Wrong\nnonsense,错,Wrong\n198.51.0.0/16,,\n198.51.1.0/24,只有中文\n"
        "10.0.0.0,10.255.255.255,内网\n"
    )
    done = app.test_cli_runner().invoke(command, ["import", str(file)])
    assert done.exit_code == 1
    assert "1 taken, 5 left out" in done.output
    assert "places.csv:3:" in done.output
    with transaction() as session:
        assert places.find_place(session, "198.51.100.7").en == "Jinan"
        assert places.find_place(session, "203.0.113.9") == places.UNKNOWN

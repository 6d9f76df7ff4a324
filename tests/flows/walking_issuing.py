"""The walk's last part: every other way in which a department issues, with all that must stay secret noted on the way.

Where a way needs a wallet or an officer's upload, the feature behind it is called in a transaction of the test's own.
"""

import csv
import json
import secrets
import tempfile
from pathlib import Path
from typing import Any

from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.ids import new_id
from tests.flows.walking import Walk
from tests.wallet.issuing.importing.test_import import COLUMNS, MAPPING, row_for
from tests.world_clients import bearer, new_system
from tests.world_people import Person, new_person
from tests.world_types import FIELDS, new_type
from tests.world_wallet import example_dates, example_fields, new_department
from wallet.issuing.importing import uploads
from wallet.issuing.oid4vci import elsewhere
from wallet.register.catalogue import get_type

TYPE = "driving-licence"
SCOPES = "licences:issue licences:read"


def walk_issuing(walk: Walk) -> None:
    """Issue by a batch, by a file and by two hands; make a document and an offer, and give a wallet elsewhere a credential."""
    with walk.kabao.world():
        checked, _ = new_type(checked_acts=["issue"])
        department = new_department(issue=[TYPE, checked])
    with walk.kabao.world() as session:
        system = new_system(session, department=department, scopes=SCOPES.split())
        people = [new_person(session, name=name) for name in ("河口飞雁", "孤岛槐香", "仙河晚潮")]
    for each in people:
        walk.note("number", each.number)
        walk.note("name", each.name)
    token = walk.ask_token(system, grant_type="client_credentials", scope=SCOPES)["access_token"]
    batched, uploaded, waiting = people
    licence = issue_by_batch(walk, token, batched)
    browser = walk.browser()
    assert browser.get(f"/api/v1/licences/{licence['id']}/document", headers=bearer(token)).status_code == 200
    offered = walk.post(f"licences/{licence['id']}/offers", token, {}, expect=201)
    walk.note("transaction code", offered["tx_code"] + " of an offer")
    walk.note("reference of an offer", offered["credential_offer_uri"].rpartition("/")[2])
    for grant in offered["credential_offer"]["grants"].values():
        walk.note("code of an offer", grant.get("pre-authorized_code") or grant["issuer_state"])
    keep_elsewhere(walk, batched, licence)
    upload(walk, uploaded, department=department)
    reason = {"type": checked, "holder": {"number": waiting.number}, "fields": FIELDS, "valid_from": "2024-02-01"}
    assert walk.post("licences", token, reason, expect=202)["state"] == "pending"


def issue_by_batch(walk: Walk, token: str, person: Person) -> dict[str, Any]:
    """Send a good line and a bad one, and return the licence of the good one."""
    address, number = walk.note("address", "河口区仙河镇飞雁滩四号"), f"{secrets.randbelow(10**12):012}"
    with walk.kabao.world():
        begins, ends = example_dates(get_type(TYPE))
        fields = example_fields(TYPE, address=address, file_number=number)
    line = {"type": TYPE, "holder": {"number": person.number}, "fields": fields, "valid_from": str(begins), "valid_until": str(ends)}
    bad = {**line, "fields": {**fields, "file_number": walk.note("bad field", "绝密批量档案号")}}
    body = b"\n".join(json.dumps(one).encode() for one in (line, bad))
    headers = {**bearer(token), "Content-Type": "application/x-ndjson", "Idempotency-Key": "walk"}
    answer = walk.browser().post("/api/v1/licences:batch", data=body, headers=headers)
    good, refused = (json.loads(each) for each in answer.text.splitlines())
    assert (good["status"], refused["status"]) == (201, 422), answer.text
    found: dict[str, Any] = good["licence"]
    return found


def keep_elsewhere(walk: Walk, person: Person, licence: dict[str, Any]) -> None:
    """Write down a credential as it is when a wallet received one."""
    with walk.kabao.world() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        whose = {"holder_id": subject.id, "person_id": subject.id, "licence_id": licence["id"], "client_id": "wallet"}
        what = {"format": "dc+sd-jwt", "key_thumbprint": secrets.token_urlsafe(32), "status_list": "walk", "status_index": 1}
        elsewhere.add(session, [{**whose, **what, "id": new_id(), "batch_id": new_id(), "issued_at": now()}])


def upload(walk: Walk, person: Person, *, department: str) -> None:
    """Upload a file of one good row and one bad one, at which the worker works."""
    file = Path(tempfile.mkdtemp()) / "walk.csv"
    bad = walk.note("bad cell", "不存在的日期甲")
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([COLUMNS, row_for(person), row_for(person, 初次领证日期=bad)])
    name = walk.note("name of a file", "飞雁滩名单.csv")
    with walk.kabao.world() as session, uploads.reading(file, mapping_text=MAPPING.read_text(encoding="utf-8")) as read:
        uploads.start(session, read, name=name, department=department, officer=new_id(), now=now())

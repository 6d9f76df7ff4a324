"""Whatever the holder chooses, what was not chosen is nowhere: not in the answer, the receipt, its document, the archive, the ledger, the history,
the events, an error or the log, be it at its most talkative.
"""

import io
import json
import logging
import secrets
import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from runtime.clock import now
from runtime.database import transaction
from runtime.events import Event
from runtime.ledger import LedgerEntry
from tests.wallet.issuing.documents.test_sealed import run
from tests.wallet.verifying.test_verifications_api import whole
from tests.world_clients import bearer
from tests.world_verifying import Counter
from wallet.holding.uses import uses_of
from wallet.issuing.life import revoke_licence
from wallet.register.licences import fields_of
from wallet.verifying.ledger_jobs import seal_now
from wallet.verifying.receipts import Receipt, digest_of

CHOICES = ("holder_name", "holder_number", "birth_date")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.sets(st.sampled_from(CHOICES)))
def test_what_was_not_chosen_is_nowhere(counter: Counter, caplog: pytest.LogCaptureFixture, chosen: set[str]) -> None:
    values = {"holder_name": counter.person.name, "holder_number": counter.person.number, "birth_date": fields_of(counter.licence)["birth_date"]}
    caplog.clear()
    answer = counter.verify(counter.code(*chosen) if chosen else counter.code("vehicle_class"))
    assert answer.json["verdict"] == "valid"
    with transaction() as session:
        receipt = session.get_one(Receipt, UUID(answer.json["receipt"]["id"]))
        entry = session.scalars(select(LedgerEntry).where(LedgerEntry.id == receipt.ledger_entry_id)).one()
        use = uses_of(session, holder_id=counter.holder_id, limit=1)[0]
        recorded = [json.dumps(receipt.claims, ensure_ascii=False), repr(vars(entry)), repr(vars(use)), caplog.text]
    for name, value in values.items():
        assert all(value not in one for one in recorded), name
        assert (value in json.dumps(answer.json, ensure_ascii=False)) == (name in chosen), name


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")
def test_what_was_not_chosen_is_in_no_paper_archive_event_or_error_nor_in_the_most_talkative_log(
    counter: Counter, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    hidden = {counter.person.name, counter.person.number, str(fields_of(counter.licence)["birth_date"])}
    code, headers = counter.code("vehicle_class"), bearer(counter.token)
    good = counter.verify(code)
    receipt = good.json["receipt"]
    spent = counter.verify(code)
    with transaction() as session:
        revoke_licence(session, counter.licence, department=counter.issuer, reason="违法", legal_basis="法", now=now())
    bad = counter.verify(whole(counter), binding="none")
    assert (good.json["verdict"], spent.status_code, bad.json["verdict"], bad.json["fields"]) == ("valid", 409, "invalid", {})
    seal_now()
    paper = counter.client.get(f"/api/v1/receipts/{receipt['id']}/document", headers=headers).data
    period = {"from": (now() - timedelta(hours=1)).isoformat(), "until": (now() + timedelta(hours=1)).isoformat()}
    counter.client.environ_base["REMOTE_ADDR"] = f"10.7.{secrets.randbelow(256)}.{secrets.randbelow(256)}"  # others asked for archives lately
    archive = counter.client.get("/api/v1/receipts:bundle", query_string=period, headers=headers, buffered=True).data
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        files = b"".join(file.read(name) for name in file.namelist()).decode(errors="replace")
    with transaction() as session:
        events = [repr(vars(one)) for one in session.scalars(select(Event).where(Event.object_id == str(counter.licence.id)))]
    assert events, "the revocation is told"
    told = [
        good.text,
        spent.text,
        bad.text,
        counter.client.get("/api/v1/receipts", headers=headers).text,
        counter.client.get(f"/api/v1/receipts/{receipt['id']}", headers=headers).text,
        counter.client.post("/api/v1/receipts/check", json={"receipt": receipt["jws"]}).text,
        counter.client.get(f"/receipts/{receipt['id']}/{digest_of(receipt['jws'])}", headers={"Accept": "text/html"}).text,
        run("pdftotext", paper, tmp_path, "-raw", "document.pdf", "-"),
        files,
        caplog.text,
        *events,
    ]
    for value in hidden:
        assert [at for at, one in enumerate(told) if value in one] == [], value

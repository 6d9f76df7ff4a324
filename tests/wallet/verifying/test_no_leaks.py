"""Whatever the holder chooses, what was not chosen is nowhere: not in the answer, the receipt, the ledger, the history or the log."""

import json
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.world_verifying import Counter
from wallet.holding.uses import uses_of
from wallet.register.licences import fields_of
from wallet.verifying.receipts import Receipt

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

"""Our trust list is one of ETSI TS 119 602 to an implementation that is not ours (@owf/eudi-lote, npm)."""

import pytest
from flask import Flask

from keys import certificates, issued_certificates, ring
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.interop.conftest import Program
from tests.world_verifying import TYPE
from tests.world_wallet import new_department
from wallet.issuing import trust_list
from wallet.register import catalogue, departments
from wallet.register.departments import Action

pytestmark = pytest.mark.interop


def test_another_implementation_finds_nothing_wrong_with_our_list(app: Flask, settings: Settings, context: None, node: Program) -> None:
    code, other = new_department(issue=(TYPE,)), new_department(issue=(TYPE,))
    with transaction() as session:
        trust_list.rebuild(session, settings, now=now())
    use = certificates.department_use(other)
    serial = ring.signer(use).certificates[0].serial_number
    with transaction() as session:
        issued_certificates.revoke(session, use=use, serial=serial, reason=issued_certificates.Reason.KEY_COMPROMISE, at=now(), now=now())
    with transaction() as session:
        departments.withdraw(session, department=code, type_code=catalogue.get_type(TYPE).code, action=Action.ISSUE, now=now())
    with transaction() as session:
        row = trust_list.rebuild(session, settings, now=now())
    assert row is not None
    assert node("lists", token=row.token) == {"valid": True, "errors": []}

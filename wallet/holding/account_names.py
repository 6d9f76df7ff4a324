"""What an account's history calls licences and departments: registered where the parts are joined, since signing in knows of neither."""

from sqlalchemy.orm import Session

from idp.signin import history
from runtime.languages import Text
from runtime.ledger import LedgerEntry
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.departments import DepartmentNotFound, get_department


def licence_of(_: Session, row: LedgerEntry) -> Text | None:
    """Return what kind of licence an act was about."""
    try:
        return get_type(str(row.detail.get("type"))).name
    except LicenceTypeNotFound:
        return None


def department_of(code: str) -> Text | None:
    """Return the name of a department."""
    try:
        return get_department(code).name
    except DepartmentNotFound:
        return None


history.namers |= dict.fromkeys(("licence", "act-request", "code", "credential", "document", "draw", "verification"), licence_of)
history.actor_namers["department"] = department_of

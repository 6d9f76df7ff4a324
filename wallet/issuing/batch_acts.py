"""Acts as the lines of a batch: the licences of a group are held at once, in one order, before anything is written.

So two batches over the same licences wait for each other and never in a ring. What an act wrote before it was refused is taken back alone.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from idp.subjects.directory import Subject, get_subjects
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing.batch_lines import Line
from wallet.issuing.life import act_on
from wallet.issuing.requests import ActRequest
from wallet.register.acts import TURNS
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.identifiers import MalformedIdentifier, parse_identifier
from wallet.register.licences import Licence, LicenceNotFound, hold_parts


class AnotherType(Refusal):
    """The licence is not of the type that the line names."""

    code, status, title = "licence-of-another-type", 422, Text("该证照不是所填的证照类型。", "The licence is of another type than the line says.")


@dataclass(frozen=True, slots=True)
class Held:
    """The licences that a group acts on, by how its lines name them; `holders` keeps at hand those for whom successors are written."""

    licences: dict[str, Licence] = field(default_factory=dict, repr=False)
    holders: dict[UUID, Subject] = field(default_factory=dict, repr=False)

    def get(self, line: Line) -> Licence:
        """Return the licence that a line acts on; raises LicenceNotFound, AnotherType."""
        licence = self.licences.get(line.licence or "")
        if licence is None:
            raise LicenceNotFound("not the department's", field="licence")
        if line.type is not None and _code_of(line.type) != licence.type_code:
            raise AnotherType(field="licence")
        return licence


def hold(session: Session, lines: Sequence[Line], *, department: str) -> Held:
    """Hold what lines act on, as far as it is the department's or comes to it, until the transaction ends."""
    acting = [line for line in lines if isinstance(line.request, ActRequest) and line.licence]
    if not acting:
        return Held()
    ids, identifiers = _read(line.licence for line in acting if line.licence)
    rows = select(Licence).where(or_(Licence.id.in_(ids.values()), Licence.identifier.in_(identifiers.values())))
    mine = rows.where(or_(Licence.issuer_code == department, Licence.transferred_to == department)).order_by(Licence.id).with_for_update()
    found = session.scalars(mine, execution_options={"populate_existing": True}).all()
    hold_parts(session, found)
    by_id, by_identifier = {one.id: one for one in found}, {one.identifier: one for one in found}
    named = {name: by_id[one] for name, one in ids.items() if one in by_id}
    named |= {name: by_identifier[one] for name, one in identifiers.items() if one in by_identifier}
    succeeded = {line.licence for line in acting if isinstance(line.request, ActRequest) and TURNS[line.request.act].succeeds}
    return Held(named, get_subjects(session, {one.holder_id for name, one in named.items() if name in succeeded}))


def act(session: Session, settings: Settings, licence: Licence, request: ActRequest, *, department: str, now: datetime) -> Licence:
    """Do an act within a savepoint, and return the licence that came of it; after a Refusal everything is as it was before."""
    try:
        with session.begin_nested():
            return act_on(session, settings, licence, request, department=department, now=now)
    except LicenceNotFound as error:  # such as one that is not to be taken over: nothing was written
        raise LicenceNotFound(error.reason, field="licence") from error
    except Refusal:
        _read_again(session, licence.holder_id)
        raise


def _read_again(session: Session, holder_id: UUID) -> None:
    """Let what is known of a holder's licences be what the database has: a savepoint takes back rows, not what was read of them."""
    for one in list(session.identity_map.values()):
        if isinstance(one, Licence) and one.holder_id == holder_id:
            session.refresh(one)


def _read(names: Iterable[str]) -> tuple[dict[str, UUID], dict[str, str]]:
    """Return names that are ids and names that are identifiers, each as the register writes it; what is neither is left out."""
    ids, identifiers = dict[str, UUID](), dict[str, str]()
    for name in names:
        try:
            ids[name] = UUID(name)
        except ValueError:
            with suppress(MalformedIdentifier):
                identifiers[name] = str(parse_identifier(name))
    return ids, identifiers


def _code_of(type_name: str) -> str | None:
    try:
        return get_type(type_name).code
    except LicenceTypeNotFound:
        return None

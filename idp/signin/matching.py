"""Whether someone is who they say: number and name, compared with the population registry.

What else the registry knows (that the number has changed, that the person has died) is said only to who gave both.
"""

from sqlalchemy.orm import Session

from idp.signin.accounts import NotInRegistry
from idp.subjects import directory, registries
from idp.subjects.history import Told
from idp.subjects.numbers import Number
from idp.subjects.records import ACTIVE, NO_MATCH, Record
from runtime.clock import now
from runtime.languages import Text
from runtime.problems import Refusal


class NumberChanged(Refusal):
    """The person has another number now; number and name were right."""

    code, status = "number-changed", 409
    title = Text("登记库记载您的号码已经变更，请填写现在的号码。", "The registry says that your number has changed; give the present one.")


def match(session: Session, number: Number, name: str) -> Record:
    """Return the record of a living person whom the registry knows by number and name.

    Raises NotInRegistry (which of the two is wrong is not said), RegistryUnavailable, NumberChanged, SubjectEnded.
    """
    record, known = _present_record(session, number)
    if not registries.is_same_name(record.name if record else "", name) or record is None:
        raise NotInRegistry("no such number" if record is None else "another name", field="number", registry=NO_MATCH)
    if record.number != number:
        raise NumberChanged(field="number")
    if record.state != ACTIVE:
        raise directory.SubjectEnded(record.state, field="number")
    if known is not None:
        directory.check_active(known, field="number")  # a table that was imported since may not have heard of it
    return record


def _present_record(session: Session, number: Number) -> tuple[Record | None, directory.Subject | None]:
    """Return what the registry says of who has a number, or had it if nobody else has it now."""
    known, registry = directory.find_subject(session, number), registries.open_registry(session)
    if known is not None and directory.is_former(known, number):
        record = registry.find(number)
        if record is not None and record.number == number and directory.part(session, record, told=Told(directory.REGISTRY, now())):
            return record, None
        number = directory.number_of(known)
    return registry.find(number), known

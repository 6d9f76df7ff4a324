"""Opening an account: number and name must be those of the population registry, and that match is the first proof (level 2)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import accounts, passwords, proofs
from idp.signin.proofs import Method
from idp.subjects import directory, registries
from idp.subjects.numbers import Number


def register(session: Session, *, number: Number, name: str, password: str, now: datetime) -> UUID:
    """Open the account of a person whom the registry knows by number and name, and return their subject id.

    The password is hashed before the registry or any row is asked, so that every answer takes the same time and no
    connection waits meanwhile. Raises OrganisationsActThroughPeople, PasswordRefused, NotInRegistry,
    RegistryUnavailable, AccountExists.
    """
    accounts.check_is_person(number)
    passwords.check_password(password, number=number, name=name)
    password_hash = passwords.hash_password(password)
    record = registries.open_registry(session).find(number)
    if not registries.is_same_name(record.name if record else "", name) or record is None:
        raise accounts.NotInRegistry("no such number" if record is None else "another name", field="number")
    subject = directory.find_subject(session, number) or directory.add_subject(session, record, now=now)
    accounts.add(session, subject.id, password_hash=password_hash, now=now)
    proofs.prove(session, subject.id, method=Method.REGISTRY, evidence=f"{number.value} {registries.name_key(record.name)}", now=now)
    return subject.id

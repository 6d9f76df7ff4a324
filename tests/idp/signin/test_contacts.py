from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from idp.signin import contacts
from idp.signin.contacts import ContactRefused
from runtime.clock import now
from tests.world_people import new_person, open_account

WRITTEN = {
    "mainland": ("13800138000", "phone", "+8613800138000", "138****8000"),
    "with spaces": (" 138 0013-8000 ", "phone", "+8613800138000", "138****8000"),
    "as a telephone copies it": ("\u202d+86 138 0013 8000\u202c", "phone", "+8613800138000", "138****8000"),
    "copied with its direction": ("\u2068zhang@example.cn\u2069\ufeff", "email", "zhang@example.cn", "z***@example.cn"),
    "full width": ("１３８００１３８０００", "phone", "+8613800138000", "138****8000"),
    "with its country": ("+86 138 0013 8000", "phone", "+8613800138000", "138****8000"),
    "with 0086": ("0086 13800138000", "phone", "+8613800138000", "138****8000"),
    "Hong Kong": ("+852 5123 4567", "phone", "+85251234567", "+85****4567"),
    "e-mail": ("Zhang.San+kabao@Example.CN", "email", "Zhang.San+kabao@example.cn", "Z***@example.cn"),
    "full-width at": ("zhang＠example.cn", "email", "zhang@example.cn", "z***@example.cn"),
    "a Chinese domain": ("zhang@例子.中国", "email", "zhang@xn--fsqu00a.xn--fiqs8s", "z***@例子.中国"),
}
NO_ADDRESS = {
    "nothing": ("  ", "empty"),
    "too short": ("1380013800", "phone"),
    "no mobile": ("12800138000", "phone"),
    "a landline": ("0531-86012345", "phone"),
    "plus 86 of nothing": ("+86 5123 4567", "phone"),
    "too long": ("+1234567890123456", "phone"),
    "letters": ("call me", "phone"),
    "no domain": ("zhang@", "email"),
    "no name": ("@example.cn", "email"),
    "one label": ("zhang@localhost", "email"),
    "an address": ("zhang@127.0.0.1", "email"),
    "two dots": ("zhang..san@example.cn", "email"),
    "a header": ("zhang@example.cn\r\nBcc: all@example.cn", "email"),
    "two addresses": ("a@example.cn,b@example.cn", "email"),
    "a display name": ("Zhang <zhang@example.cn>", "email"),
    "endless name": ("z" * 65 + "@example.cn", "email"),
    "endless": ("z@" + "a." * 20_000 + "cn", "email"),
    "a Chinese name": ("张三@example.cn", "email"),
}


def person_of(session: Session) -> UUID:
    return open_account(session, new_person(session))


@pytest.mark.parametrize(("text", "kind", "value", "masked"), WRITTEN.values(), ids=WRITTEN)
def test_an_address_is_taken_as_people_write_it(text: str, kind: str, value: str, masked: str) -> None:
    assert contacts.parse(text) == (kind, value)
    assert contacts.mask(kind, value) == masked


@pytest.mark.parametrize(("text", "why"), NO_ADDRESS.values(), ids=NO_ADDRESS)
def test_what_is_no_address_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(ContactRefused) as refused:
        contacts.parse(text)
    assert (refused.value.why, refused.value.field) == (why, "address")


def test_only_a_verified_address_counts(session: Session) -> None:
    person = person_of(session)
    contact = contacts.add(session, person, "13800138000", now=now())
    assert contacts.verified_of(session, person) == []
    assert contacts.verify(session, contact, now=now())
    assert [(found.kind, found.masked) for found in contacts.verified_of(session, person)] == [("phone", "138****8000")]
    assert not contacts.verify(session, contact, now=now())


def test_an_address_is_sealed_at_rest(session: Session) -> None:
    contact = contacts.add(session, person_of(session), "someone@example.cn", now=now())
    assert b"someone" not in contact.value_sealed + contact.value_index
    assert contact.address == "someone@example.cn"


def test_a_person_has_an_address_once_and_five_in_all(session: Session) -> None:
    person, present = person_of(session), now()
    first = contacts.add(session, person, "a@example.cn", now=present)
    assert contacts.add(session, person, "a@EXAMPLE.cn", now=present).id == first.id
    contacts.verify(session, first, now=present)
    with pytest.raises(ContactRefused, match="known"):
        contacts.add(session, person, "a@example.cn", now=present)
    for number in range(4):
        contacts.add(session, person, f"b{number}@example.cn", now=present)
    with pytest.raises(ContactRefused, match="many"):
        contacts.add(session, person, "c@example.cn", now=present)


def test_a_removed_address_hears_of_its_removal_and_of_nothing_after(session: Session) -> None:
    person, present = person_of(session), now()
    contact = contacts.add(session, person, "a@example.cn", now=present)
    contacts.verify(session, contact, now=present)
    later = present + timedelta(minutes=1)
    assert contacts.reached_at(session, person, moment=present) == []
    assert contacts.remove(session, person, contact.id, now=later) is not None
    assert contacts.remove(session, person, contact.id, now=later) is None
    session.flush()
    assert [found.id for found in contacts.reached_at(session, person, moment=later)] == [contact.id]
    assert contacts.reached_at(session, person, moment=later + timedelta(minutes=1)) == []
    assert contacts.all_of(session, person) == []
    assert contacts.add(session, person, "a@example.cn", now=later).id != contact.id


def test_what_was_removed_or_never_verified_is_forgotten_after_a_day(context: None) -> None:
    from runtime.database import transaction

    present = now()
    with transaction() as session:
        person = person_of(session)
        kept, removed, _ = (contacts.add(session, person, f"{name}@example.cn", now=present) for name in "abc")
        contacts.verify(session, kept, now=present)
        contacts.verify(session, removed, now=present)
        contacts.remove(session, person, removed.id, now=present)
    contacts.forget(now=present + timedelta(hours=25))
    with transaction() as session:
        assert [contact.id for contact in contacts.all_of(session, person)] == [kept.id]
        assert contacts.reached_at(session, person, moment=present) == []

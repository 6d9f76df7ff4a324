"""Every type of the catalogue that ships makes a licence, with its file's examples."""

import pytest
from flask import Flask

from runtime.database import transaction
from tests.world_people import new_organisation, new_person
from tests.world_wallet import DEFINITIONS, new_department, new_licence
from wallet.register.licences import fields_of, type_of


class World:
    """A department that may issue everything, and whom it issues to."""

    def __init__(self) -> None:
        self.department = new_department(issue=sorted(DEFINITIONS))
        with transaction() as session:
            person = new_person(session)
            self.numbers = {"person": person.number, "organisation": new_organisation(session, representative=person).number}


@pytest.fixture(scope="module")
def world(app: Flask) -> World:
    with app.app_context():
        return World()


@pytest.mark.parametrize(
    ("slug", "kind"),
    [(slug, kind) for slug, one in DEFINITIONS.items() for kind in ("person", "organisation") if one.holder in (kind, "either")],
)
def test_the_example_of_a_type_makes_a_licence(app: Flask, world: World, slug: str, kind: str) -> None:
    with app.app_context(), transaction() as session:
        licence = new_licence(session, type=slug, department=world.department, number=world.numbers[kind])
        assert fields_of(licence) == {one.name: one.example for one in DEFINITIONS[slug].fields}
        assert (type_of(licence).slug, type_of(licence).version) == (slug, licence.type_version)

"""Fills an empty installation with the invented city; run again, it adds only what is missing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from alembic import command
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask
from rich.console import Console
from sqlalchemy import select
from sqlalchemy.orm import Session

from demo import city, people
from idp.oauth import clients
from idp.oauth.client_kinds import NONE, PRE_AUTHORIZED_CODE
from idp.signin import contacts, operators, registration
from idp.subjects import appointments, directory, guardians, mandates, registries, registry_import
from idp.subjects.numbers import parse_number
from idp.subjects.rights import Right
from keys import suites
from keys.init import init_keys
from migrations.commands import config_for
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing import life
from wallet.issuing.requests import LicenceRequest
from wallet.register import catalogue, departments, licences


@dataclass(frozen=True)
class System:
    """A department's system, which proves itself by a key of its own."""

    client_id: str
    name: Text
    owner: people.Department
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Portal:
    """A portal that people sign in to, and what it asks them for."""

    client_id: str
    name: Text
    kind: str
    draws: tuple[str, ...]


ISSUING = System("issuing-system", Text("公安局制证系统", "Police issuing system"), city.POLICE, ("licences:issue", "licences:read"))
COUNTER = System("counter-system", Text("政务服务窗口系统", "Counter system"), city.SERVICE_CENTRE, ("verifications", "draws", "receipts"))
SUPERVISION = System("supervision-system", Text("综合执法监管系统", "Supervision system"), city.ENFORCEMENT, ("events",))
SYSTEMS = (ISSUING, COUNTER, SUPERVISION)
TERMINAL = System("hall-terminal", Text("办事大厅自助终端", "Service hall terminal"), city.SERVICE_CENTRE, ("openid", "profile", "licences"))
PORTALS = (
    Portal("citizen-hall", Text("市民办事大厅", "Citizen service hall"), "citizen", ("resident-identity-card", "marriage-certificate")),
    Portal("enterprise-hall", Text("企业办事大厅", "Enterprise hall"), "enterprise", ("business-licence", "food-business-licence")),
)

WALLETS = {"any-wallet": Text("其他卡包应用", "Any wallet"), "sample-wallet": Text("示例卡包应用", "Sample wallet")}
ANONYMOUS_WALLET = next(iter(WALLETS))  # the one as which wallets that nobody registered are served
WALLET_REDIRECTS = ("http://127.0.0.1/callback", "cn.example.sample-wallet:/callback")  # the first on any port
IDENTIFYING = ("resident-identity-card",)
ADDRESSES = (
    (people.LIN, "lin.xiaoyue@example.invalid"),
    (people.CHEN, "chen.guoan@example.invalid"),
    (people.ZHOU, "zhou.haifeng@example.invalid"),
    (people.SUN, "sun.lixin@example.invalid"),
)


def load(settings: Settings, *, folder: Path, console: Console) -> None:
    """Migrate, make the keys, and enter whatever of the city is not there yet."""
    from wsgi import create_app

    steps: tuple[tuple[str, Callable[[Session, Settings], None]], ...] = (
        ("Making the keys", lambda session, settings: _discard(init_keys(session, settings, now=now()))),
        ("Describing the licence types", lambda session, settings: _discard(catalogue.apply(session, list(catalogue.read_folder()), now=now()))),
        ("Opening the registries", _registries),
        ("Opening the departments", _departments),
        ("Opening accounts", _accounts),
        ("Adding addresses", _addresses),
        ("Naming the officers", _officers),
        ("Naming an operator", _operator),
        ("Appointing who acts for the restaurant", _appointments),
        ("Entering a child", _children),
        ("Registering the systems and portals", lambda session, settings: _clients(session, settings, folder)),
        ("Issuing licences", _licences),
    )
    with console.status("Creating the tables ..."):
        command.upgrade(config_for(settings.database_url), "head")
    app: Flask = create_app(settings)
    try:
        with app.app_context():
            for title, step in steps:
                with console.status(f"{title} ..."), transaction() as session:
                    step(session, settings)
    finally:
        app.extensions["kabao_cache"].stop()
        app.extensions["kabao_engine"].dispose()


def key_file(client_id: str, folder: Path) -> Path:
    """Return where a demonstration client keeps its private key."""
    return folder / "clients" / f"{client_id}.pem"


def home_of(port: int) -> str:
    """Return the address of a portal: an IP address whatever the service is called, since no client may be sent back to `localhost` (RFC 8252)."""
    return f"http://127.0.0.1:{port}"


def portal_environ(portal: Portal, *, port: int, service: str, folder: Path) -> dict[str, str]:
    """Return the environment of a portal."""
    return {
        "PORTAL_NAME_ZH": portal.name.zh,
        "PORTAL_NAME_EN": portal.name.en,
        "PORTAL_KIND": portal.kind,
        "PORTAL_PORT": str(port),
        "PORTAL_URL": home_of(port),
        "PORTAL_CLIENT_ID": portal.client_id,
        "PORTAL_KEY_FILE": str(key_file(portal.client_id, folder)),
        "PORTAL_LICENCES": ",".join(portal.draws),
        "KABAO_URL": service,
    }


def _discard(_: Any) -> None:
    return None


def _registries(session: Session, _: Settings) -> None:
    """Enter whom the registries lack; what they were told since, by `kabao registry import`, stays."""
    citizens = [person for person in (*people.CAST, people.CHILD, *people.crowd()) if not _is_registered(session, person.number)]
    registry_import.load_people(session, [_row_of(person) for person in citizens])
    firm = people.RESTAURANT
    if not _is_registered(session, firm.code):
        row = {"number": firm.code, "name": firm.name, "representative": firm.representative.number}
        registry_import.load_organisations(session, [row])


def _is_registered(session: Session, number: str) -> bool:
    try:
        return registries.ImportedRegistry(session).find(parse_number(number)) is not None
    except registries.RegistryUnavailable:  # nothing was imported yet
        return False


def _row_of(person: people.Citizen) -> dict[str, str]:
    row = {"number": person.number, "name": person.name, "born": person.born.isoformat(), "address": person.address}
    return row | ({"guardians": " ".join(guardian.number for guardian in person.guardians)} if person.guardians else {})


def _departments(session: Session, settings: Settings) -> None:
    slugs = [kind.slug for kind in catalogue.all_types()]
    known = {department.code for department in departments.all_departments(session)}
    for department in city.DEPARTMENTS:
        if department.code in known:
            continue
        departments.add_department(session, settings, code=department.code, name=Text(department.name, department.english), now=now())
        everything = {
            departments.Action.ISSUE: department.issues,
            departments.Action.VERIFY: slugs if department.verifies else (),
            departments.Action.DRAW: slugs if department.draws else (),
            departments.Action.IDENTIFY: IDENTIFYING if department.identifies else (),
            departments.Action.SUPERVISE: slugs if "*" in department.supervises else department.supervises,
        }
        for action, types in everything.items():
            for slug in types:
                departments.grant(session, department=department.code, type_code=catalogue.get_type(slug).code, action=action, now=now())


def _accounts(session: Session, _: Settings) -> None:
    for person in people.CAST:
        number = parse_number(person.number)
        if directory.find_subject(session, number) is None:
            registration.register(session, number=number, name=person.name, password=people.PASSWORD, now=now())


def _addresses(session: Session, _: Settings) -> None:
    for person, written in ADDRESSES:
        subject = directory.ensure_subject(session, parse_number(person.number), now=now())
        if not contacts.all_of(session, subject.id):
            contacts.verify(session, contacts.add(session, subject.id, written, now=now()), now=now())


def _appointments(session: Session, _: Settings) -> None:
    firm = directory.ensure_subject(session, parse_number(people.RESTAURANT.code), now=now())
    owner = directory.ensure_subject(session, parse_number(people.RESTAURANT.representative.number), now=now())
    if session.scalar(select(mandates.GivenMandate.id).where(mandates.GivenMandate.holder_id == firm.id).limit(1)) is not None:
        return  # whoever was removed since stays removed
    appointments.claim(session, person_id=owner.id, organisation_id=firm.id, now=now())
    kitchen = frozenset({catalogue.get_type("food-business-licence").code})
    for person, role, types in ((people.WU, mandates.LICENCE_MANAGER, None), (people.HE, mandates.HANDLER, kitchen)):
        wanted = appointments.Appointment(role, Right(types, None, now(), None))
        appointments.appoint(
            session, by=owner.id, organisation_id=firm.id, number=parse_number(person.number), name=person.name, wanted=wanted, now=now()
        )


def _children(session: Session, _: Settings) -> None:
    child = people.CHILD
    entered = directory.find_subject(session, parse_number(child.number))
    if entered is not None and guardians.guardians_of(session, entered.id):
        return
    for guardian in child.guardians:
        subject = directory.ensure_subject(session, parse_number(guardian.number), now=now())
        guardians.add_child(session, guardian_id=subject.id, number=parse_number(child.number), name=child.name, now=now())


def _operator(session: Session, _: Settings) -> None:
    subject = directory.ensure_subject(session, parse_number(people.SUN.number), now=now())
    operators.add_operator(session, subject.id, now=now())


def _officers(session: Session, _: Settings) -> None:
    for department in city.DEPARTMENTS:
        for officer in department.officers:
            subject = directory.ensure_subject(session, parse_number(officer.number), now=now())
            departments.add_officer(session, department=department.code, subject_id=subject.id, now=now())


def _clients(session: Session, settings: Settings, folder: Path) -> None:
    known = {row.client_id for row in clients.listed(session)}
    for each in (*SYSTEMS, *PORTALS, TERMINAL):
        if each.client_id in known:
            key_file(each.client_id, folder).stat()  # raises if it is gone
    for system in SYSTEMS:
        if system.client_id not in known:
            jwks = _make_key(system.client_id, folder)
            clients.register_client(
                session, client_id=system.client_id, name=system.name, owner=system.owner.code, jwks=jwks, scopes=system.scopes, now=now()
            )
    port = urlsplit(settings.public_url).port or 0
    for offset, portal in enumerate(PORTALS, 1):
        if portal.client_id not in known:
            home = home_of(port + offset)
            clients.register_client(
                session,
                client_id=portal.client_id,
                name=portal.name,
                owner=city.SERVICE_CENTRE.code,
                jwks=_make_key(portal.client_id, folder),
                redirect_uris=[f"{home}/callback"],
                post_logout_redirect_uris=[f"{home}/"],
                backchannel_logout_uri=f"{home}/backchannel-logout",
                grant_types=[clients.AUTHORIZATION_CODE, clients.REFRESH_TOKEN],
                scopes=["openid", "profile", "licences"],
                sector=portal.client_id,
                metadata={"initiate_login_uri": f"{home}/login", "authorization_details_types": ["licence"]},
                now=now(),
            )
    if TERMINAL.client_id not in known:
        clients.register_client(
            session,
            client_id=TERMINAL.client_id,
            name=TERMINAL.name,
            owner=TERMINAL.owner.code,
            jwks=_make_key(TERMINAL.client_id, folder),
            grant_types=[clients.DEVICE_CODE],
            scopes=TERMINAL.scopes,
            now=now(),
        )
    for client_id, name in WALLETS.items():
        if client_id not in known:
            clients.register_client(
                session,
                client_id=client_id,
                name=name,
                owner=city.SERVICE_CENTRE.code,
                auth_method=NONE,
                redirect_uris=WALLET_REDIRECTS,
                grant_types=[clients.AUTHORIZATION_CODE, clients.REFRESH_TOKEN, PRE_AUTHORIZED_CODE],
                scopes=["openid"],
                metadata={"application_type": "native", "authorization_details_types": ["openid_credential"]},
                now=now(),
            )


def _make_key(client_id: str, folder: Path) -> dict[str, Any]:
    file = key_file(client_id, folder)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = suites.ES256.generate()
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    jwk = suites.public_jwk(key.public_key())
    return {"keys": [{**jwk, "kid": suites.thumbprint(jwk)}]}


def _licences(session: Session, settings: Settings) -> None:
    for holding in city.HOLDINGS:
        holder = holding.holder
        number = holder.code if isinstance(holder, people.Organisation) else holder.number
        kind = catalogue.get_type(holding.type)
        subject = directory.ensure_subject(session, parse_number(number), now=now())
        if any(licence.type_code == kind.code for licence in licences.licences_of(session, holder_id=subject.id)):
            continue
        since, until = holding.term_on(licences.china_date(now()))
        request = LicenceRequest(
            type=kind.code,
            holder_number=number,
            holder_name=holder.name,
            fields={**{field.name: field.example for field in kind.fields}, **holding.fields},
            valid_from=since,
            valid_until=until,
            licence_number=kind.number_example,
        )
        life.issue_licence(session, settings, request, department=holding.department.code, now=now())

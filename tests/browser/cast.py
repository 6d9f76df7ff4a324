"""Who walks through the pages: a person of every kind, each with all that their pages can show, and the cookies of a browser of theirs.

Sessions are begun in the database rather than on the sign-in page, which has its own tests.
"""

import secrets
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlencode
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from idp.oauth.apart import inbox
from idp.oauth.apart.waiting import ApartRequest, hash_of
from idp.oauth.clients import CIBA, DEVICE_CODE
from idp.signals import streams, tokens, webhooks
from idp.signals.event_types import SESSION_REVOKED, VERIFICATION
from idp.signin import contacts, one_time_codes, operators, passkeys, pending, recovery_codes, scans, sessions, totp
from idp.signin.devices import describe
from idp.signin.sessions import SigninSession
from idp.subjects import appointments, directory, guardians, registry_import
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from runtime.languages import Text
from tests.browser.cast_asking import ask_holder, ask_wallets, show_who_one_is
from tests.idp.oauth.apart.steps import Counter, Terminal
from tests.idp.oauth.journeys import Journey
from tests.idp.oauth.registration.world import new_token
from tests.idp.signin.proofs_at_hand import enrol, reach
from tests.idp.signin.recovering import begun, cancel_link
from tests.idp.subjects.firms import Firm, new_firm
from tests.runtime.test_failed_jobs import failed
from tests.wallet.holding.test_paging import more_like
from tests.world_clients import System, new_portal
from tests.world_people import Person, citizen_number, new_organisation, new_person, open_account, post_form, sign_in
from tests.world_verifying import new_browser
from tests.world_wallet import DEFINITIONS, example_dates, example_fields, make_officer, new_department, new_licence
from wallet.holding import marked_copies, ratings, uses
from wallet.holding.marked_copies import MarkedCopy
from wallet.issuing import pending as act_requests
from wallet.issuing.copy_marks import Marking
from wallet.issuing.desk import tables
from wallet.issuing.documents import kept
from wallet.issuing.importing import uploads
from wallet.issuing.orders import order_of
from wallet.presenting import qr_codes
from wallet.register import catalogue, departments
from wallet.register.acts import Act
from wallet.register.catalogue import get_type
from wallet.register.drawn_faces import EXAMPLE_ISSUER
from wallet.register.licences import Licence
from wallet.register.type_files import lean_document
from wallet.verifying.receipts import Receipt, digest_of

LICENCES = ("resident-identity-card", "driving-licence")
FIRM_LICENCE, DOCUMENT = "business-licence", "resident-identity-card"
WALK = timedelta(hours=10)  # longer than any walk takes, and shorter than a session lasts in all
PASSWORD_ALONE, TWO_STEPS, BY_PASSKEY = ["pwd"], ["pwd", "otp", "mfa"], ["hwk", "user", "mfa"]
PHONE_BROWSER = "Mozilla/5.0 (Linux; Android 15; 23127PN0CC) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36"
ELSEWHERE = "203.0.113.9"
NAMES = ("欧阳思远", "诸葛海燕", "司马明轩", "上官春梅", "东方志强", "慕容雨桐", "林小满", "尉迟文秀", "皇甫子涵", "公孙若兰", "令狐远山")


@dataclass
class Cast:
    """The cookies of each viewer's browser, and what their pages' addresses name."""

    app: Flask
    cookies: dict[str, dict[str, str]] = field(default_factory=lambda: {"stranger": {}})
    at: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)

    def enter(self, viewer: str, who: str, amr: list[str], *, acting_for: UUID | None = None, ago: timedelta = timedelta(0)) -> None:
        """Let a viewer be signed in as somebody, by proofs that were given so long ago; others are kept recent by `proofs.renew`."""
        with self.app.app_context(), transaction() as session:
            about = describe(session, address="127.0.0.1", user_agent=PHONE_BROWSER)
            session_id, token = sessions.begin(session, subject_id=self.ids[who], amr=amr, now=now(), auth_time=now() - ago, about=about)
            session.execute(update(SigninSession).where(SigninSession.id == session_id).values(acting_for=acting_for, seen_at=now() + WALK))
        self.cookies[viewer] = {"kabao_session": token}

    def wait(self, viewer: str, who: str, amr: list[str]) -> None:
        """Let a sign-in of somebody's wait in a viewer's browser."""
        with self.app.app_context(), transaction() as session:
            _, secret = pending.begin(session, self.ids[who], amr=amr, now=now() + WALK)
        self.cookies[viewer] = {"kabao_waiting": secret}

    def invent(self, who: str, *, name: str = "") -> Person:
        """Invent somebody with an account."""
        with self.app.app_context(), transaction() as session:
            person = new_person(session, name=name or NAMES[len(self.people)])
            self.ids[who] = open_account(session, person)
        self.know(who, person)
        return person

    def know(self, who: str, person: Person) -> None:
        """Keep somebody under a word, and their name as data."""
        self.people[who] = person
        self.data.append(person.name)


def gather(app: Flask) -> Cast:
    """Bring everybody together."""
    cast = Cast(app)
    cast.invent("newcomer")
    cast.enter("newcomer", "newcomer", PASSWORD_ALONE)
    portal = give_everything(cast)
    organise(cast, portal)
    bring_family(cast)
    staff_desk(cast)
    run_it(cast)
    ask_apart(cast)
    for viewer in ("asked at home", "shown at home", "declined at home"):
        cast.enter(viewer, "owner", PASSWORD_ALONE)
        cast.at |= show_who_one_is(app, cast.people["owner"], cast.ids["owner"], viewer, cast.cookies[viewer])
    cast.at |= ask_holder(app, cast.ids["owner"], UUID(cast.at["card"].rsplit("/", 1)[1]))
    return cast


def ask_apart(cast: Cast) -> None:
    """Let a terminal show its code, and a counter ask the owner, both for as long as the tests take; another counter was muted."""
    app, number = cast.app, cast.people["owner"].number
    by_poll = {"redirect_uris": [], "grant_types": [CIBA], "metadata": {"backchannel_token_delivery_mode": "poll"}}
    with app.app_context(), transaction() as session:
        terminal = Terminal(app.test_client(), new_portal(session, redirect_uris=[], grant_types=[DEVICE_CODE]))
        counter, muted = (Counter(app.test_client(), new_portal(session, **by_poll)) for _ in range(2))
        inbox.mute(session, cast.ids["owner"], muted.system.client_id, now=now())
    cast.at["device"] = "/device?user_code=" + terminal.codes(scope="openid profile licences")["user_code"]
    asked = counter.asked(login_hint=number, scope="openid licences", binding_message="A12")
    cast.data.append("A12")
    with app.app_context(), transaction() as session:
        session.execute(update(ApartRequest).values(expires_at=now() + timedelta(days=1)))
        hashed = hash_of(asked["auth_req_id"])
        cast.at["request"] = f"/account/requests/{session.scalars(select(ApartRequest.id).where(ApartRequest.code_hash == hashed)).one()}"


def give_everything(cast: Cast) -> System:
    """Give somebody every way to sign in, licences, a portal that knows them, devices and notices; return the portal."""
    app, person = cast.app, cast.invent("owner")
    with app.app_context():
        issuer = new_department(issue=LICENCES)
        with transaction() as session:
            licences = [new_licence(session, type=slug, department=issuer, number=person.number) for slug in LICENCES]
            portal, other = new_portal(session), new_portal(session)
    cast.data += [value for slug in LICENCES for value in example_fields(slug).values() if isinstance(value, str)]
    browser, phone = new_browser(app), new_browser(app)
    assert sign_in(browser, person).status_code == 303
    Journey(other).tokens(browser)
    phone.environ_base |= {"REMOTE_ADDR": ELSEWHERE, "HTTP_USER_AGENT": PHONE_BROWSER}
    assert sign_in(phone, person).status_code == 303
    cast.at["alarm"] = cancel_link(app, cast.ids["owner"])
    begun(app, new_browser(app), person)
    cast.at["recovery"] = cancel_link(app, cast.ids["owner"])
    cast.at |= {"card": f"/wallet/cards/{licences[1].id}", "authorize": "/authorize?" + urlencode(Journey(portal).parameters())}
    add_ways(cast)
    make_copy(cast, licences[1])
    for viewer, amr, ago in (("owner", TWO_STEPS, timedelta(0)), ("by passkey", BY_PASSKEY, timedelta(0)), ("long ago", PASSWORD_ALONE, WALK)):
        cast.enter(viewer, "owner", amr, ago=ago)
    cast.wait("first step", "owner", PASSWORD_ALONE)
    cast.wait("code sent", "owner", [])
    return portal


def make_copy(cast: Cast, licence: Licence) -> None:
    """Let the owner make a marked copy, whose link waits for as long as the tests take."""
    settings, moment = cast.app.extensions["kabao_settings"], now()
    marking = Marking("Example City Council", "Building permit", moment, moment + timedelta(days=30), cast.people["owner"].name)
    with cast.app.app_context(), transaction() as session:
        drafted = kept.draft(session, settings, licence, kind="a4", now=moment)
        link = marked_copies.keep(session, drafted, b"%PDF-", marking, person_id=cast.ids["owner"], now=moment)
        session.execute(update(MarkedCopy).where(MarkedCopy.id == link.id).values(link_ends_at=moment + timedelta(days=1)))
    cast.at |= {"copy": f"{cast.at['card']}/copies/{link.id}", "copy link": f"/copies/{link.secret}"}


def add_ways(cast: Cast) -> None:
    """Give the owner addresses, an authenticator, recovery codes and a passkey, and begin to add one more of each."""
    app, owner, owner_id = cast.app, cast.people["owner"], cast.ids["owner"]
    enrol(app, owner, name="My phone")
    reach(app, owner, f"somebody-with-a-long-name-{secrets.token_hex(3)}@office.example.gov.cn")
    cast.at["address"] = f"/account/ways/contacts/{reach(app, owner, f'1391{secrets.randbelow(10**7):07}')}/remove"
    with app.app_context(), transaction() as session:
        unverified = contacts.add(session, owner_id, f"new-{secrets.token_hex(3)}@example.cn", now=now())
        one_time_codes.issue(session, unverified, bound_to=owner_id, purpose="contact", now=now())
        begun_totp = totp.begin(session, owner_id, name="Tablet", now=now())
        recovery_codes.make(session, owner_id, now=now())
        assert passkeys.handle_of(session, owner_id)
        made = passkeys.NewPasskey(secrets.token_bytes(32), secrets.token_bytes(77), 0, ["internal"], backup_eligible=True, backed_up=True)
        passkey = passkeys.add(session, owner_id, made, name="Laptop", now=now())
        about = describe(session, address=ELSEWHERE, user_agent=PHONE_BROWSER)
        scan = scans.make(session, address=ELSEWHERE, about=about, asker=None, now=now() + WALK)
        cast.at |= {"contact": f"/account/ways/contacts/{unverified.id}", "totp": f"/account/ways/totp/{begun_totp.id}"}
        cast.at |= {"passkey": f"/account/passkeys/{passkey.id}/remove", "scan": f"/scan/{scan.qr}"}


def organise(cast: Cast, portal: System) -> None:
    """Let a representative claim one organisation and leave another, appoint a manager and handlers, and remove one."""
    app = cast.app
    with app.app_context():
        issuer = new_department(issue=[FIRM_LICENCE])
        with transaction() as session:
            firm = new_firm(session)
            unclaimed = new_organisation(session, representative=firm.boss)
            manager_id, _ = firm.manager(session)
            handler_id, mandate = firm.appoint(session, portals={new_portal(session).client_id})
            _, ended = firm.appoint(session)
            appointments.remove(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=ended, now=now())
            new_licence(session, type=FIRM_LICENCE, department=issuer, number=firm.organisation.number)
    cast.data += [firm.organisation.name, unclaimed.name]
    cast.ids |= {"boss": firm.boss_id, "manager": manager_id, "handler": handler_id, "firm": firm.id}
    keep_names(cast, firm)
    for who in ("boss", "manager", "handler"):
        cast.enter(who, who, PASSWORD_ALONE)
        cast.enter(f"{who}, acting", who, PASSWORD_ALONE, acting_for=firm.id)
    cast.at |= {"firm": f"/enterprise/{firm.id}", "mandate": f"/enterprise/{firm.id}/mandates/{mandate}"}
    cast.at["not covered"] = "/authorize?" + urlencode(Journey(portal).parameters())


def keep_names(cast: Cast, firm: Firm) -> None:
    """Keep the names of everybody in an organisation as data."""
    cast.know("boss", firm.boss)
    cast.data += [person.name for person in firm.people.values()]


def bring_family(cast: Cast) -> None:
    """Let a parent act for one child, and another child have an account already."""
    parent = cast.invent("guardian")
    with cast.app.app_context(), transaction() as session:
        for who, years in (("child", 9), ("minor", 15)):
            child = Person(citizen_number(born=date(now().year - years, 1, 2)), NAMES[len(cast.people)])
            assert not registry_import.load_people(session, [{"number": child.number, "name": child.name, "guardians": parent.number}])
            cast.know(who, child)
            if who == "minor":
                cast.ids[who] = open_account(session, child)
            child_id = guardians.add_child(session, guardian_id=cast.ids["guardian"], number=parse_number(child.number), name=child.name, now=now())
            cast.at[who] = f"/account/children/{child_id}/end"
    cast.enter("guardian", "guardian", PASSWORD_ALONE)
    cast.enter("guardian, acting", "guardian", PASSWORD_ALONE, acting_for=UUID(cast.at["child"].split("/")[3]))
    cast.enter("minor", "minor", PASSWORD_ALONE)


def staff_desk(cast: Cast) -> None:
    """Let an officer of a department that verifies and identifies look at the owner's licence."""
    app, officer, owner = cast.app, cast.invent("officer"), cast.people["owner"]
    with app.app_context():
        department = new_department(
            verify=LICENCES,
            draw=["driving-licence"],
            identify=[DOCUMENT],
            issue=("driving-licence", "fire-safety-approval", "birth-certificate", "minimum-living-allowance"),
        )
        with transaction() as session:
            make_officer(session, department=department, person=officer)
            make_officer(session, department=department, person=cast.invent("second officer"))
        idle = new_department()
        with transaction() as session:
            make_officer(session, department=idle, person=cast.invent("idle officer"))
            twofold = cast.invent("twofold officer")
            make_officer(session, department=idle, person=twofold)
            make_officer(session, department=department, person=twofold)
        define_type(cast, department)
    issue_something(cast, department)
    with app.app_context(), transaction() as session:
        holder_id = directory.ensure_subject(session, parse_number(owner.number), now=now()).id
        licence_id = UUID(cast.at["card"].rsplit("/", 1)[1])
        code = qr_codes.create(session, holder_id=holder_id, licence_id=licence_id, fields=("vehicle_class", "holder_name"), now=now())
    browser = new_browser(app)
    assert sign_in(browser, officer).status_code == 303
    verified = post_form(browser, "/desk", {"presented": code.content, "cause": "To test a vehicle", "request_id": ""})
    assert verified.status_code == 303
    cast.at["receipt"] = verified.location
    rate_something(cast, holder_id)
    cast.at["paper receipt"] = on_paper(cast, UUID(verified.location.rsplit("/", 1)[1]))
    cast.at |= ask_wallets(app, browser, licence_id)
    for viewer in ("officer", "second officer", "idle officer", "twofold officer"):
        cast.enter(viewer, viewer, TWO_STEPS)


def on_paper(cast: Cast, receipt_id: UUID) -> str:
    """Return where the code on a receipt leads."""
    with cast.app.app_context(), transaction() as session:
        return f"/receipts/{receipt_id}/{digest_of(session.get_one(Receipt, receipt_id).jws)}"


def rate_something(cast: Cast, holder_id: UUID) -> None:
    """Let the owner have a use to rate, and have complained of the one at the desk."""
    with cast.app.app_context(), transaction() as session:
        (use,) = uses.uses_of(session, holder_id=holder_id, limit=1)
        cast.at |= {"rated": f"/wallet/history/{use.id}/rating", "own receipt": f"/wallet/history/{use.id}/receipt"}
        ratings.rate(session, use, score=1, words="Two hours in a queue", person_id=holder_id, now=now())
        told = {"holder_id": holder_id, "licence_id": use.licence_id, "department": use.department, "cause": "To test a vehicle"}
        uses.record_use(session, **told, fields=["holder_name"], way=uses.Way.DRAW, verdict="valid", receipt_id=None, now=now())
    with cast.app.app_context(), transaction() as session:
        (use,) = uses.uses_of(session, holder_id=holder_id, limit=1)
    cast.at["use"] = f"/wallet/history/{use.id}/rating"
    cast.data.append("Two hours in a queue")


def issue_something(cast: Cast, department: str) -> None:
    """Let a department have issued licences, one of which ends soon and one is suspended, ask for a second officer, and have a batch."""
    settings, owner = cast.app.extensions["kabao_settings"], cast.people["owner"]
    soon = now().date() + timedelta(days=20)
    with cast.app.app_context(), transaction() as session:
        number = {"number": owner.number, "department": department}
        ending, _, born = (
            new_licence(session, type=kind, valid_until=until, **number)
            for kind, until in (("driving-licence", soon), ("driving-licence", None), ("birth-certificate", None))
        )
        number["number"] = cast.people["second officer"].number
        more_like(session, new_licence(session, type="driving-licence", **number), 30)
        document = {"reason": "The hospital told a wrong day", "legal_basis": "Example rules, article 3"}
        doer = act_requests.Doer(department, person_id=cast.ids["second officer"])
        order = order_of(Act.ANNUL, document, licence_id=born.id)
        asked = act_requests.submit(session, settings, order, doer=doer, now=now(), result_id=new_id())
        assert asked.request is not None
        cast.at["own licence"], cast.at["act request"] = f"/desk/licences/{ending.id}", f"/desk/requests/{asked.request.id}"
        cast.at["issue request"] = f"/desk/requests/{ask_for_allowance(session, cast, doer)}"
        with NamedTemporaryFile(suffix=".csv") as file:
            file.write(tables.blank_table(get_type("driving-licence"), year=now().year).encode())
            file.flush()
            terms = {"department": department, "officer": cast.ids["officer"], "now": now()}
            mapping = tables.mapping_of(get_type("driving-licence"))
            with uploads.reading(Path(file.name), mapping_text=mapping) as read:
                batch_id = uploads.start(session, read, name="2026-11.csv", **terms)
        cast.at["batch"] = f"/desk/batches/{batch_id}"


def ask_for_allowance(session: Session, cast: Cast, doer: act_requests.Doer) -> UUID:
    """Let an officer ask for a certificate that a household gets an allowance, which another has to approve, and return the request's id."""
    kind = get_type("minimum-living-allowance")
    begins, ends = example_dates(kind)
    document = {
        "type": kind.slug,
        "holder": {"number": cast.people["owner"].number},
        "fields": example_fields(kind.slug),
        "valid_from": begins.isoformat(),
        **({"valid_until": ends.isoformat()} if ends else {}),
        "licence_number": kind.number_example,
    }
    settings, order = cast.app.extensions["kabao_settings"], order_of(Act.ISSUE, document)
    waiting = act_requests.submit(session, settings, order, doer=doer, now=now(), result_id=new_id()).request
    assert waiting is not None
    return waiting.id


def define_type(cast: Cast, department: str) -> None:
    """Let a department define a licence type, of which there are two versions."""
    authority = {"code": department, "name": {"zh": "示例定义机构", "en": "Example authority"}}
    slug = f"test-of-{department.lower()}"
    document = lean_document(DEFINITIONS["tour-guide-licence"]) | {
        "code": f"{department}001",
        "slug": slug,
        "defining_authority": authority,
    }
    for colour in ("teal", "indigo"):
        with transaction() as session:
            catalogue.apply(session, [document | {"colour": colour}], now=now())
    cast.data += [value for each in DEFINITIONS for value in example_fields(each).values() if isinstance(value, str)]
    cast.data += [one.number_example for one in DEFINITIONS.values() if one.number_example] + ["示例00000001", EXAMPLE_ISSUER.zh]
    with transaction() as session:
        cast.data += [one.name_zh for one in departments.all_departments(session)]  # on their seals, whatever the page's language
    cast.at |= {"type": f"/desk/types/{slug}", "old type": f"/licence-types/{slug}/versions/1"}


def new_dead_letter(session: Session, client_id: str) -> UUID:
    """Let a client have a webhook that could not be reached, with an event that was set aside; returns its stream."""
    wanted = streams.Wanted(streams.WEBHOOK, "https://portal.example.gov.cn/hooks/kabao", webhooks.new_secret(), (SESSION_REVOKED,))
    row = streams.create(session, client_id, wanted, settings=current_app.extensions["kabao_settings"], now=now())
    session.flush()
    for status in (500, 503):
        tokens.add_of_stream(session, row, VERIFICATION, {"state": str(status)}, now=now())
    for token in tokens.waiting(session, row, limit=1):
        tokens.refuse(session, row.id, token.id, "status 500")
    row.failures, row.due_at = 3, now() + timedelta(minutes=2)
    return row.id


def run_it(cast: Cast) -> None:
    """Let an operator have a client to look at, a policy and a token."""
    cast.invent("operator")
    with cast.app.app_context(), transaction() as session:
        operators.add_operator(session, cast.ids["operator"], now=now())
        new_token(session)
        said = {"logo_uri": "https://portal.example.gov.cn/logo.png", "default_max_age": 3600, "require_auth_time": True}
        portal = new_portal(session, name=Text("示例门户", "Example portal"), metadata=said, scopes=["openid", "ssf.manage"])
    with cast.app.app_context(), transaction() as session:
        stream = new_dead_letter(session, portal.client_id)
        for kind, lock in (("send_notice_to", None), ("seal_ledger", "seal_ledger")):
            failed(session, kind=kind, lock=lock)
    cast.at["client"] = f"/admin/clients/{portal.client_id}"
    cast.at["stream"] = f"/admin/streams/{stream}"
    cast.data.append("示例门户")  # a client's names stand there in both languages
    cast.enter("operator", "operator", TWO_STEPS)

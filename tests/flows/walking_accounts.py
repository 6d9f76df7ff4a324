"""The walk goes on: everything that an account may hold, with all that must stay secret noted on the way.

Where a page stands behind another person's phone, mail or counter, the feature behind it is called in a transaction of the test's own.
"""

import re
import secrets
from typing import Any
from uuid import UUID

import pyotp
from sqlalchemy import select

from idp.oauth.clients import CIBA, CLIENT_SECRET_JWT, DEVICE_CODE, new_secret
from idp.signin import alarms, contacts, counter_codes, devices, notices, one_time_codes, passkeys, recovery, recovery_codes, scans, totp
from idp.signin import stated as stated_accounts
from idp.signin import trusted_browsers as trusted
from idp.subjects import appointments, directory, registry_import
from idp.subjects.appointments import Appointment
from idp.subjects.mandates import HANDLER
from idp.subjects.numbers import parse_number
from idp.subjects.rights import Right
from runtime.clock import now
from runtime.ids import new_id
from tests.flows.walking import Walk
from tests.served import send
from tests.world_clients import System, new_portal, new_system
from tests.world_people import BROWSER, Person, citizen_number, new_organisation, new_person, open_account, post_form, sign_in

PHONE_BROWSER = "Mozilla/5.0 (Linux; Android 15; 23127PN0CC) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36"


def walk_accounts(walk: Walk, *, department: str) -> None:
    """Walk through ways to sign in, recovery, organisations and what registries change."""
    with walk.kabao.world() as session:
        person, friend = new_person(session, name="利津渔火"), new_person(session, name="齐鲁远帆")
        for each in (person, friend):
            walk.note("number", each.number)
            walk.note("name", each.name)
        subject_id, friend_id = (open_account(session, each) for each in (person, friend))
    add_ways(walk, subject_id)
    sign_in_elsewhere(walk, person, subject_id)
    recover(walk, person, subject_id, friend_id, department=department)
    appoint(walk, person, subject_id, friend, department=department)
    ask_apart(walk, person)
    change_registries(walk)


def add_ways(walk: Walk, subject_id: UUID) -> None:
    """Give an account addresses, an authenticator, recovery codes, a passkey and a trusted browser."""
    email, phone = f"liuyue-{secrets.token_hex(4)}@example.cn", f"1391{secrets.randbelow(10**7):07}"
    with walk.kabao.world() as session:
        for what, address in (("e-mail", email), ("phone", phone)):
            contact = contacts.add(session, subject_id, walk.note(what, address), now=now())
            one_time_codes.issue(session, contact, bound_to=new_id(), purpose="contact", now=now())
            assert contacts.verify(session, contact, now=now())
        enrolled = totp.begin(session, subject_id, name=walk.note("name of an authenticator", "渔船上的旧手机"), now=now())
        assert totp.confirm(session, enrolled, pyotp.TOTP(walk.note("authenticator's secret", enrolled.secret)).now(), now=now())
        for code in recovery_codes.make(session, subject_id, now=now()):
            walk.note("recovery code", code)
        handle = passkeys.handle_of(session, subject_id)
        assert handle
        made = passkeys.NewPasskey(secrets.token_bytes(32), secrets.token_bytes(77), 0, ["internal"], backup_eligible=True, backed_up=True)
        passkeys.add(session, subject_id, made, name=walk.note("name of a passkey", "船长室的指纹锁"), now=now())
        walk.note("secret of a trusted browser", trusted.trust(session, subject_id, user_agent=PHONE_BROWSER, now=now()))


def sign_in_elsewhere(walk: Walk, person: Person, subject_id: UUID) -> None:
    """Sign in in a new browser, ask for a code there, and let a desk show its QR code."""
    phone = walk.browser()
    phone.headers["User-Agent"] = PHONE_BROWSER
    assert sign_in(phone, person).status_code == 303  # type: ignore[arg-type]
    walk.note_cookies(phone)
    with walk.kabao.world() as session:
        about = devices.describe(session, address="203.0.113.9", user_agent=PHONE_BROWSER)
        alarms.tell(session, subject_id, session_id=new_id(), about=about, now=now())
        linked = session.scalars(select(notices.Notice).where(notices.Notice.subject_id == subject_id, notices.Notice.link_sealed.is_not(None)))
        for row in linked:
            told = notices.find(session, subject_id, row.id)
            assert told is not None
            assert told.link
            walk.note("secret of a link", told.link.rsplit("/", 1)[1])
        shown = scans.make(session, address="203.0.113.9", about=about, asker=None, now=now())
        walk.note("QR code of a desk", shown.qr)
        walk.note("desk's secret", shown.desk)
    for path in ("/signin/code", "/account/ways", f"/signin/not-me/{shown.qr}", f"/scan/{shown.qr}"):
        phone.get(path, headers=BROWSER)


def recover(walk: Walk, person: Person, subject_id: UUID, officer_id: UUID, *, department: str) -> None:
    """Ask for a recovery by what one knows of oneself, with a wrong code, and at a counter."""
    address = walk.note("home address", "东营市垦利区渔洼路三十三号")
    browser = walk.browser()
    asked = post_form(browser, "/recover/registry", {"number": person.number, "name": person.name, "address": address})  # type: ignore[arg-type]
    found = re.search(r'id="recovery-code">([0-9A-Z-]+)<', asked.text)
    assert found is not None
    walk.note("code of a recovery", found[1])
    new = walk.note("new password", "新的密码更长一些-" + secrets.token_hex(4))
    wrong = {"number": person.number, "code": found[1], "password": new}
    assert post_form(browser, "/recover/code", wrong).status_code in (200, 422)  # type: ignore[arg-type]
    with walk.kabao.world() as session:
        walk.note(
            "code of a counter", recovery.grant_at_counter(session, subject_id=subject_id, officer_id=officer_id, department=department, now=now())
        )
        counter_codes.make(session, subject_id, now=now())


def appoint(walk: Walk, person: Person, subject_id: UUID, friend: Person, *, department: str) -> None:
    """Claim an organisation, appoint somebody to act for it, and let a department ask whether they may."""
    with walk.kabao.world() as session:
        organisation = new_organisation(session, representative=person, name=walk.note("organisation", "垦利渔火远洋捕捞有限公司"))
        walk.note("credit code", organisation.number)
        organisation_id = directory.ensure_subject(session, parse_number(organisation.number), now=now()).id
        appointments.claim(session, person_id=subject_id, organisation_id=organisation_id, now=now())
        wanted = Appointment(HANDLER, Right(None, None, now(), None))
        number = parse_number(friend.number)
        appointments.appoint(session, by=subject_id, organisation_id=organisation_id, number=number, name=friend.name, wanted=wanted, now=now())
        system = new_system(session, department=department, scopes=["mandates"])
    token = walk.ask_token(system, grant_type="client_credentials", scope="mandates")["access_token"]
    cause = {"text": walk.note("cause", f"核对{friend.name}的授权")}
    asked = {"person": {"number": friend.number}, "organisation": {"number": organisation.number}, "cause": cause}
    assert walk.post("mandates/check", token, asked, expect=200)["may_act"]


def ask_apart(walk: Walk, person: Person) -> None:
    """Let a terminal show a code, which is looked at and not answered, a counter ask somebody, who is told, and a portal have a secret."""
    uri = "https://counter.example.gov.cn/ping"
    by_ping = {"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": uri}
    with walk.kabao.world() as session:
        terminal = new_portal(session, redirect_uris=[], grant_types=[DEVICE_CODE])
        counter = new_portal(session, redirect_uris=[], grant_types=[CIBA], metadata=by_ping)
        new_portal(session, jwks=None, auth_method=CLIENT_SECRET_JWT, client_secret=walk.note("client secret", new_secret()))
    codes = ask_elsewhere(walk, terminal, "/device_authorization", expect=200)
    device_code, user_code = walk.note("device code", codes["device_code"]), walk.note("user code", codes["user_code"])
    message, token = walk.note("message of a counter", "渔港二号窗口"), walk.note("notification token", secrets.token_urlsafe(32))
    said = {"login_hint": person.number, "binding_message": message, "client_notification_token": token}
    asked = ask_elsewhere(walk, counter, "/backchannel-authentication", expect=200, **said)
    request_id = walk.note("auth_req_id", asked["auth_req_id"])
    ask_elsewhere(walk, terminal, "/token", expect=400, grant_type=DEVICE_CODE, device_code=device_code)
    ask_elsewhere(walk, counter, "/token", expect=400, grant_type=CIBA, auth_req_id=request_id)
    browser = walk.browser()
    assert browser.get("/device", params={"user_code": user_code}, headers=BROWSER).status_code == 200
    assert post_form(browser, "/device", {"user_code": user_code}).status_code == 303  # type: ignore[arg-type]


def ask_elsewhere(walk: Walk, system: System, path: str, *, expect: int, **form: str) -> dict[str, Any]:
    """Send what a client sends whose person is at another device, and return the answer."""
    proof = system.proof()
    walk.note("assertion", proof["client_assertion"])
    with walk.kabao.processes.connection() as connection:
        answer = send(connection, "POST", path, form={**proof, "scope": "openid", **form})
    assert answer.status == expect, answer.text
    return dict(answer.json)


def change_registries(walk: Walk) -> None:
    """Let somebody get another name and another number, and somebody say who they are while the registry is away."""
    with walk.kabao.world() as session:
        before = new_person(session, name=walk.note("name", "黄河故道"))
        directory.ensure_subject(session, parse_number(walk.note("number", before.number)), now=now())
        after = {"number": walk.note("number", citizen_number()), "name": walk.note("name", "湿地新苗"), "former_number": before.number}
        assert not registry_import.load_people(session, [after])
        number, name = walk.note("number", citizen_number()), walk.note("name", "自称之人")
        assert stated_accounts.add(session, number=parse_number(number), name=name, now=now())

"""The overview of a person's ways to sign in, the browsers that they trust, and what they were told."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, render_template, request
from sqlalchemy.orm import Session

from idp.signin import accounts, contacts, notice_choices, notices, recovery_codes, second_step, senders, totp, trusted_browsers
from idp.signin.callers import signed_in
from idp.signin.contacts import Contact
from idp.signin.destinations import HOME, local_path
from idp.signin.notices import KEPT
from idp.signin.second_pages import see
from idp.signin.totp import TotpAuthenticator
from idp.signin.trusted_browsers import TrustedBrowser
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text

ways_pages = Blueprint("ways", __name__, template_folder="templates")
STRENGTHS = {
    second_step.PASSKEY: (
        "valid",
        Text("很强", "Very strong"),
        Text("您有通行密钥：假网站骗不走，别人也猜不到。", "You have a passkey: no false site can coax it out of you, and nobody can guess it."),
    ),
    second_step.TOTP: (
        "valid",
        Text("强", "Strong"),
        Text("登录需要密码和验证器两步。", "Signing in takes two steps: the password and your authenticator."),
    ),
    "contact": (
        "suspended",
        Text("一般", "Fair"),
        Text(
            "登录只用密码。建议添加验证器或通行密钥，登录时多一步验证。",
            "Signing in takes the password alone. Add an authenticator or a passkey, so that it takes two steps.",
        ),
    ),
    None: (
        "expired",
        Text("弱", "Weak"),
        Text(
            "您的账号只有密码。请添加验证器，并留下一个联系方式，以便收到安全通知。",
            "Your account has a password and nothing else. Add an authenticator, and an address at which we can warn you.",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Ways:
    """All that the overview shows."""

    authenticators: list[TotpAuthenticator]
    recovery_codes: int
    contacts: list[Contact]
    browsers: list[TrustedBrowser]
    password_changed_at: datetime | None
    names: list[str]

    @property
    def strength(self) -> tuple[str, Text, Text]:
        """The state, the word and the sentence for how safe the account is."""
        for way in (second_step.PASSKEY, second_step.TOTP):
            if way in self.names:
                return STRENGTHS[way]
        return STRENGTHS["contact" if {second_step.SMS, second_step.EMAIL} & set(self.names) else None]


@ways_pages.route("/account/ways")
@allow(signed_in)
def overview() -> str:
    """Show every way to sign in, and how safe they make the account."""
    goal = local_path(request.args.get("next"))
    with transaction() as session:
        ways = _ways(session, g.signed_in.subject_id, now=now())
    offered = senders.offered(current_app.extensions["kabao_settings"])
    return render_template("signin/ways.html", ways=ways, offered=offered, few=recovery_codes.FEW, goal=None if goal == HOME else goal)


@ways_pages.route("/account/ways/browsers/<uuid:browser_id>/end", methods=["POST"])
@allow(signed_in)
def end_browser(browser_id: UUID) -> Response:
    """Trust a browser no longer."""
    with transaction() as session:
        if trusted_browsers.end(session, g.signed_in.subject_id, browser_id=browser_id, now=now()):
            flash(str(Text("已取消信任，该浏览器下次登录需要第二步验证。", "That browser will be asked for the second step again.")), "success")
    return see("/account/ways")


@ways_pages.route("/account/notices")
@allow(signed_in)
def told() -> str:
    """Show what the person was told within half a year, a page at a time."""
    with transaction() as session:
        found, more = notices.page_of(session, g.signed_in.subject_id, before=request.args.get("before", type=UUID))
        wanted = notice_choices.choices_of(session, g.signed_in.subject_id)
    return render_template("signin/notices.html", notices=found, more=more, days=KEPT.days, choices=notice_choices.CHOICES, wanted=wanted)


@ways_pages.route("/account/notices", methods=["POST"])
@allow(signed_in)
def choose_notices() -> Response:
    """Want the notices that are ticked, and mute the others."""
    with transaction() as session:
        notice_choices.choose(session, g.signed_in.subject_id, request.form.getlist("wanted"), now=now())
    flash(str(Text("已按您的选择保存。", "Your choice is kept.")), "success")
    return see("/account/notices")


def _ways(session: Session, subject_id: UUID, *, now: datetime) -> Ways:
    account = session.get(accounts.Account, subject_id)
    return Ways(
        totp.of(session, subject_id),
        recovery_codes.left(session, subject_id),
        contacts.all_of(session, subject_id),
        trusted_browsers.of(session, subject_id, now=now),
        account.password_changed_at if account else None,
        second_step.ways_of(session, subject_id),
    )

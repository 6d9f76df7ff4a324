"""The map of the pages: who sees each, at which address, after pressing what; and the addresses that answer programs."""

from dataclasses import dataclass
from typing import Any

NOT_PAGES = {
    "api-docs.openapi_json",
    "batch_desk.blank",
    "api_docs.asset",
    "bootstrap.static",
    "department_metadata.metadata",
    "departments.listed",
    "departments.one",
    "discovery.metadata",
    "events.page",
    "health.healthz",
    "health.metrics",
    "health.readyz",
    "issuer_metadata.issuer",
    "issuer_metadata.offer",
    "keys.jwks",
    "keys.jwks_of_use",
    "keys.root",
    "licence_types.listed",
    "licence_types.one",
    "licences.read",
    "mandates.listed",
    "offer_pages.tell_state",
    "receipts.read",
    "registration.read",
    "scan.tell_state",
    "show.tell_state",
    "signals.configuration",
    "signals.show",
    "signals.status",
    "static",
    "statuses.status_list",
    "types.type_metadata",
    "userinfo.who",
    "webhooks.listed",
    "webhooks.one",
}
OF_A_LIBRARY = {"api_docs.page"}  # Swagger UI: its own weight, words and markup


@dataclass(frozen=True)
class Stop:
    """A page to stop at. `path` may be a word of the cast's; `press` leads on to what a button answers; part of it may need a script."""

    endpoint: str
    viewer: str
    path: str
    press: tuple[str, ...] = ()
    status: int = 200
    needs_script: bool = False

    @property
    def id(self) -> str:
        """The name of the stop in the tests' list."""
        return " ".join([self.endpoint, "as", self.viewer, *self.press])

    def address(self, at: dict[str, str]) -> str:
        """Return the address, with the cast's words replaced."""
        word, _, rest = self.path.partition(":")
        return self.path if self.path.startswith("/") else at[word] + rest


def _stop(endpoint: str, viewers: str, path: str, *press: str, **more: Any) -> list[Stop]:
    return [Stop(endpoint, viewer.strip(), path, press, **more) for viewer in viewers.split("|")]


STOPS = [
    *_stop("home.page", "stranger|owner|boss, acting", "/"),
    *_stop("no such page", "stranger|owner", "/nothing-here", status=404),
    *_stop("signin.signin", "stranger|owner", "/signin", needs_script=True),
    *_stop("signin.signin", "stranger", "/signin", "#signin"),
    *_stop("signin.register", "stranger", "/account/new"),
    *_stop("signin.register", "stranger", "/account/new", "#register"),
    *_stop("code.ask", "stranger", "/signin/code"),
    *_stop("code.enter", "code sent", "/signin/code/enter"),
    *_stop("second.second", "first step", "/signin/second", needs_script=True),
    *_stop("second.second", "first step", "/signin/second?way=recovery"),
    *_stop("second.second", "first step", "/signin/second", "#confirm"),
    *_stop("step_up.step_up", "long ago", "/signin/step-up?aal=2&next=/wallet", needs_script=True),
    *_stop("step_up.step_up", "long ago", "/signin/step-up?aal=1&next=/wallet&way=password"),
    *_stop("scan.desk", "stranger", "/signin/scan"),
    *_stop("scan.desk", "stranger", "/signin/scan", "#new-code", needs_script=True),
    *_stop("scan.phone", "newcomer", "scan"),
    *_stop("scan.phone", "newcomer", "/scan/nothing", status=410),
    *_stop("recovery.ways", "stranger", "/recover"),
    *_stop("recovery.by_code", "stranger", "/recover/code"),
    *_stop("recovery.by_registry", "stranger", "/recover/registry"),
    *_stop("recovery.by_passkey", "by passkey|newcomer", "/recover/password"),
    *_stop("recovery.cancel_by_link", "stranger", "recovery"),
    *_stop("recovery.cancel_by_link", "stranger", "/recover/cancel/nothing", status=410),
    *_stop("devices.not_me", "stranger", "alarm"),
    *_stop("devices.not_me", "stranger", "/signin/not-me/nothing", status=410),
    *_stop("oauth_logout.end_session", "newcomer", "/logout"),
    *_stop("oauth_logout.ended", "stranger", "/logout/ended"),
    *_stop("launcher.launcher", "owner|boss, acting", "/portals"),
    *_stop("oauth_logout.left", "newcomer", "/logout/left"),
    *_stop("authorize.authorize", "owner", "authorize"),
    *_stop("authorize.authorize", "boss", "authorize"),
    *_stop("authorize.authorize", "owner|boss|boss, acting", "authorize:&prompt=select_account"),
    *_stop("authorize.authorize", "handler, acting", "not covered", status=403),
    *_stop("authorize.authorize", "stranger", "/authorize?client_id=nobody", status=400),
    *_stop("device.enter", "stranger|owner", "/device"),
    *_stop("device.enter", "stranger", "/device", "#go_on"),
    *_stop("device.confirm", "owner|newcomer", "device", "#go_on"),
    *_stop("device.confirm", "handler, acting", "device", "#go_on"),
    *_stop("device.confirm", "boss", "/device/request", status=410),
    *_stop("inbox.listed", "owner|newcomer", "/account/requests"),
    *_stop("inbox.shown", "owner", "request"),
    *_stop("inbox.shown", "newcomer", "request", status=410),
    *_stop("account.account", "newcomer|owner|boss|boss, acting|guardian|minor", "/account"),
    *_stop("ways.overview", "newcomer|owner", "/account/ways"),
    *_stop("ways.overview", "newcomer", "/account/ways?next=/wallet"),
    *_stop("ways.told", "newcomer|owner|boss", "/account/notices"),
    *_stop("passkeys.own", "newcomer|owner", "/account/passkeys", needs_script=True),
    *_stop("passkeys.remove", "owner", "passkey"),
    *_stop("devices.show_devices", "newcomer|owner", "/account/devices"),
    *_stop("level.level", "newcomer|owner", "/account/level"),
    *_stop("level.level", "newcomer", "/account/level?ial=3&next=/wallet"),
    *_stop("level.level", "newcomer", "/account/level", "#make-code"),
    *_stop("identity.ask", "newcomer|owner", "/account/level/licence"),
    *_stop("consents.listed", "newcomer|owner|boss, acting", "/account/portals"),
    *_stop("account_history.listed", "newcomer|owner", "/account/history"),
    *_stop("export.download", "owner", "/account/download"),
    *_stop("closing.close", "newcomer|owner", "/account/close"),
    *_stop("closing.close", "newcomer", "/account/close", "#close"),
    *_stop("contacts.add", "owner", "/account/ways/contacts/new"),
    *_stop("contacts.add", "owner", "/account/ways/contacts/new", "#add"),
    *_stop("contacts.verify", "owner", "contact"),
    *_stop("totp.add", "owner", "/account/ways/totp/new"),
    *_stop("totp.confirm", "owner", "totp"),
    *_stop("totp.confirm", "owner", "totp", "#confirm"),
    *_stop("recovery_codes.codes", "owner|newcomer", "/account/ways/recovery-codes"),
    *_stop("password.password", "owner|by passkey", "/account/ways/password"),
    *_stop("password.password", "newcomer", "/account/ways/password", "#change"),
    *_stop("children.listed", "guardian|minor|newcomer", "/account/children"),
    *_stop("children.ask_end", "guardian", "child"),
    *_stop("enterprise.listed", "newcomer|boss|manager|handler", "/enterprise"),
    *_stop("enterprise.shown", "boss|manager|handler", "firm"),
    *_stop("enterprise.appoint", "boss|manager", "firm:/appoint"),
    *_stop("enterprise.appoint", "boss", "firm:/appoint", "#appoint"),
    *_stop("enterprise.change", "boss", "mandate"),
    *_stop("enterprise.ask_end", "boss|handler", "mandate:/end"),
    *_stop("wallet.show_cards", "newcomer|owner|boss, acting|guardian, acting", "/wallet"),
    *_stop("wallet.show_card", "owner", "card"),
    *_stop("wallet.show_card", "owner", "card", "#reveal"),
    *_stop("wallet.show_history", "newcomer|owner", "/wallet/history"),
    *_stop("offer_pages.wallets", "owner", "card:/wallets"),
    *_stop("offer_pages.show_offer", "owner", "card:/wallets", "#offer"),
    *_stop("offer_pages.show_offer", "owner", "card:/wallets", "#offer-sign-in"),
    *_stop("show.choose", "owner", "card:/show"),
    *_stop("show.show_code", "owner", "card:/show", "#make-code"),
    *_stop("desk.show", "officer", "/desk"),
    *_stop("desk.show", "officer", "/desk", "#verify"),
    *_stop("desk.receipt", "officer", "receipt"),
    *_stop("licence_desk.listed", "officer|idle officer", "/desk/licences"),
    *_stop("licence_desk.listed", "officer", "/desk/licences", "#find"),
    *_stop("licence_desk.one", "officer", "own licence"),
    *_stop("licence_desk.one", "officer", "own licence", "#reveal"),
    *_stop("issue_desk.choose", "officer|idle officer", "/desk/licences/new"),
    *_stop("issue_desk.blank", "officer", "/desk/licences/new/driving-licence"),
    *_stop("issue_desk.blank", "officer", "/desk/licences/new/driving-licence", "#issue"),
    *_stop("issue_desk.blank", "officer", "/desk/licences/new/fire-safety-approval"),
    *_stop("act_desk.blank", "officer", "own licence:/suspend"),
    *_stop("act_desk.blank", "officer", "own licence:/suspend", "#do"),
    *_stop("act_desk.blank", "officer", "own licence:/change"),
    *_stop("act_desk.blank", "officer", "own licence:/transfer-out"),
    *_stop("request_desk.listed", "officer|idle officer", "/desk/requests"),
    *_stop("request_desk.one", "officer|second officer", "act request"),
    *_stop("batch_desk.listed", "officer|idle officer", "/desk/batches"),
    *_stop("batch_desk.one", "officer", "batch"),
    *_stop("figures_desk.expiring", "officer|idle officer", "/desk/expiring"),
    *_stop("figures_desk.figures", "officer|idle officer", "/desk/statistics"),
    *_stop("people_desk.show", "officer", "/desk/people"),
    *_stop("people_desk.show", "officer", "/desk/people", "#prove"),
    *_stop("admin_clients.admin", "operator", "/admin"),
    *_stop("admin_clients.listed", "operator", "/admin/clients"),
    *_stop("admin_clients.listed", "operator", "/admin/clients?q=nothing-of-the-kind"),
    *_stop("admin_clients.add", "operator", "/admin/clients/new"),
    *_stop("admin_clients.add", "operator", "/admin/clients/new", "#save"),
    *_stop("admin_clients.shown", "operator", "client"),
    *_stop("admin_clients.edit", "operator", "client:/edit"),
    *_stop("admin_registration.tokens", "operator", "/admin/registration/tokens"),
    *_stop("admin_registration.policies_page", "operator", "/admin/registration/policies"),
    *_stop("admin_streams.listed", "operator", "/admin/streams"),
    *_stop("admin_streams.shown", "operator", "stream"),
    *_stop("account.account", "operator", "/account"),
    *_stop("receipt_pages.check", "stranger", "/receipts/check"),
    *_stop("receipt_pages.check", "stranger", "/receipts/check", "#check"),
]

"""A portal that signs people in with Kabao and draws the licences it needs: the recipe, in one file.

Its whole OpenID Connect part is `connect`, `callback`, `learn`, `sign_out` and `backchannel_logout`; `draw` is the one call that replaces an
upload. Everything else is this example's own pages. Settings come from the environment; see README.md.
"""

import logging
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import FlaskOAuth2App, OAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign
from flask import Blueprint, Flask, Response, abort, current_app, redirect, render_template, request, session, url_for
from flask_wtf import CSRFProtect
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

NUMBER = re.compile(r"(?<![0-9A-Za-z])(?:[0-9]{17}[0-9X]|[0-9A-Z]{18})(?![0-9A-Za-z])")
LEVELS = re.compile(r'acr_values="([^"]+)"')
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
ALGORITHMS = ["ES256", "EdDSA"]
TIMEOUT = (3, 10)
SIGNED_IN_FOR = 8 * 3600
MATTERS = {
    "resident-identity-card": ("申领居住地优待证", "Apply for a resident's benefit card"),
    "marriage-certificate": ("申请住房公积金提取", "Apply to draw on the housing fund"),
    "business-licence": ("申请户外广告设置许可", "Apply for an outdoor-advertising permit"),
    "food-business-licence": ("申请食品经营许可延续", "Apply to extend the food-business licence"),
    "driving-licence": ("申请驾驶证期满换证", "Apply to renew the driving licence"),
}
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {}; frame-ancestors 'none'; base-uri 'none'"
portal = Blueprint("portal", __name__)
csrf = CSRFProtect()


@dataclass(frozen=True)
class Config:
    """What this portal is, and where Kabao is."""

    names: dict[str, str]
    kind: str
    client_id: str
    key: ECKey = field(repr=False)
    licences: tuple[str, ...]
    kabao: str
    home: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Config":
        """Read the settings; raises KeyError where one is missing."""
        kabao = environ["KABAO_URL"].rstrip("/")
        parts = urlsplit(kabao)
        return cls(
            names={"zh": environ["PORTAL_NAME_ZH"], "en": environ["PORTAL_NAME_EN"]},
            kind=environ.get("PORTAL_KIND", "citizen"),
            client_id=environ["PORTAL_CLIENT_ID"],
            key=ECKey.import_key(Path(environ["PORTAL_KEY_FILE"]).read_bytes()),
            licences=tuple(slug.strip() for slug in environ.get("PORTAL_LICENCES", "").split(",") if slug.strip()),
            kabao=kabao,
            home=environ.get("PORTAL_URL", f"{parts.scheme}://{parts.hostname}:{environ['PORTAL_PORT']}").rstrip("/"),
        )


@dataclass
class Visitor:
    """Someone who is signed in here. Kept in this process only: a real portal keeps it in its own session store."""

    claims: dict[str, Any]
    access_token: str = field(repr=False)
    id_token: str = field(repr=False)
    until: float = field(default_factory=lambda: time.time() + SIGNED_IN_FOR)

    @property
    def masked_name(self) -> str:
        """The name with all but its first character hidden; an organisation's in full, for it is public."""
        name = str(self.claims.get("name", ""))
        return name if self.is_organisation else name[:1] + "*" * max(len(name) - 1, 0)

    @property
    def is_organisation(self) -> bool:
        """Whether the person acts for an organisation."""
        return self.claims.get("sub_type") == "organisation"


class Assertion(PrivateKeyJWT):  # type: ignore[misc]
    """private_key_jwt with our key: a fresh `jti` and one minute of life each time (Kabao accepts an hour at most)."""

    def sign(self, auth: Any, token_endpoint: str) -> str:
        """Return a fresh assertion."""
        assertion: str = private_key_jwt_sign(
            auth.client_secret,
            auth.client_id,
            token_endpoint,
            alg="ES256",
            header={"kid": auth.client_secret.thumbprint()},
            claims={"exp": int(time.time()) + 60},
        )
        return assertion


def create_app(config: Config) -> Flask:
    """Build the portal."""
    app = Flask(__name__)
    port = urlsplit(config.home).port
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME=f"portal_{port}",  # cookies ignore ports: two portals on one host need two names
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.home.startswith("https://"),
        MAX_CONTENT_LENGTH=64 * 1024,
        WTF_CSRF_SSL_STRICT=False,
    )
    app.extensions["portal"] = config
    app.extensions["visitors"] = {}
    app.extensions["kabao"] = connect(app, config)
    csrf.init_app(app)
    app.register_blueprint(portal)
    app.register_error_handler(requests.RequestException, unavailable)
    app.register_error_handler(HTTPException, not_so)
    app.before_request(remember_language)
    app.after_request(add_headers)
    app.jinja_env.globals.update(say=say, language=language, visitor=find_visitor, config=config, matter=matter_of, shown=shown)
    return app


def connect(app: Flask, config: Config) -> FlaskOAuth2App:
    """Introduce Kabao to Authlib: discovery, PKCE, private_key_jwt, and the scopes that we need."""
    client: FlaskOAuth2App = OAuth(app).register(
        "kabao",
        client_id=config.client_id,
        client_secret=config.key,
        server_metadata_url=f"{config.kabao}/.well-known/openid-configuration",
        client_auth_methods=[Assertion()],
        client_kwargs={
            "scope": "openid profile licences",
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "private_key_jwt",
            "default_timeout": TIMEOUT[1],
        },
    )
    return client


@portal.get("/login")
def login() -> Response:
    """Send the browser to Kabao, and remember where it wanted to go; ask for as strong a sign-in as a draw was refused for (RFC 9470)."""
    session["next"] = request.args.get("next", "")
    level = session.pop("level", None)
    response: Response = kabao().authorize_redirect(my().home + "/callback", **({"acr_values": level} if level else {}))
    return response


@portal.get("/callback")
def callback() -> Response | tuple[str, int]:
    """Take the answer: check `iss` (RFC 9207), exchange the code, check the ID token, ask for the name, and sign the visitor in."""
    if request.args.get("iss") != my().kabao:
        return message(say("登录没有完成", "You were not signed in"), say("应答不是卡包发来的。", "The answer did not come from Kabao.")), 400
    try:
        token = kabao().authorize_access_token()
        claims = learn(token)
    except (OAuthError, JoseError) as error:
        refused = getattr(error, "error", "") == "access_denied"
        why = say("您没有同意授权。", "You did not allow it.") if refused else say("请重新登录。", "Please sign in again.")
        return message(say("登录没有完成", "You were not signed in"), why), 400
    forget()
    visitors()[key := secrets.token_urlsafe(24)] = Visitor(claims, token["access_token"], token["id_token"])
    goal = session.pop("next", "")
    session["visitor"] = key
    return see(f"/apply/{goal}" if goal in my().licences else "/")


def learn(token: dict[str, Any]) -> dict[str, Any]:
    """Return what the checked ID token says and, beside it, the name from the userinfo endpoint, if it speaks of the same person (Core 5.3.2)."""
    told = kabao().userinfo(token=token)
    if told["sub"] != token["userinfo"]["sub"]:
        raise OAuthError("invalid_token", "userinfo speaks of someone else")
    return {**told, **token["userinfo"], "act": told.get("act")}


@portal.post("/logout")
def sign_out() -> Response:
    """Sign out here and at Kabao, which tells every other portal, and come back (RP-Initiated Logout)."""
    gone = forget()
    if gone is None:
        return see("/")
    return see(kabao().create_logout_url(my().home + "/", id_token_hint=gone.id_token, client_id=my().client_id)["url"])


@portal.post("/backchannel-logout")
@csrf.exempt
def backchannel_logout() -> Response:
    """Hear from Kabao that a session ended, and end ours (Back-Channel Logout section 2.6)."""
    try:
        claims = read_logout_token(request.form.get("logout_token", ""))
    except (jwt.InvalidTokenError, jwt.PyJWKClientError) as error:
        current_app.logger.warning("logout token refused: %s", type(error).__name__)
        return Response(status=400, headers={"Cache-Control": "no-store"})
    for key in [key for key, one in visitors().items() if one.claims.get("sid") == claims["sid"]]:
        visitors().pop(key, None)
    return Response(status=200, headers={"Cache-Control": "no-store"})


def read_logout_token(unverified: str) -> dict[str, Any]:
    """Return the claims of a logout token; raises a PyJWT error whatever is wrong with it."""
    key = jwt.PyJWKClient(f"{my().kabao}/jwks", timeout=TIMEOUT[1]).get_signing_key_from_jwt(unverified)
    required: Any = {"require": ["iss", "aud", "iat", "exp", "jti", "sid", "events"]}
    claims: dict[str, Any] = jwt.decode(unverified, key, algorithms=ALGORITHMS, audience=my().client_id, issuer=my().kabao, options=required)
    if jwt.get_unverified_header(unverified).get("typ") != "logout+jwt" or LOGOUT_EVENT not in claims["events"] or "nonce" in claims:
        raise jwt.InvalidTokenError("not a logout token")
    return claims


@portal.get("/")
def home() -> str:
    """Show what can be applied for here."""
    return render_template("home.html")


@portal.get("/apply/<slug>")
def apply(slug: str) -> str | Response:
    """Say what the matter needs, and that it need not be uploaded."""
    if slug not in my().licences:
        abort(404)
    if find_visitor() is None:
        return see(url_for("portal.login", next=slug))
    return render_template("apply.html", slug=slug, kind=kind_of(slug))


@portal.post("/apply/<slug>")
def apply_now(slug: str) -> str | Response | tuple[str, int]:
    """Draw the licence, and show what came instead of an upload."""
    someone = find_visitor()
    if slug not in my().licences:
        abort(404)
    if someone is None:
        return see(url_for("portal.login", next=slug))
    answer = draw(slug, someone)
    if answer.status_code == requests.codes.unauthorized:
        wanted = LEVELS.search(answer.headers.get("WWW-Authenticate", ""))
        session["level"] = wanted[1] if wanted else None
        return see(url_for("portal.login", next=slug))
    if answer.status_code == requests.codes.created:
        return render_template("done.html", slug=slug, kind=kind_of(slug), drawn=answer.json())
    return message(*explain(answer.status_code, kind_of(slug))), 200 if answer.status_code < 500 else 502


def draw(slug: str, someone: Visitor) -> requests.Response:
    """Draw a licence of the visitor's with their consent (scope `licences`), saying why; the holder sees it in their history."""
    title = MATTERS.get(slug, ("办理事项", ""))[0]
    cause = {"text": title, "matter_name": title, "system": my().names["zh"]}
    headers = {"Authorization": f"Bearer {someone.access_token}", "Idempotency-Key": secrets.token_urlsafe(16)}
    return requests.post(f"{my().kabao}/api/v1/draws", json={"type": slug, "cause": cause}, headers=headers, timeout=TIMEOUT)


def explain(status: int, kind: dict[str, Any]) -> tuple[str, str]:
    """Return what to tell the visitor where no licence came."""
    name = kind["name"][language()]
    if status == requests.codes.not_found:
        return (
            say("卡包里还没有这张证照", "This licence is not in your wallet yet"),
            say(
                f"您名下没有电子{name}。请先向发证部门申领，之后无需提交复印件即可办理。",
                f"You hold no {name}. Apply for it first; then this needs no copy.",
            ),
        )
    if status == requests.codes.conflict:
        return say("证照当前无效", "The licence is not in force"), say(
            f"您的{name}已过期、暂扣或注销，暂不能办理。", f"Your {name} has expired, or was suspended or revoked."
        )
    return say("暂时无法调取证照", "The licence could not be drawn"), say("请稍后再试。", "Please try again later.")


def kind_of(slug: str) -> dict[str, Any]:
    """Return the licence type from the catalogue: its name, and the labels of its fields."""
    answer = requests.get(f"{my().kabao}/api/v1/licence-types/{slug}", timeout=TIMEOUT)
    if answer.status_code != requests.codes.ok:
        return {"name": {"zh": "证照", "en": "licence"}, "labels": {}, "choices": {}}
    kind = answer.json()
    labels = {one["name"]: one["label"] for one in kind["fields"]}
    choices = {one["name"]: one.get("choices") or {} for one in kind["fields"]}
    return {"name": kind["name"], "labels": labels, "choices": choices}


def shown(value: Any) -> str:
    """Return a field's value as a page shows it: a citizen number or credit code masked."""
    return NUMBER.sub(lambda found: found[0][:3] + "*" * 11 + found[0][-4:], str(value))


def matter_of(slug: str) -> str:
    """Return the title of the matter that a licence is drawn for."""
    return say(*MATTERS.get(slug, (f"办理事项（{slug}）", f"Apply ({slug})")))


def find_visitor() -> Visitor | None:
    """Return who is signed in, or None."""
    found: Visitor | None = visitors().get(session.get("visitor", ""))
    return found if found is not None and found.until > time.time() else None


def forget() -> Visitor | None:
    """Sign the visitor out here, and drop all whose time is over."""
    for key in [key for key, one in visitors().items() if one.until <= time.time()]:
        visitors().pop(key, None)
    return visitors().pop(session.pop("visitor", ""), None)


def unavailable(error: requests.RequestException) -> tuple[str, int]:
    """Say that Kabao does not answer."""
    current_app.logger.warning("Kabao does not answer: %s", type(error).__name__)
    return message(say("卡包暂时无法访问", "Kabao cannot be reached"), say("请稍后再试。", "Please try again later.")), 502


def not_so(error: HTTPException) -> tuple[str, int]:
    """Say kindly that there is no such page, or that a form has grown old."""
    title = say("找不到该页面", "There is no such page") if error.code == requests.codes.not_found else say("无法继续", "This cannot go on")
    return message(title, say("请返回首页重新开始。", "Please start again from the home page.")), error.code or 500


def message(title: str, text: str) -> str:
    """Render a page of one sentence."""
    return render_template("message.html", title=title, text=text)


def say(zh: str, en: str) -> str:
    """Return the text in the visitor's language."""
    return en if language() == "en" else zh


def language() -> str:
    """Return the visitor's language: chosen, else the browser's, else Chinese."""
    return session.get("lang") or request.accept_languages.best_match(["zh", "en"], "zh") or "zh"


def remember_language() -> None:
    """Keep the language that was chosen by `?lang=`."""
    if request.args.get("lang") in ("zh", "en"):
        session["lang"] = request.args["lang"]


def add_headers(response: Response) -> Response:
    """Let nothing run, frame or keep our pages; the sign-out form ends at Kabao."""
    response.headers["Content-Security-Policy"] = POLICY.format(my().kabao)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def see(goal: str) -> Response:
    """Send the browser on by GET."""
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response


def my() -> Config:
    """Return this portal's settings."""
    found: Config = current_app.extensions["portal"]
    return found


def kabao() -> FlaskOAuth2App:
    """Return Authlib's client for Kabao."""
    return current_app.extensions["kabao"]


def visitors() -> dict[str, Visitor]:
    """Return who is signed in, by the key in their cookie."""
    found: dict[str, Visitor] = current_app.extensions["visitors"]
    return found


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its lines would hold codes and states
    settings = Config.from_environ()
    make_server("127.0.0.1", urlsplit(settings.home).port or 80, create_app(settings), threaded=True).serve_forever()

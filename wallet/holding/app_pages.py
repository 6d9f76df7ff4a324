"""The wallet as an app: its manifest, the worker that serves its pages without a network, the page that shows what was kept, and what may be.

The worker and the page hold nothing of anybody: what is kept stays in the browser's own store (docs/decisions/0045-kept-without-a-network.md).
"""

import hashlib
import json

from flask import Blueprint, Response, current_app, g, jsonify, render_template, url_for

from idp.signin.callers import matched
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from wallet.holding import kept_cards
from wallet.holding.shelf import shelf_of
from wallet.holding.sifting import Sieve

app_pages = Blueprint("wallet_app", __name__, template_folder="templates")
SHELL = "/wallet/kept"
OWN = ("kabao.css", "kabao.js", "kept.js", "logo.svg", "guilloche.svg")
ICONS = (("icon-192.png", "192x192", "any"), ("icon-512.png", "512x512", "any"), ("icon-maskable.png", "512x512", "maskable"))


@app_pages.route("/wallet/app.webmanifest")
@allow(anyone)
def manifest() -> Response:
    """Say how the wallet is installed."""
    icons = [{"src": _asset(name), "sizes": sizes, "type": "image/png", "purpose": purpose} for name, sizes, purpose in ICONS]
    answer = jsonify(
        id="/wallet",
        name=str(Text("卡包：统一身份认证与电子证照", "Kabao: identity and e-licences")),
        short_name=str(Text("卡包", "Kabao")),
        start_url="/wallet",
        scope="/wallet",
        display="standalone",
        background_color="#f7f5f0",
        theme_color="#1f3f7f",
        icons=icons,
    )
    answer.mimetype = "application/manifest+json"
    return answer


@app_pages.route("/wallet/worker.js")
@allow(anyone)
def worker() -> Response:
    """Give the worker, with the names of what it needs: another version of one of them makes it another worker."""
    assets = [url_for("bootstrap.static", filename="css/bootstrap.min.css"), *(_asset(name) for name in OWN)]
    version = hashlib.sha256(" ".join(assets).encode()).hexdigest()[:12]
    head = f"const VERSION = {json.dumps(version)}, SHELL = {json.dumps(SHELL)}, ASSETS = {json.dumps(assets)};\n"
    with current_app.open_resource("static/worker.js", "r", encoding="utf-8") as file:
        answer = Response(head + file.read(), mimetype="text/javascript")
    answer.headers["Service-Worker-Allowed"] = "/wallet"
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@app_pages.route(SHELL)
@allow(anyone)
def shell() -> str:
    """Show what this browser kept; the page itself knows nobody."""
    return render_template("holding/kept.html")


@app_pages.route("/wallet/kept.json")
@allow(matched)
def document() -> Response:
    """Give what the browser may keep of the wallet that is before it."""
    with transaction() as session:
        found = shelf_of(session, g.signed_in, Sieve(), now=now(), limit=kept_cards.MOST).cards
    return jsonify(kept_cards.document_of(g.signed_in, found))


def _asset(name: str) -> str:
    found: str = current_app.jinja_env.globals["asset"](name)  # type: ignore[operator]
    return found

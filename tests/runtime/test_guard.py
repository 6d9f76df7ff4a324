from flask import Flask

from runtime import guard, problems, telemetry
from runtime.guard import allow, anyone, declare
from runtime.settings import Settings


class Nobody:
    name = "nobody"

    def admit(self) -> None:
        raise problems.NotSignedIn("nobody is let in")


def test_a_route_without_a_declared_caller_is_closed(settings: Settings) -> None:
    app = Flask(__name__)
    telemetry.init_app(app, settings)
    problems.init_app(app)
    guard.init_app(app)
    app.add_url_rule("/api/forgotten", "forgotten", lambda: "secret")
    app.add_url_rule("/api/open", "open", allow(anyone)(lambda: "open"))
    app.add_url_rule("/api/shut", "shut", allow(Nobody())(lambda: "secret"))
    app.add_url_rule("/api/later", "later", lambda: "later")
    declare(app, "later", anyone)
    client = app.test_client()
    assert [client.get(f"/api/{name}").status_code for name in ("forgotten", "open", "shut", "later")] == [403, 200, 401, 200]

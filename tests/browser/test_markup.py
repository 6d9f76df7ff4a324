"""What no eye sees of a page, and no browser complains of: its forms' tokens, what its parts refer to, where its data goes, how long it is kept."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from flask import Flask

from tests.browser import proofs
from tests.browser.cast import Cast, gather
from tests.browser.every_page import STOPS, Stop

REFERENCES = ("for", "aria-describedby", "aria-labelledby", "aria-controls", "form", "list", "headers")
ADDRESSES = ("href", "src", "action", "formaction")
SCRIPT = re.compile(r"\s*(javascript|vbscript|data:text)", re.IGNORECASE)
WITHOUT_TOKEN = {"copy_link_pages.waiting"}  # the secret in the address is all the proof that there is
CONTROLS = ("input", "button", "select", "textarea")


@dataclass
class Form:
    """A form, and the names of its controls."""

    method: str
    names: list[str] = field(default_factory=list)


class Markup(HTMLParser):
    """The elements of a page with their attributes, its title, and its forms."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.is_in_form = False
        self.feed(text)
        self.title = re.search(r"<title>(.*?)</title>", text, re.DOTALL)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        said = {name: value or "" for name, value in attrs}
        self.elements.append((tag, said))
        if tag == "form":
            self.forms.append(Form(said.get("method", "get").lower()))
            self.is_in_form = True
        elif tag in CONTROLS and self.is_in_form:
            self.forms[-1].names.append(said.get("name", ""))

    def handle_endtag(self, tag: str) -> None:
        """See that a form ends."""
        self.is_in_form = self.is_in_form and tag != "form"


@pytest.fixture(scope="module")
def cast(app: Flask) -> Cast:
    """Everybody."""
    return gather(app)


@pytest.mark.parametrize("stop", [stop for stop in STOPS if not stop.press], ids=lambda stop: stop.id)
def test_a_page_is_well_made_where_nobody_looks(app: Flask, cast: Cast, stop: Stop) -> None:
    proofs.renew(app)
    client, address = app.test_client(), urlsplit(stop.address(cast.at))
    for name, value in cast.cookies[stop.viewer].items():
        client.set_cookie(name, value)
    answer = client.get(f"{address.path}?{address.query}", headers={"User-Agent": "Mozilla/5.0", "Accept": "text/html"})
    assert answer.headers["Cache-Control"] == "no-store"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    page = Markup(answer.text)
    assert faults_of(page) == []
    assert told_in_the_wrong_place(page, answer.text, cast) == []
    if stop.endpoint not in WITHOUT_TOKEN:
        assert [form for form in page.forms if form.method == "post" and "csrf_token" not in form.names] == []


def faults_of(page: Markup) -> list[str]:
    """Tell what refers to nothing, or would run."""
    ids = {said["id"] for _, said in page.elements if "id" in said}
    faults = [f"{tag} {name}={said[name]}" for tag, said in page.elements for name in REFERENCES if set(said.get(name, "").split()) - ids]
    faults += [f"{tag} {name}" for tag, said in page.elements for name in said if name.startswith("on") or name == "style"]
    faults += [f"{tag} {name}" for tag, said in page.elements for name in ADDRESSES if SCRIPT.match(said.get(name, ""))]
    return faults + [tag for tag, said in page.elements if tag == "script" and not said.get("src", "").startswith("/")]


def told_in_the_wrong_place(page: Markup, text: str, cast: Cast) -> list[str]:
    """Tell where a person's number stands, whole, and where a name stands in an address or in the title, which browsers keep."""
    numbers, names = ({getattr(one, what) for one in cast.people.values()} for what in ("number", "name"))
    addresses = [unquote(said[name]) for _, said in page.elements for name in ADDRESSES if not said.get(name, "data:").startswith("data:")]
    kept = [*addresses, page.title[1] if page.title else ""]
    return [f"whole number in {text.count(one)} places" for one in numbers if one in text] + [one for one in kept for name in names if name in one]

"""A browser without a screen, for the tour: follows links and redirects, keeps cookies, fills in forms as pages offer them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

TIMEOUT = 15


class Surprise(Exception):
    """Something answered otherwise than the journey expects."""


@dataclass
class Form:
    """A form of a page: where it goes, how, what it holds already, and its buttons by id."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
            self.inside = True
        elif (self.inside and tag == "input" and given.get("type") in ("submit", "button")) or (self.inside and tag == "button"):
            self.forms[-1].buttons[given.get("id", "")] = (given.get("name", ""), given.get("value", ""))
        elif self.inside and tag == "input" and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.forms[-1].values[given.get("name", "")] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False


class Browser:
    """One person's browser; `page` is what it shows."""

    def __init__(self, *, language: str) -> None:
        self.session = requests.Session()
        self.session.headers.update({"Accept": "text/html,*/*;q=0.8", "Accept-Language": language, "User-Agent": "kabao-tour"})
        self.page = requests.Response()

    @property
    def text(self) -> str:
        """The page's HTML."""
        return self.page.text

    def open(self, url: str) -> "Browser":
        """Go to an address, through every redirect; raises Surprise if what comes is not a page that works."""
        return self._show(self.session.get(url, timeout=TIMEOUT))

    def submit(self, button: str, *, expect: tuple[int, ...] = (200,), **values: str) -> "Browser":
        """Press the button with an id in its form, with some fields filled in."""
        parser = _Forms()
        parser.feed(self.text)
        for form in parser.forms:
            if button in form.buttons:
                name, value = form.buttons[button]
                data = {**form.values, **values, **({name: value} if name else {})}
                url = urljoin(self.page.url, form.action or self.page.url)
                send = {"params": data} if form.method == "get" else {"data": data}
                return self._show(self.session.request(form.method, url, timeout=TIMEOUT, **send), expect=expect)  # type: ignore[arg-type]
        raise Surprise(f"{self.page.url} has no button #{button}")

    def has_button(self, button: str) -> bool:
        """Whether the page offers a button with this id."""
        return f'id="{button}"' in self.text

    def _show(self, page: requests.Response, *, expect: tuple[int, ...] = (200,)) -> "Browser":
        self.page = page
        if page.status_code not in expect:
            raise Surprise(f"{page.request.method} {page.url.split('?')[0]} answered {page.status_code}")
        return self

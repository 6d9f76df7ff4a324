"""Two languages, side by side: Chinese first, English at one click.

Every text that a person reads is a `Text` with both of its forms, written beside each other where it is used,
so that none can be missing and a reader sees at once whether they say the same thing. The choice, in order:
`?lang=` (remembered in a cookie), the cookie, what was suggested (by who sent the browser here, for half an hour), Accept-Language, Chinese.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from babel.dates import format_datetime, get_timezone
from flask import Flask, Response, current_app, g, has_request_context, request
from flask_babel import Babel, refresh

CHINESE, ENGLISH = "zh", "en"
LOCALES = {CHINESE: "zh_Hans_CN", ENGLISH: "en_GB"}  # 30 Nov 2026, 15:04: the day before the month, as our own texts have it, and as scripts are told
ZONE = "Asia/Shanghai"
WRITTEN = {CHINESE: "yyyy-MM-dd HH:mm", ENGLISH: "d MMM y, HH:mm"}
COOKIE = "kabao_lang"
COOKIE_LIFETIME = 365 * 24 * 3600
SUGGESTION = "kabao_suggested_lang"
SUGGESTION_LIFETIME = 30 * 60
MOST_TAGS = 20
HAN = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Text:
    """A text in both languages; `str()` gives the caller's."""

    zh: str
    en: str

    def __str__(self) -> str:
        return self.en if language() == ENGLISH else self.zh

    def format(self, *args: Any, **values: Any) -> "Text":
        """Return the text with the same values filled into both forms."""
        return Text(self.zh.format(*args, **values), self.en.format(*args, **values))

    def as_json(self) -> dict[str, str]:
        """Return both forms, for a document that carries them."""
        return {"zh": self.zh, "en": self.en}


def text_of(value: Text | dict[str, str]) -> Text:
    """Read a `Text` back from its JSON form."""
    return value if isinstance(value, Text) else Text(value["zh"], value["en"])


def written(moment: datetime) -> Text:
    """Return a moment as a sentence tells it, by the clocks of China."""
    said = {form: format_datetime(moment, pattern, get_timezone(ZONE), LOCALES[form]) for form, pattern in WRITTEN.items()}
    return Text(said[CHINESE], said[ENGLISH])


def language() -> str:
    """Return the caller's language, `zh` or `en`; outside a request, `zh`."""
    if not has_request_context():
        return CHINESE
    if "language" not in g:
        g.language = _choose()
    return str(g.language)


def suggest(tags: str) -> None:
    """Take the first of some BCP 47 tags that is ours for this page and those that follow, unless the browser has made its own choice."""
    spoken = (tag.split("-")[0].lower() for tag in tags.split()[:MOST_TAGS])
    first = next((language for language in spoken if language in (CHINESE, ENGLISH)), None)
    if first is not None and not {request.args.get("lang"), request.cookies.get(_cookie_name())} & {CHINESE, ENGLISH}:
        g.language = g.suggested_language = first
        refresh()


def _choose() -> str:
    for choice in (request.args.get("lang"), request.cookies.get(_cookie_name()), request.cookies.get(_cookie_name(SUGGESTION))):
        if choice in (CHINESE, ENGLISH):
            return choice
    return request.accept_languages.best_match([CHINESE, ENGLISH], CHINESE) or CHINESE


def _remember(response: Response) -> Response:
    choice = request.args.get("lang")
    if choice in (CHINESE, ENGLISH) and request.cookies.get(_cookie_name()) != choice:
        _set_cookie(response, COOKIE, str(choice), lifetime=COOKIE_LIFETIME)
    suggested = g.get("suggested_language")
    if suggested is not None and request.cookies.get(_cookie_name(SUGGESTION)) != suggested:
        _set_cookie(response, SUGGESTION, suggested, lifetime=SUGGESTION_LIFETIME)
    response.headers.add("Vary", "Accept-Language")
    return response


def _set_cookie(response: Response, name: str, choice: str, *, lifetime: int) -> None:
    secure = current_app.config["SESSION_COOKIE_SECURE"]
    response.set_cookie(_cookie_name(name), choice, max_age=lifetime, path="/", samesite="Lax", secure=secure, httponly=True)


def _cookie_name(name: str = COOKIE) -> str:
    """Return the name of a cookie; over HTTPS its prefix binds it to this host."""
    return f"__Host-{name}" if current_app.config["SESSION_COOKIE_SECURE"] else name


def init_app(app: Flask) -> None:
    """Let pages say `say("中文", "English")`, and dates follow the caller's language."""
    Babel(app, locale_selector=lambda: LOCALES[language()], default_timezone=ZONE)
    app.jinja_env.tests["chinese"] = lambda text: HAN.search(text) is not None
    app.jinja_env.globals.update(say=Text, language=language, text_of=text_of)
    app.after_request(_remember)

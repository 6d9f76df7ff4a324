"""What a stranger, or a broken program, may send to any door: each entry is a set of arguments for Flask's test client."""

import json
from typing import Any
from urllib.parse import quote, unquote

MARK = '"><script>door(1)</script>'
DEEP = 60_000
MANY = 12_000_000
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
ODD_TEXTS = {
    "nul": "a\0b",
    "lone surrogate": "a\ud800b",
    "astral": "𠮷🀄\u202e\ufeff",
    "markup": MARK,
    "long": "长" * 20_000,
    "empty": "",
    "blank": " \t\r\n ",
    "line break": "a\r\nX-Injected: 1",
    "template": "{{7*7}}${7*7}%s%n{0}",
    "sql": "'; DROP TABLE subjects; --",
}
QUOTED = {  # for a query or a form; the long one has six hundred bytes, and as many characters as can be without each of them three times three
    what: quote("长" * 20 + "a" * 540 if what == "long" else text[:200], errors="surrogatepass") for what, text in ODD_TEXTS.items()
}
ODD_TIMES = {  # as an address has them
    "no such day": "2026-02-30",
    "the first day of all": "0001-01-01",
    "the last day of all": "9999-12-31",
    "before the first moment of all": "0001-01-01T00:00:00%2B14:00",
    "after the last moment of all": "9999-12-31T23:59:59-12:00",
    "an offset of more than a day": "2026-01-01T00:00:00%2B25:00",
    "a number beyond all columns": str(2**70),
}
ODD_VALUES: dict[str, Any] = {
    **ODD_TEXTS,
    **{what: unquote(odd) for what, odd in ODD_TIMES.items()},
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "too great for a column": 2**63,
    "fraction": 1e308,
    "list": [],
    "list of lists": [[[]]],
    "object": {},
    "object with an odd name": {"a\0\ud800": MARK},
}


def body(content: bytes | str, content_type: str | None = JSON) -> dict[str, Any]:
    """Return a request with a body as it is."""
    return {"data": content.encode() if isinstance(content, str) else content, "content_type": content_type}


def document(content: Any) -> dict[str, Any]:
    """Return a request with JSON; lone surrogates stay as escapes."""
    return body(json.dumps(content))


BODIES: dict[str, dict[str, Any]] = {
    "no body": {},
    "no body, said to be JSON": body("", JSON),
    "text": body("hello", "text/plain"),
    "XML with an entity": body('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "application/xml"),
    "no content type": body("{}", None),
    "odd content type": body("{}", ";;;=/"),
    "JSON in an unknown charset": body("{}", "application/json; charset=nothing"),
    "JSON in UTF-16": body("{}".encode("utf-16"), "application/json; charset=utf-16"),
    "multipart without boundary": body("--x\r\n", "multipart/form-data"),
    "multipart cut short": body("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n", "multipart/form-data; boundary=x"),
    "half of JSON": body('{"a":'),
    "JSON twice": body("{}{}"),
    "not UTF-8": body(b'{"a":"\xff\xfe"}'),
    "NUL in JSON": body(b'{"a":"\x00"}'),
    "NaN": body('{"a":NaN,"b":Infinity}'),
    "a number of 5000 digits": body('{"a":' + "9" * 5000 + "}"),
    "an exponent beyond all": body('{"a":1e999999}'),
    "a list": document([]),
    "a text": document("a"),
    "a number": document(1),
    "null": document(None),
    "true": document(True),
    "an empty object": document({}),
    "unknown members": document({"nobody_knows": 1, MARK: MARK, "__proto__": {}, "": None}),
    "one member twice": body('{"type":"a","type":"b"}'),
    "lists, deep": body("[" * DEEP),
    "objects, deep": body('{"a":' * DEEP + "1" + "}" * DEEP),
    "lists, deep, in a member": body('{"fields":' + "[" * DEEP + "]" * DEEP + "}"),
    "ten megabytes": body(b'{"a":"' + b"a" * MANY + b'"}'),
    "ten megabytes of form": body(b"a=" + b"a" * MANY, FORM),
    "a thousand form fields": body("&".join(f"f{index}=1" for index in range(5000)), FORM),
    "form, not UTF-8": body(b"number=%ff%fe&name=%ed%a0%80&a=\xff", FORM),
    "form with NUL": body("number=%00&name=a%00b&cause=%00&code=%00&password=%00&csrf_token=%00", FORM),
}

FORM_NAMES = [
    "number",
    "name",
    "password",
    "csrf_token",
    "next",
    "code",
    "content",
    "presented",
    "cause",
    "organisation",
    "organisation_id",
    "acting",
    "fields",
    "field",
    "receipt",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "response_type",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "refresh_token",
    "token",
    "token_type_hint",
    "client_assertion",
    "client_assertion_type",
    "id_token_hint",
    "logout_hint",
    "post_logout_redirect_uri",
    "prompt",
    "max_age",
    "ui_locales",
    "acr_values",
    "claims",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "display",
    "login_hint",
    "lang",
    "after",
    "limit",
    "type",
    "holder",
    "answer",
    "approve",
    "reason",
    "legal_basis",
    "effective_on",
    "to",
    "valid_from",
    "valid_until",
    "holder_number",
    "holder_name",
    "co_holders",
    "licence_number",
    "request_id",
    "sought",
    "f_address",
    "f_vehicle_class",
    "slug",
    "front",
    "labels",
    "matters",
    "statement_zh",
    "max_years",
    "field-0-name",
    "field-0-type",
    "field-0-choices",
    "field-0-example",
    "tx_code",
    "kind",
    "way",
    "event",
]

HEADERS: dict[str, dict[str, str]] = {
    **{
        f"Authorization: {value[:24]!r} ({len(value)})": {"Authorization": value}
        for value in (
            "",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer x",
            "Bearer a.b.c",
            "Bearer eyJhbGciOiJub25lIn0.e30.",
            "Bearer eyJ9.W10.x",
            "Bearer ..",
            "Bearer " + "a" * 60_000,
            "Bearer \xff\xfe",
            "Basic",
            "Basic ====",
            "Basic /w==",
            "Basic Og==",
            "Basic YTpi",
            "Basic AAA6AAA=",
            "Digest username=x",
            "\x01",
            "DPoP x",
        )
    },
    "huge cookie": {"Cookie": "kabao_form=" + "a" * 60_000},
    "foreign cookies": {"Cookie": "; ".join(f"c{index}=v" for index in range(500))},
    "broken cookies": {"Cookie": 'kabao_form=.x.y; kabao_session=\xff\x01; __Host-kabao_session="; kabao_lang=%00; =; a'},
    "huge header": {"X-Anything": "a" * 60_000},
    "odd names": {"X-Request-ID": MARK, "X-Forwarded-For": MARK, "X-Forwarded-Host": MARK, "Referer": MARK, "Origin": "null", "User-Agent": MARK},
    "odd negotiation": {
        "Accept": "*/*;q=x, text/html;q=9",
        "Accept-Language": "zh;q=1;q=2,,;;x\xff",
        "Accept-Encoding": "br;q=x, \xff",
        "Range": "bytes=9-1",
    },
    "odd conditions": {
        "If-None-Match": 'W/"',
        "If-Modified-Since": "never",
        "Idempotency-Key": "\x00\xff",
        "Content-Encoding": "gzip",
        "Expect": "x",
    },
    "idempotency key too long": {"Idempotency-Key": "k" * 10_000},
}

PATH_TEXTS = {
    "plain": "a",
    "NUL": "%00",
    "not UTF-8": "%ff%fe",
    "surrogate": "%ed%a0%80",
    "up": "..%2f..%2fetc%2fpasswd",
    "markup": "%22%3E%3Cscript%3Edoor(1)%3C%2Fscript%3E",
    "Chinese": "%E8%AF%81%E7%85%A7",
    "long": "a" * 8000,
    "line break": "a%0d%0aX-Injected:%201",
    "nobody's": "0192f000-0000-7000-8000-000000000000",
    "great number": "9" * 400,
}

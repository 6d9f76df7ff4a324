"""A registry of another department, asked over HTTP as `docs/recipes/registry-api.md` says.

The question is signed, the number travels in the body, and only a whole, well-formed answer about the number that was asked
is one: whatever else comes, in time or not, is RegistryUnavailable and never "no match". A registry that keeps failing
is left alone for half a minute.
"""

import json
import re
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy.orm import Session

from idp.subjects import registry_answers
from idp.subjects.numbers import Number
from idp.subjects.records import MATCH, NO_MATCH, UNAVAILABLE, Record, RegistryUnavailable, record_of
from idp.subjects.registry_rows import SOURCES, RowError, checked_number, read_row
from keys import request_signing
from runtime import outbound
from runtime.breaker import Breaker, BreakerOpen
from runtime.clock import now as clock_now
from runtime.problems import Refusal
from runtime.settings import Settings

log = structlog.get_logger(__name__)
ASKED = Counter("kabao_registry_answers_total", "Answers of registries that are asked over HTTP", ["registry", "answer"])
LIMIT = 256 * 1024
MOST_RECORDS = 200
NO_MATCH_KEPT = timedelta(seconds=30)
MAX_AGE = re.compile(r'(?:^|[\s,])max-age="?(\d{1,9})')
LISTS = ("guardians", "former_numbers")


class WrongAnswer(Exception):
    """The registry answered, and not as the protocol says; the message repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class HttpRegistry:
    """One registry (`people` or `organisations`) at one address."""

    name: str
    url: str
    session: Session
    settings: Settings

    def find(self, number: Number) -> Record | None:
        """Return the record of a number, or None if there is none; raises RegistryUnavailable."""
        answer = self._ask(registry_answers.RECORD, number)
        return self._record(answer["record"]) if answer["answer"] == MATCH else None

    def represented_by(self, number: Number) -> list[Record]:
        """Return the organisations whose legal representative has this number; raises RegistryUnavailable."""
        answer = self._ask(registry_answers.REPRESENTED_BY, number)
        return [self._record(record) for record in answer["records"]] if answer["answer"] == MATCH else []

    def _ask(self, asked: str, number: Number) -> dict[str, Any]:
        """Return the answer to a question, checked whole; a kept one if there is one."""
        kept = registry_answers.find(self.session, asked, number, now=clock_now())
        if kept is not None:
            found: dict[str, Any] = json.loads(kept)
            return found
        began = time.monotonic()
        outcome = UNAVAILABLE
        try:
            with breaker_of(self.url).attempt():
                answer, kept_for = self._fetch(asked, number)
                outcome = answer["answer"]
        except (BreakerOpen, outbound.NoAnswer, WrongAnswer, Refusal) as error:
            raise RegistryUnavailable(f"{self.name}: {type(error).__name__}: {error}") from error
        finally:
            ASKED.labels(self.name, outcome).inc()
            log.info("registry asked", registry=self.name, answer=outcome, ms=round((time.monotonic() - began) * 1000))
        if kept_for:
            registry_answers.keep(asked, number, json.dumps(answer, ensure_ascii=False), expires_at=clock_now() + kept_for)
        return answer

    def _fetch(self, asked: str, number: Number) -> tuple[dict[str, Any], timedelta]:
        body = json.dumps({"ask": asked, "number": number.value}).encode()
        headers = request_signing.sign_headers("POST", self.url, body, now=clock_now())
        answer = outbound.fetch(
            "POST",
            self.url,
            body=body,
            headers={**headers, "Accept": "application/json"},
            allowed=outbound.allowed_by(self.settings, self.url),
            timeout=self.settings.registry_timeout.total_seconds(),
            limit=LIMIT,
        )
        read = _read(answer)
        self._check(read, asked, number)
        return read, self._kept_for(answer, read)

    def _check(self, read: dict[str, Any], asked: str, number: Number) -> None:
        """Check that an answer is one, to the question that was asked, so that what is kept needs no second look; raises WrongAnswer."""
        if read.get("answer") == NO_MATCH:
            return
        if read.get("answer") != MATCH:
            raise WrongAnswer("neither match nor no_match")
        if asked == registry_answers.RECORD:
            record = self._record(read.get("record"))
            if number not in (record.number, *record.former_numbers):
                raise WrongAnswer("a record of another number")
            return
        records = read.get("records")
        if not isinstance(records, list) or len(records) > MOST_RECORDS:
            raise WrongAnswer("no list of records, or too long a one")
        if any(self._record(record).representative != number for record in records):
            raise WrongAnswer("a record of another representative")

    def _record(self, unverified: Any) -> Record:
        """Read a record; raises WrongAnswer."""
        try:
            return record_of(_members(self.name, unverified))
        except RowError as error:
            raise WrongAnswer(f"an unusable record: {error}") from error

    def _kept_for(self, answer: outbound.Answer, read: dict[str, Any]) -> timedelta:
        """Return how long an answer is kept: as long as it says, within our own bound; that there is no one, only briefly."""
        control = answer.headers.get("cache-control", "").lower()
        if "no-store" in control or "no-cache" in control:
            return timedelta(0)
        said = MAX_AGE.search(control)
        kept = min(self.settings.registry_cache, timedelta(seconds=int(said[1]))) if said else self.settings.registry_cache
        return min(kept, NO_MATCH_KEPT, self.settings.registry_cache / 10) if read["answer"] == NO_MATCH else kept


@cache
def breaker_of(url: str) -> Breaker:
    """Return the breaker of a registry, one a process."""
    return Breaker()


def _read(answer: outbound.Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise WrongAnswer(f"status {answer.status}")
    if answer.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise WrongAnswer("another content type")
    try:
        read = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise WrongAnswer("not JSON") from error
    if not isinstance(read, dict):
        raise WrongAnswer("not an object")
    return read


def _members(registry: str, unverified: Any) -> dict[str, str]:
    """Return a record as rows of a file are kept, checked by the same rules; raises RowError, WrongAnswer."""
    if not isinstance(unverified, dict):
        raise WrongAnswer("not a record")
    source = SOURCES[registry]
    known = [*source.required, *(name for name in source.optional if name != "former_number")]
    row = {name: unverified[name] for name in known if unverified.get(name) is not None}
    formers = unverified.get("former_numbers") or []
    guardians = row.pop("guardians", [])
    if not all(isinstance(value, str) for value in row.values()) or not all(_is_list_of_texts(each) for each in (formers, guardians)):
        raise WrongAnswer("a member of another type")
    number, members = read_row(source, {**row, **({"guardians": " ".join(guardians)} if guardians else {})})
    former = [checked_number(each, "former_numbers", is_person=number.is_person).value for each in formers]
    return {**members, **({"former_numbers": " ".join(former)} if former else {})}


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 20 and all(isinstance(each, str) for each in value)

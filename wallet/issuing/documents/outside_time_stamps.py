"""Time stamps of another authority (RFC 3161), where the operator named one: asked for over HTTP, and believed only if they lead to its own roots.

A stamp is of what was signed and of now, or it is none. The authority's own revocation list is not fetched: whoever checks the document later asks
for it. The last stamp of each authority is kept in the process, for how much room one takes in a document.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import cache

from asn1crypto import cms, pem, tsp, x509
from pyhanko.sign.timestamps.api import TimeStamper
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.path import ValidationPath

from runtime import outbound
from runtime.breaker import Breaker, BreakerOpen
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings

HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
TIMEOUT, LIMIT = 5.0, 64 * 1024
APART = timedelta(minutes=5)
GRANTED = ("granted", "granted_with_mods")
MALFORMED = (ValueError, TypeError, KeyError, AttributeError)  # what asn1crypto raises where it meets something else than it should
_last: dict[str, cms.ContentInfo] = {}


class TimeStampUnavailable(Refusal):
    """The time stamping authority gave no stamp, or none that can be believed; `reason` says which."""

    code, status = "time-stamp-unavailable", 503
    title = Text("时间戳服务暂不可用，请稍后再试。", "The time stamping authority gives no stamp at the moment: try again later.")


class OutsideTimeStamper(TimeStamper):
    """Asks the operator's authority for each stamp."""

    def __init__(self, settings: Settings, *, now: datetime) -> None:
        super().__init__()
        assert settings.time_stamp_url is not None
        self.settings, self.url, self.now = settings, settings.time_stamp_url, now
        if self.url in _last:
            self._register_dummy("sha256", _last[self.url])

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """Return a stamp over a digest, checked; raises TimeStampUnavailable."""
        nonce, request = self.request_cms(message_digest, md_algorithm)
        try:
            with _breaker(self.url).attempt():
                token = _token_of(self._ask(request.dump()), nonce)
                await self._check(token, message_digest)
        except BreakerOpen as error:
            raise TimeStampUnavailable("it failed lately, and is not asked now") from error
        _last[self.url] = token
        return token

    async def validation_paths(self, validation_context: ValidationContext) -> AsyncIterator[ValidationPath]:
        """Yield the path from the authority's certificate to a root of its own, whatever else the document's context trusts."""
        async for path in super().validation_paths(self._context()):
            yield path

    def _ask(self, request: bytes) -> bytes:
        allowed = outbound.allowed_by(self.settings, self.url)
        try:
            answer = outbound.fetch("POST", self.url, body=request, headers=HEADERS, allowed=allowed, timeout=TIMEOUT, limit=LIMIT)
        except outbound.NoAnswer as error:
            raise TimeStampUnavailable(f"no answer: {error}") from error
        if answer.status != 200 or answer.headers.get("content-type", "").partition(";")[0].strip() != HEADERS["Accept"]:
            raise TimeStampUnavailable(f"not a reply with a stamp: {answer.status}")
        return answer.body

    async def _check(self, token: cms.ContentInfo, digest: bytes) -> None:
        """Check who signed a stamp, over what, and when; raises TimeStampUnavailable."""
        try:
            found = await validate_tst_signed_data(token["content"], self._context(), lambda _: digest)
        except (SignatureValidationError, *MALFORMED) as error:
            raise TimeStampUnavailable(f"a stamp that is none: {type(error).__name__}") from error
        if not (found["intact"] and found["valid"] and found.get("validation_path") is not None):
            raise TimeStampUnavailable("a stamp of somebody else, or of something else")
        if abs(found["timestamp"] - self.now) > APART:
            raise TimeStampUnavailable("a stamp of another time")

    def _context(self) -> ValidationContext:
        return ValidationContext(
            trust_roots=_roots(self.settings.time_stamp_roots), allow_fetching=False, revocation_mode="soft-fail", moment=self.now
        )


def _token_of(body: bytes, nonce: int | None) -> cms.ContentInfo:
    try:
        response = tsp.TimeStampResp.load(body, strict=True)
        status = response["status"]["status"].native
        if status not in GRANTED:
            raise TimeStampUnavailable(f"refused: {status}")
        token = cms.ContentInfo.load(response["time_stamp_token"].dump(), strict=True)
        if token["content"]["encap_content_info"]["content"].parsed["nonce"].native != nonce:
            raise TimeStampUnavailable("an answer to another request")
    except MALFORMED as error:
        raise TimeStampUnavailable(f"malformed: {type(error).__name__}") from error
    return token


@cache
def _breaker(_url: str) -> Breaker:
    return Breaker(failures=3)


@cache
def _roots(texts: bytes) -> list[x509.Certificate]:
    return [x509.Certificate.load(der) for _, _, der in pem.unarmor(texts, multiple=True)]

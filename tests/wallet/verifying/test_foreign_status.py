"""What another province's status list says is kept for a while, but never past its own end."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from runtime.outbound import Answer
from runtime.settings import Settings
from tests.wallet.verifying.presented import ISSUER, NOW, root
from tests.wallet.verifying.status_tokens import URI, status_token
from wallet.issuing.status_packing import JWT_MEDIA_TYPE
from wallet.verifying import foreign_status
from wallet.verifying.checks import SourceUnavailable, StatusUnknown
from wallet.verifying.listed import Listed

CLAIMS = {"iss": ISSUER, "status": {"status_list": {"idx": 7, "uri": URI}}}
LISTED = Listed(ISSUER, "11379999MB1A0001X0", {}, "虚构省", 0.0, 0.0, 0.0, roots=(root(),))
SECOND = timedelta(seconds=1)


class Elsewhere:
    """The other house, which is asked as often as `asked` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
        self.settings, self.asked, self.media_type, self.status = settings, 0, JWT_MEDIA_TYPE, 200
        self.token = status_token({}, ends=1000, ttl=None)
        self.kept: dict[Any, Any] = {}
        monkeypatch.setattr(foreign_status.cache, "get", self.keep)
        monkeypatch.setattr(foreign_status, "fetch", self.answer)

    def keep(self, _: str, key: Any, load: Any) -> Any:
        if key not in self.kept:
            self.kept[key] = load()
        return self.kept[key]

    def answer(self, *_: Any, **__: Any) -> Answer:
        self.asked += 1
        return Answer(self.status, {"content-type": self.media_type}, self.token)

    def status_at(self, moment: datetime) -> str:
        return foreign_status.status_of(self.settings, LISTED, CLAIMS, now=moment)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Elsewhere:
    return Elsewhere(monkeypatch, settings)


def test_a_list_is_kept_until_its_end_and_asked_for_anew_after(elsewhere: Elsewhere) -> None:
    assert [elsewhere.status_at(NOW), elsewhere.status_at(NOW + 999 * SECOND)] == ["valid", "valid"]
    assert elsewhere.asked == 1
    elsewhere.token = status_token({7: 1}, ends=2000, ttl=None)
    assert [elsewhere.status_at(NOW + 1000 * SECOND), elsewhere.status_at(NOW + 1001 * SECOND)] == ["revoked", "revoked"]
    assert elsewhere.asked == 2
    elsewhere.token = status_token({7: 2}, ends=3000, ttl=None)
    assert elsewhere.status_at(NOW + 2000 * SECOND) == "suspended"


def test_a_list_that_was_over_when_it_came_says_nothing(elsewhere: Elsewhere) -> None:
    elsewhere.status_at(NOW)
    with pytest.raises(StatusUnknown):
        elsewhere.status_at(NOW + 1000 * SECOND)


def test_the_name_of_a_media_type_is_read_in_any_case(elsewhere: Elsewhere) -> None:
    elsewhere.media_type = "Application/StatusList+JWT; charset=utf-8"
    assert elsewhere.status_at(NOW) == "valid"


@pytest.mark.parametrize("uri", [URI.replace("https", "http"), URI.replace("example", "example:444"), URI.replace("kabao", "other"), "https://["])
def test_a_list_at_another_origin_than_the_issuer_s_is_not_asked_for(elsewhere: Elsewhere, uri: str) -> None:
    told = {"iss": ISSUER, "status": {"status_list": {"idx": 7, "uri": uri}}}
    with pytest.raises(StatusUnknown):
        foreign_status.status_of(elsewhere.settings, LISTED, told, now=NOW)
    assert elsewhere.asked == 0


@pytest.mark.parametrize(("ttl", "asked_after"), [(30, 30), (45.5, 46), (1, 5), (0.001, 5)], ids=["short", "a fraction", "too short", "none"])
def test_a_list_is_asked_for_anew_when_its_time_to_live_is_over(elsewhere: Elsewhere, ttl: float, asked_after: int) -> None:
    elsewhere.token = status_token({}, ttl=ttl)
    assert [elsewhere.status_at(NOW), elsewhere.status_at(NOW + (asked_after - 1) * SECOND)] == ["valid", "valid"]
    assert elsewhere.asked == 1
    elsewhere.token = status_token({7: 1}, ttl=ttl)
    assert elsewhere.status_at(NOW + asked_after * SECOND) == "revoked"
    assert elsewhere.asked == 2


@pytest.mark.parametrize(
    ("status", "raised"),
    [(429, SourceUnavailable), (408, SourceUnavailable), (503, SourceUnavailable), (404, StatusUnknown), (301, StatusUnknown), (403, StatusUnknown)],
)
def test_a_house_that_has_no_time_now_is_told_from_one_that_cannot_say(elsewhere: Elsewhere, status: int, raised: type[Exception]) -> None:
    elsewhere.status = status
    with pytest.raises(StatusUnknown) as refused:
        elsewhere.status_at(NOW)
    assert refused.type is raised

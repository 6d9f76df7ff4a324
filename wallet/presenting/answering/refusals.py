"""Why a request is not answered, in words for its reader, and in the code by which the verifier may be told (OpenID4VP section 8.5)."""

from dataclasses import dataclass
from typing import Any

from runtime.languages import Text
from runtime.problems import Refusal

INVALID_REQUEST, INVALID_TRANSACTION, FORMATS, DENIED = "invalid_request", "invalid_transaction_data", "vp_formats_not_supported", "access_denied"


@dataclass(frozen=True, slots=True)
class Whom:
    """Where a verifier may be told, once its request was proven to be its own."""

    response_uri: str
    state: str | None


class RequestRefused(Refusal):
    """The request is not as it must be: nothing of the wallet is shown. `whom` is there once it is known who is to be told `error`."""

    code, status = "request-refused", 422
    title = Text(
        "该请求不符合要求，已拒绝，没有发送任何证照内容。", "The request is not as it must be; it was refused, and nothing of a licence was sent."
    )

    def __init__(self, reason: str = "", *, error: str = INVALID_REQUEST, **rest: Any) -> None:
        super().__init__(reason, **rest)
        self.error = error
        self.whom: Whom | None = None


UNSIGNED = Text("签名无效，可能被人改动过。", "Its signature is wrong: somebody may have changed it.")
WRONG_NAME = Text("所附证书与其声称的身份不符。", "Its certificate is not of whom it claims to be.")
WRONG_PLACE = Text("它要求把内容发到别处。", "It would have the answer sent elsewhere.")
OVER = Text("它已过期，请让对方重新发起。", "It is over: ask for a new one.")
UNSUPPORTED = Text("它使用了本卡包不支持的方式。", "It wants something that this wallet does not do.")
NOT_THERE = Text(
    "无法取得该请求，可能已被打开过或已过期，请让对方重新发起。",
    "It could not be fetched: it may have been opened before, or be over. Ask for a new one.",
)

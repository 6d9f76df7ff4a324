"""Which forms a verifier says that it reads, and by which algorithms (`vp_formats_supported`), against those that this wallet shows. Pure.

A verifier that says nothing of a form that it asks for is taken to read it. OpenID4VP 1.0 section 11.1, appendices B.1.3.1.3, B.2.2, B.3.4.
"""

from collections.abc import Mapping
from typing import Any

from wallet.presenting.answering.refusals import FORMATS, UNSUPPORTED, RequestRefused
from wallet.presenting.dcql import Query
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC, VC_JWT

ES256, COSE_ES256 = ["ES256"], [-7, -9]
OURS: Mapping[str, Mapping[str, list[Any]]] = {
    SD_JWT_VC: {"sd-jwt_alg_values": ES256, "kb-jwt_alg_values": ES256},
    MDOC: {"issuerauth_alg_values": COSE_ES256, "deviceauth_alg_values": COSE_ES256},
    VC_JWT: {"alg_values": ES256},
}


def is_readable(form: str, unverified_metadata: Any) -> bool:
    """Whether a form is one of ours, in algorithms that a verifier's metadata does not rule out."""
    supported = unverified_metadata.get("vp_formats_supported") if isinstance(unverified_metadata, dict) else None
    told = supported.get(form) if isinstance(supported, dict) else None
    values = {name: told.get(name) for name in OURS.get(form, ())} if isinstance(told, dict) else {}
    return form in OURS and all(any(one in OURS[form][name] for one in each) for name, each in values.items() if isinstance(each, list))


def check_formats(query: Query, unverified_metadata: Any) -> None:
    """Check that something of what is asked for could be shown; raises RequestRefused, of which the verifier is told by its name."""
    if not any(is_readable(one.format, unverified_metadata) for one in query.credentials):
        raise RequestRefused("no form that both know", error=FORMATS, shown=UNSUPPORTED)

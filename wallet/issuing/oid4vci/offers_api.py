"""For issuing departments: offer a licence of theirs to its holder, who fetches it into a wallet of their own choice."""

from typing import Any
from uuid import UUID

from flask import current_app, g

from idp.oauth.callers import bearer
from idp.oauth.grantees import Grantee
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.offers import PRE_AUTHORIZED, OfferRequestSchema, OfferSchema
from wallet.issuing.oid4vci import offers
from wallet.register.licences import Licence, LicenceNotFound, LicenceState, get_licence

offers_api = ApiBlueprint("offers", __name__, description="Offers of licences to wallets (OpenID4VCI 1.0), for the departments that issue them.")
csrf.exempt(offers_api)


class NotOfferable(Refusal):
    """The licence is not in force, or its holder has to sign in for it."""

    code, status, title = "licence-not-offerable", 409, Text("该证照当前不能以此方式领取。", "The licence cannot be offered in this way now.")


@offers_api.route("/licences/<uuid:licence_id>/offers", methods=["POST"])
@allow(bearer("licences:issue"))
@offers_api.arguments(OfferRequestSchema())
@offers_api.response(201, OfferSchema)
@offers_api.doc(security=[{"department": ["licences:issue"]}])
def offer(body: dict[str, Any], licence_id: UUID) -> dict[str, Any]:
    """Offer a licence; one offer waits at a time. The transaction code is for the holder alone, by another way than the offer."""
    settings: Settings = current_app.extensions["kabao_settings"]
    moment, is_pre_authorized = now(), body["grant"] == PRE_AUTHORIZED
    with transaction() as session:
        licence = get_licence(session, licence_id)
        if licence.issuer_code != g.token.department:
            raise LicenceNotFound("another department's")
        holder = directory.get_subject(session, licence.holder_id)
        directory.check_active(holder)
        _check(licence, is_alone=holder.kind == directory.PERSON and licence.holders == 1, is_pre_authorized=is_pre_authorized)
        whom = Grantee(holder.id, holder.id)
        actor = f"department:{g.token.department}"
        made = offers.make(session, licence, whom, pre_authorize=is_pre_authorized, settings=settings, actor=actor, now=moment)
    return {
        "credential_offer_uri": made.uri(settings),
        "link": made.link(settings),
        "credential_offer": made.document,
        "tx_code": made.tx_code,
        "expires_at": moment + offers.LIFETIME,
    }


def _check(licence: Licence, *, is_alone: bool, is_pre_authorized: bool) -> None:
    if licence.state_at(now()) not in (LicenceState.VALID, LicenceState.NOT_YET_VALID):
        raise NotOfferable(f"state {licence.state}")
    if is_pre_authorized and not is_alone:
        shown = Text("单位或多人共有的证照，请用sign-in方式。", "For organisations and several holders, use `sign-in`.")
        raise NotOfferable("not one person's", field="grant", shown=shown)

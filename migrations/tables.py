"""Imports every module that owns a table, so that the metadata is whole."""

from idp.oauth import assertions, clients, codes, consents, cutoffs, portal_sessions, refresh_tokens, resources, revoked_tokens
from idp.oauth.apart import inbox, waiting
from idp.oauth.attested import makers
from idp.oauth.exchange import issuers, pre_authorized
from idp.oauth.registration import initial_tokens, policies, registering, software_statements
from idp.oauth.requests import pushed
from idp.signals import streams, tokens
from idp.signin import (
    accounts,
    alarms,
    contacts,
    counter_codes,
    devices,
    notice_choices,
    notices,
    one_time_codes,
    operators,
    passkey_challenges,
    passkeys,
    pending,
    places,
    proofs,
    recovery,
    recovery_codes,
    scans,
    sessions,
    stated,
    throttle,
    totp,
    trusted_browsers,
)
from idp.subjects import directory, history, mandate_queries, mandates, registries, registry_answers, registry_updates
from keys import issued_certificates, revocation_lists, ring, rotation, sealing, trust_anchors
from runtime import events, failed_jobs, idempotency, ledger
from runtime.database import Base
from wallet.holding import expiry_notices, favourites, licence_notices, marked_copies, ratings, uses
from wallet.issuing import batches, credentials, status_building, status_lists, trust_list
from wallet.issuing import pending as act_requests
from wallet.issuing.documents import kept
from wallet.issuing.importing import uploads
from wallet.issuing.oid4vci import deferred, elsewhere, offers
from wallet.presenting import qr_codes
from wallet.presenting.answering import asked
from wallet.register import catalogue, counts, departments, desk_choice, licences, matter_fields, turns
from wallet.verifying import draw_watch, receipts, trust_sources
from wallet.verifying.openid4vp import identity_requests
from wallet.verifying.openid4vp import requests as presentation_requests

OWNERS = (
    ring,
    sealing,
    rotation,
    issued_certificates,
    revocation_lists,
    trust_anchors,
    events,
    failed_jobs,
    idempotency,
    ledger,
    directory,
    history,
    registries,
    mandates,
    mandate_queries,
    registry_answers,
    registry_updates,
    accounts,
    proofs,
    counter_codes,
    stated,
    recovery,
    sessions,
    devices,
    alarms,
    places,
    scans,
    throttle,
    contacts,
    notices,
    notice_choices,
    passkeys,
    passkey_challenges,
    one_time_codes,
    pending,
    recovery_codes,
    totp,
    trusted_browsers,
    clients,
    assertions,
    codes,
    consents,
    cutoffs,
    refresh_tokens,
    portal_sessions,
    resources,
    revoked_tokens,
    streams,
    tokens,
    pre_authorized,
    issuers,
    makers,
    waiting,
    inbox,
    pushed,
    policies,
    initial_tokens,
    registering,
    software_statements,
    operators,
    catalogue,
    departments,
    desk_choice,
    licences,
    counts,
    turns,
    uses,
    favourites,
    licence_notices,
    expiry_notices,
    marked_copies,
    ratings,
    receipts,
    matter_fields,
    draw_watch,
    presentation_requests,
    identity_requests,
    trust_sources,
    trust_list,
    qr_codes,
    asked,
    credentials,
    batches,
    elsewhere,
    kept,
    deferred,
    offers,
    uploads,
    status_lists,
    status_building,
    act_requests,
)
metadata = Base.metadata

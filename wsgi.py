"""The only place where the parts are joined: `create_app` for the server, `main` for the command line.

Nothing of ours or of Flask is imported before it is needed: a command loads its own module, and an application all of them.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

import click

from runtime.late_commands import LateCommands, Place

if TYPE_CHECKING:
    from flask import Blueprint, Flask

    from runtime.openapi import Api
    from runtime.settings import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """Build the application: the runtime first, then each part, from the inside out.

    Raises SettingsError if the environment is not usable.
    """
    with _uncollected():
        return _built(settings)


def _built(settings: "Settings | None") -> "Flask":
    from werkzeug.middleware.proxy_fix import ProxyFix

    from idp.oauth import cross_origin
    from runtime import cache, database, guard, hosts, languages, lean, openapi, pages, problems, quick, rough_input, seats, telemetry
    from runtime.application import Application
    from runtime.client_certificates import ClientCertificates
    from runtime.settings import Settings

    settings = settings or Settings.from_environ()
    app = Application("runtime")
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body_bytes
    app.extensions["kabao_settings"] = settings
    telemetry.init_app(app, settings)
    hosts.init_app(app)
    database.init_app(app, settings)
    quick.init_app(app, settings)
    cache.init_app(app, settings)
    languages.init_app(app)
    problems.init_app(app)
    seats.init_app(app)
    rough_input.init_app(app)
    cross_origin.init_app(app)
    guard.init_app(app)
    pages.init_app(app, settings)
    api = openapi.init_app(app)
    _join(app, api)
    lean.init_app(app, settings)
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=settings.trusted_proxies, x_host=settings.trusted_proxies)  # type: ignore[method-assign]
    app.wsgi_app = ClientCertificates(app.wsgi_app, settings)  # type: ignore[method-assign]
    if settings.threads:
        _settle()
    return app


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the collector of garbage away meanwhile: what is joined stays, and to look at all of it again and again takes a fifth of the start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _settle() -> None:
    """Do once what the first statement of each worker would do, and let the collector of garbage leave alone what stays as long as the process.

    It looks less often at the rest, which is seldom in cycles.
    By default it looks at all of it again and again while a batch is read. Memory of cycles is given back later, by some megabytes.
    """
    from sqlalchemy.orm import configure_mappers

    configure_mappers()
    gc.freeze()
    gc.set_threshold(50_000)


def _join(app: "Flask", api: "Api") -> None:
    """Join the parts, from the inside out. What is imported and not used declares something, or hears of it, as it is loaded."""
    import migrations.tables  # noqa: F401 (every table is known in every process: a rotation of the data keys leaves none out)
    from idp.signals.webhooks_api import webhooks_api
    from idp.subjects.registry_updates_api import registry_updates_api

    _join_own(app)
    _join_identity(app)
    _join_register(app)
    _join_issuing(app, api)
    _join_holding(app)
    _join_verifying(app, api)
    _put(api, webhooks_api, registry_updates_api)


def _put(where: "Flask | Api", *parts: "Blueprint") -> None:
    for part in parts:
        where.register_blueprint(part)


def _join_own(app: "Flask") -> None:
    from keys import key_schedule_jobs, rotation_jobs  # noqa: F401 (declare jobs)
    from keys.published_api import published
    from keys.sealing import check_master_key, is_master_key
    from migrations import shape
    from runtime import starting
    from runtime.health_api import checks, health
    from runtime.home_pages import home

    checks.update(schema=shape.is_new_enough, master_key=is_master_key)
    starting.checks[:] = [shape.check, check_master_key]
    _put(app, health, published, home)


def _join_identity(app: "Flask") -> None:
    from idp.oauth import account_parts  # noqa: F401 (gives accounts their portals)
    from idp.oauth import pruning as oauth_pruning  # noqa: F401 (declares a job)
    from idp.oauth.apart.backchannel_api import backchannel
    from idp.oauth.apart.device_api import device_endpoint
    from idp.oauth.apart.device_pages import device_pages
    from idp.oauth.apart.inbox_pages import inbox_pages
    from idp.oauth.authorize_pages import authorize_pages
    from idp.oauth.consent_pages import consent_pages
    from idp.oauth.discovery_api import discovery
    from idp.oauth.launcher_pages import launcher_pages
    from idp.oauth.logout_pages import logout_pages
    from idp.oauth.registration.access_pages import access_pages
    from idp.oauth.registration.client_pages import client_pages
    from idp.oauth.registration.registration_api import registration
    from idp.oauth.requests.pushed_api import pushed_api
    from idp.oauth.resource_metadata_api import resource_metadata
    from idp.oauth.token_api import token_endpoints
    from idp.oauth.userinfo_api import userinfo
    from idp.signals import pruning as signals_pruning  # noqa: F401 (declares a job)
    from idp.signals import pushing, telling  # noqa: F401 (declares jobs; hears of acts)
    from idp.signals.polling_api import polls
    from idp.signals.stream_pages import stream_pages
    from idp.signals.streams_api import signals
    from idp.signin import (
        account_menu,
        ended,  # noqa: F401 (ends what someone could do who has died)
        ending_proofs,  # noqa: F401 (declares a job)
        mandate_notices,  # noqa: F401 (hears of mandates)
        mandate_words,  # noqa: F401 (names what mandates are about)
        pruning,  # noqa: F401 (declares a job)
        senders,
        sending,  # noqa: F401 (declares jobs)
    )
    from idp.signin.account_pages import account_pages
    from idp.signin.children_pages import children_pages
    from idp.signin.closing_pages import closing_pages
    from idp.signin.code_pages import code_pages
    from idp.signin.contact_pages import contact_pages
    from idp.signin.devices_pages import devices_pages
    from idp.signin.export_pages import export_pages
    from idp.signin.history_pages import history_pages
    from idp.signin.level_pages import level_pages
    from idp.signin.passkey_api import passkey_api
    from idp.signin.passkey_pages import passkey_pages
    from idp.signin.password_pages import password_pages
    from idp.signin.recovery_codes_pages import recovery_codes_pages
    from idp.signin.recovery_pages import recovery_pages
    from idp.signin.scan_pages import scan_pages
    from idp.signin.second_pages import second_pages
    from idp.signin.signin_pages import signin_pages
    from idp.signin.step_up_pages import step_up_pages
    from idp.signin.totp_pages import totp_pages
    from idp.signin.ways_pages import ways_pages

    ways_to_sign_in = (code_pages, contact_pages, password_pages, recovery_codes_pages, totp_pages, ways_pages, passkey_pages, passkey_api)
    _put(app, signin_pages, second_pages, step_up_pages, scan_pages, recovery_pages, *ways_to_sign_in)
    _put(app, account_pages, children_pages, closing_pages, devices_pages, export_pages, history_pages, level_pages)
    _put(app, discovery, resource_metadata, authorize_pages, consent_pages, launcher_pages, pushed_api, token_endpoints, userinfo, logout_pages)
    _put(app, backchannel, device_endpoint, device_pages, inbox_pages)
    _put(app, registration, client_pages, access_pages)
    _put(app, signals, polls, stream_pages)
    account_menu.init_app(app)
    senders.init_app(app)


def _join_register(app: "Flask") -> None:
    from runtime import pages
    from wallet.register.callers import as_department, at_desk_of
    from wallet.register.department_pages import department_pages
    from wallet.register.desk_choice_pages import desk_choice_pages
    from wallet.register.job_pages import job_pages
    from wallet.register.key_pages import key_pages
    from wallet.register.matter_pages import matter_pages
    from wallet.register.type_edit_pages import type_edit_pages
    from wallet.register.type_pages import type_pages

    _put(app, desk_choice_pages, department_pages, type_pages, type_edit_pages, matter_pages, key_pages, job_pages)
    pages.name_desk(app, at_desk_of, as_department)


def _join_issuing(app: "Flask", api: "Api") -> None:
    from wallet.issuing import (
        act_requests_api,
        authorities_api,
        batch_jobs,  # noqa: F401 (declares a job)
        batches_api,
        departments_api,
        due_jobs,  # noqa: F401 (declares a job)
        due_notices,  # noqa: F401 (hears of holders' changes)
        events_api,
        expiry_jobs,  # noqa: F401 (declares a job)
        licence_acts_api,
        licence_signals,  # noqa: F401 (declares a job)
        licence_types_api,
        licences_api,
        status_api,
        status_history,
        status_jobs,  # noqa: F401 (declares jobs)
        trust_list_jobs,  # noqa: F401 (declares a job)
        types_api,
    )
    from wallet.issuing import credential_details as _credential_details  # noqa: F401 (declares a type of authorization details)
    from wallet.issuing.desk import counting_jobs, numbering_jobs  # noqa: F401 (declare jobs)
    from wallet.issuing.desk.act_pages import act_desk
    from wallet.issuing.desk.batch_pages import batch_desk
    from wallet.issuing.desk.figures_pages import figures_desk
    from wallet.issuing.desk.find_pages import licence_desk
    from wallet.issuing.desk.issue_pages import issue_desk
    from wallet.issuing.desk.request_pages import request_desk
    from wallet.issuing.documents_api import documents
    from wallet.issuing.oid4vci import pruning_jobs as _offers_pruning_jobs  # noqa: F401 (declares a job)
    from wallet.issuing.oid4vci.credential_api import credentials
    from wallet.issuing.oid4vci.metadata_api import issuer_metadata
    from wallet.issuing.oid4vci.offers_api import offers_api
    from wallet.issuing.trust_list_api import trust_list_pages

    _put(app, issue_desk, licence_desk, act_desk, request_desk, batch_desk, figures_desk)
    _put(app, credentials, issuer_metadata, status_api.statuses, types_api.types, departments_api.department_metadata, trust_list_pages)
    _put(api, licences_api.licences, licence_acts_api.licence_acts, act_requests_api.act_requests, batches_api.batches_api, documents, offers_api)
    _put(api, authorities_api.authorities, licence_types_api.licence_types, departments_api.departments, events_api.supervision)
    status_history.init_app(app)


def _join_holding(app: "Flask") -> None:
    from runtime import pages
    from wallet.holding import (
        account_names,  # noqa: F401 (gives accounts their licences)
        copy_jobs,  # noqa: F401 (declares a job)
        expiry_notices,  # noqa: F401 (declares a job)
        export_sections,  # noqa: F401 (likewise)
        licence_notices,  # noqa: F401 (declares a job)
        use_notices,  # noqa: F401 (declares a job)
    )
    from wallet.holding.app_pages import app_pages
    from wallet.holding.card_pages import card_pages
    from wallet.holding.consent_pages import wallet_consents
    from wallet.holding.copy_link_pages import copy_link_pages
    from wallet.holding.copy_pages import copy_pages
    from wallet.holding.document_pages import document_pages
    from wallet.holding.enterprise_pages import enterprise
    from wallet.holding.offer_pages import offer_pages
    from wallet.holding.rating_pages import rating_pages
    from wallet.holding.timeline_pages import timeline_pages
    from wallet.holding.visitors import find_visitor
    from wallet.holding.wallet_pages import wallet
    from wallet.presenting.answer_pages import answer_pages
    from wallet.presenting.offline_pages import offline_pages
    from wallet.presenting.show_pages import show

    _put(app, wallet, card_pages, timeline_pages, app_pages, enterprise, wallet_consents, rating_pages)
    _put(app, document_pages, copy_pages, copy_link_pages, offer_pages)
    _put(app, show, offline_pages, answer_pages)
    pages.greet(app, find_visitor)


def _join_verifying(app: "Flask", api: "Api") -> None:
    from wallet.verifying import (
        bundling,
        desk_camera_api,
        desk_pages,
        desk_receipts_pages,
        draws_api,
        identity_pages,
        mandates_api,
        matters_api,
        own_receipt_pages,
        people_desk_pages,
        receipt_pages,
        receipts_api,
        verification_batches_api,
        verifications_api,
    )
    from wallet.verifying import draw_watch_jobs as _draw_watch_jobs  # noqa: F401 (declares jobs)
    from wallet.verifying import export_sections as _export_sections  # noqa: F401 (gives accounts their receipts)
    from wallet.verifying import ledger_jobs as _ledger_jobs  # noqa: F401 (declares a job)
    from wallet.verifying import licence_details as _licence_details  # noqa: F401 (declares a type of authorization details)
    from wallet.verifying import pruning_jobs as _pruning_jobs  # noqa: F401 (declares a job)
    from wallet.verifying import trust_list_jobs as _trust_list_jobs  # noqa: F401 (declares a job)
    from wallet.verifying.archive_api import archives_api
    from wallet.verifying.archive_pages import archive_pages
    from wallet.verifying.bundle_api import bundles_api
    from wallet.verifying.check_pages import check_pages
    from wallet.verifying.draw_desk_pages import draw_desk
    from wallet.verifying.draw_watch_pages import draw_watch_pages
    from wallet.verifying.ledger_api import ledger_api
    from wallet.verifying.openid4vp import inboxes as _inboxes  # noqa: F401 (tells the wallet what waits in it)
    from wallet.verifying.openid4vp import request_jobs as _request_jobs  # noqa: F401 (declares a job)
    from wallet.verifying.openid4vp.ask_pages import ask_desk
    from wallet.verifying.openid4vp.asking_api import requests_api
    from wallet.verifying.openid4vp.wallet_doors_api import wallet_doors

    _put(app, desk_pages.desk, desk_camera_api.desk_camera, desk_receipts_pages.desk_receipts, people_desk_pages.people_desk)
    _put(app, ask_desk, draw_desk, draw_watch_pages, archive_pages)
    _put(app, check_pages, receipt_pages.receipt_pages, own_receipt_pages.own_receipts, identity_pages.identity_pages)
    _put(app, wallet_doors, bundles_api)
    _put(api, verifications_api.verifications, verification_batches_api.verification_batches, requests_api, draws_api.draws)
    _put(api, receipts_api.receipts, archives_api, ledger_api, mandates_api.mandates_api, matters_api.matters)
    bundling.init_app(app)


COMMANDS = {
    "client": Place("idp.oauth.commands", "Register portals and departments' systems."),
    "demo": Place("demo.stand", "Start the demonstration and keep it running until Ctrl-C."),
    "department": Place("wallet.register.commands", "Add departments, their authorities and their officers."),
    "init": Place("migrations.commands", "Prepare an installation: print a master key where none is set, else migrate and make the first keys."),
    "jobs": Place("runtime.failed_jobs_commands", "See to the jobs that failed for good."),
    "keys": Place("keys.commands", "List and rotate signing keys and data keys."),
    "ledger": Place("wallet.verifying.witness_commands", "Prove that the ledger is as it was signed."),  # likewise
    "licence": Place("wallet.issuing.desk.recount_commands", "Issue licences from files."),  # the outermost module that adds to it
    "licence-type": Place("wallet.register.commands", "Show the catalogue of licence types, and apply changes to it."),
    "mandate": Place("idp.subjects.mandate_commands", "Look at who may act for whom."),
    "migrate": Place("migrations.commands", "Bring the database to the newest shape (or to a given one)."),
    "operator": Place("idp.signin.operator_commands", "Say who runs the service: who sees /admin."),
    "places": Place("idp.signin.places_commands", "Say where addresses are, from a file of your own."),
    "receipt": Place("wallet.verifying.archive_commands", "Archives of receipts."),
    "registry": Place("idp.subjects.commands", "Fill the population and the legal-person registry; see how a number stands."),
    "resource": Place("idp.oauth.resource_commands", "Register the APIs of others that take our access tokens."),
    "serve": Place("runtime.serve_command", "Serve HTTP with Granian until stopped."),
    "signals": Place("idp.signals.commands", "Watch over the streams of shared signals."),
    "tour": Place("demo.tour", "Walk the whole journey against a running demonstration."),
    "trust": Place("idp.oauth.exchange.trust_commands", "Trust identity systems whose signed assertions a client may bring (RFC 7523)."),
    "trust-bundle": Place("wallet.verifying.bundle_commands", "Issuers, status lists and trust lists, to verify by without a network."),
    "trust-list": Place("wallet.verifying.trust_list_commands", "Lists of issuers: our own, and those of other provinces."),
    "verify": Place(
        "wallet.verifying.commands",
        "Verify an e-licence without any network: a FILE (text, sealed PDF, picture of a code), the text of a QR, or - for standard input.",
    ),
    "wallet-maker": Place("idp.oauth.attested.commands", "Trust makers of wallets, who attest wallets and keys (OpenID4VCI 1.0 appendices D and E)."),
    "worker": Place("runtime.worker_command", "Run background jobs until stopped: deliveries, status lists, sealing of the ledger, pruning."),
}
FORESEEN = (("runtime.settings", "SettingsError"), ("keys.sealing", "SealBroken"), ("migrations.shape", "OldShape"), ("sqlalchemy.exc", "DBAPIError"))


def commands() -> list[click.Command]:
    """Return every command of `kabao`, loaded; those that need the application load it when they run."""
    return [place.load(name) for name, place in COMMANDS.items()]


def main() -> None:
    """Run the `kabao` command line."""
    if isinstance(sys.stdout, TextIOWrapper):  # of what a terminal's encoding lacks it shows the number, and no answer breaks off in the middle
        sys.stdout.reconfigure(errors="backslashreplace")
    group = LateCommands(COMMANDS, create_app=create_app, help="Kabao (卡包): an e-licence wallet and a unified identity service.")
    try:
        group(prog_name="kabao")
    except _foreseen() as error:
        _give_up(*_explained(error))


def _foreseen() -> tuple[type[BaseException], ...]:
    """Return what an operator can mend. What has not been loaded was not raised."""
    return tuple(getattr(sys.modules[module], name) for module, name in FORESEEN if module in sys.modules)


def _explained(error: BaseException) -> tuple[str, int]:
    """Return what to tell the operator, and the status to end with; raises what nobody can explain."""
    from psycopg import OperationalError
    from psycopg.errors import InsufficientPrivilege, UndefinedColumn, UndefinedTable
    from sqlalchemy.exc import DBAPIError

    from keys.sealing import SealBroken

    if isinstance(error, SealBroken):
        return "KABAO_MASTER_KEY is not the one that this database was sealed under. Set the one that `kabao init` printed for it.", os.EX_CONFIG
    if not isinstance(error, DBAPIError):
        return str(error), os.EX_CONFIG
    if isinstance(error.orig, UndefinedTable | UndefinedColumn):
        return "The database lacks a table or a column. Run `kabao init`: it makes what is missing.", os.EX_CONFIG
    if isinstance(error.orig, InsufficientPrivilege):
        return (
            f"What is in the database must belong to the role of KABAO_DATABASE_URL. {_said(error.orig)}",
            os.EX_CONFIG,
        )
    if isinstance(error.orig, OperationalError):
        return f"The database cannot be used; see KABAO_DATABASE_URL. {_said(error.orig)}", os.EX_UNAVAILABLE
    raise error


def _said(error: BaseException) -> str:
    return f"It said: {str(error).splitlines()[0]}"


def _give_up(why: str, status: int) -> NoReturn:
    click.echo(why, err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()

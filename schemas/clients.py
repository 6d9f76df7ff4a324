"""Clients as they are registered: by themselves (RFC 7591, OpenID Connect Dynamic Client Registration), by an operator's page, by command.

The form of every member alone is told here: type, length, count, what an address may be. What members must be to each other, and what
this server can do, is told by the rules of `idp.oauth`.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, post_load, pre_load, validate

from schemas.causes import is_readable

NAME = "client_name"
LONGEST_NAME, LONGEST_URI, LONGEST_STATEMENT, MOST = 100, 500, 16_000, 20
PRINTABLE = re.compile(r"[!-~]+")
TAGGED = re.compile(r"client_name#(zh|en)(-[A-Za-z0-9-]{1,30})?", re.IGNORECASE)
CREDIT_CODE = re.compile(r"[0-9A-Z]{18}")
HIDDEN = ("Cf", "Cc", "Cs", "Co", "Cn", "Zl", "Zp")


def shown(text: str) -> None:
    """Raise ValidationError for a text that people would be shown otherwise than it is: hidden, turned round or blank characters."""
    if not text.strip() or not is_readable(text) or any(unicodedata.category(character) in HIDDEN for character in text):
        raise ValidationError("It is blank, or holds characters that are not seen.")


def plain(text: str) -> None:
    """Raise ValidationError for anything but visible ASCII."""
    if not PRINTABLE.fullmatch(text):
        raise ValidationError("It must be of visible ASCII characters.")


def web_address(text: str) -> None:
    """Raise ValidationError for what is no https address that a person or a program can be sent to."""
    plain(text)
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.password is None and parts.port != 0
    except ValueError:
        good = False
    if not good or "\\" in text or "#" in text:
        raise ValidationError("It must be an https address without user name and fragment.")


class Flag(fields.Boolean):
    """True or false as JSON has them, nothing that might be meant for them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Whole(fields.Integer):
    """A whole number as JSON has it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def name_of_it(**where: Any) -> fields.String:
    """Return a member that people read on the pages where they sign in."""
    return fields.String(validate=[validate.Length(1, LONGEST_NAME), shown], **where)


def word(most: int = LONGEST_NAME) -> fields.String:
    """Return a member that is an identifier, as it stands."""
    return fields.String(validate=[validate.Length(1, most), plain])


def words(most: int = LONGEST_NAME, count: int = MOST) -> fields.List[Any]:
    """Return a member that is a list of identifiers, each once."""
    return fields.List(word(most), validate=[validate.Length(max=count), _each_once])


def address() -> fields.String:
    """Return a member that is an https address."""
    return fields.String(validate=[validate.Length(1, LONGEST_URI), web_address])


def _each_once(values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise ValidationError("Each may be given once.")


def _sparse(document: Any) -> Any:
    """Leave out what is null: it is as if it had not been sent (RFC 7591 section 2, RFC 7592 section 2.2)."""
    return {name: value for name, value in document.items() if value is not None} if isinstance(document, Mapping) else document


class ClientSchema(Schema):
    """What a client may say of itself. Members that are not known are left out (RFC 7591 section 2)."""

    class Meta:
        unknown = EXCLUDE

    client_name = name_of_it()
    name_zh = name_of_it(data_key="client_name#zh")
    name_en = name_of_it(data_key="client_name#en")
    application_type = fields.String(validate=validate.OneOf(["web", "native"]))
    redirect_uris = words(LONGEST_URI)
    post_logout_redirect_uris = words(LONGEST_URI)
    token_endpoint_auth_method = word()
    token_endpoint_auth_signing_alg = word()
    grant_types = words()
    response_types = words()
    scope = fields.String(validate=[validate.Length(max=1000), validate.Regexp(r"[!-~ ]*\Z")])
    jwks = fields.Dict(keys=fields.String())
    jwks_uri = word(LONGEST_URI)
    subject_type = fields.String(validate=validate.OneOf(["pairwise", "public"]))
    sector_identifier_uri = address()
    client_uri = address()
    logo_uri = address()
    policy_uri = address()
    tos_uri = address()
    contacts = fields.List(fields.String(validate=[validate.Length(1, 254), shown]), validate=validate.Length(max=10))
    software_id = word()
    software_version = word()
    tls_client_auth_subject_dn = fields.String(validate=[validate.Length(1, LONGEST_URI), shown])
    tls_client_auth_san_dns = word(253)
    tls_client_auth_san_uri = word(LONGEST_URI)
    tls_client_auth_san_ip = word(45)
    tls_client_auth_san_email = word(254)
    dpop_bound_access_tokens = Flag()
    tls_client_certificate_bound_access_tokens = Flag()
    id_token_signed_response_alg = word()
    id_token_encrypted_response_alg = word()
    id_token_encrypted_response_enc = word()
    userinfo_signed_response_alg = word()
    userinfo_encrypted_response_alg = word()
    userinfo_encrypted_response_enc = word()
    response_modes = words()
    authorization_signed_response_alg = word()
    authorization_encrypted_response_alg = word()
    authorization_encrypted_response_enc = word()
    introspection_signed_response_alg = word()
    introspection_encrypted_response_alg = word()
    introspection_encrypted_response_enc = word()
    require_pushed_authorization_requests = Flag()
    require_signed_request_object = Flag()
    request_object_signing_alg = word()
    request_object_encryption_alg = word()
    request_object_encryption_enc = word()
    request_uris = words(LONGEST_URI)
    authorization_details_types = words()
    default_max_age = Whole(validate=validate.Range(0, 10**9))
    default_acr_values = words()
    require_auth_time = Flag()
    initiate_login_uri = word(LONGEST_URI)
    frontchannel_logout_uri = word(LONGEST_URI)
    frontchannel_logout_session_required = Flag()
    backchannel_logout_uri = word(LONGEST_URI)
    backchannel_logout_session_required = Flag()
    backchannel_token_delivery_mode = word()
    backchannel_client_notification_endpoint = word(LONGEST_URI)
    backchannel_authentication_request_signing_alg = word()
    backchannel_user_code_parameter = Flag()
    software_statement = fields.String(validate=[validate.Length(1, LONGEST_STATEMENT), plain])

    @pre_load
    def _read_names(self, document: Any, **_: Any) -> Any:
        """Leave out what is null; of a language's regions (`#zh-Hans-CN`) the language alone is kept (RFC 7591 section 2.2)."""
        document = _sparse(document)
        if isinstance(document, dict):
            tagged = [(name, found[1].lower()) for name in document if isinstance(name, str) and (found := TAGGED.fullmatch(name))]
            for name, language in tagged:
                document[f"{NAME}#{language}"] = document.pop(name)
        return document

    @post_load
    def _join_names(self, document: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Give `client_name` its form in both languages, if there is any name."""
        zh, en, name = document.pop("name_zh", None), document.pop("name_en", None), document.pop(NAME, None)
        if zh or en or name:
            document[NAME] = {"zh": zh or name or en, "en": en or name or zh}
        return document


class OperatorClientSchema(ClientSchema):
    """What an operator says of a client, besides: who answers for it, and what no client may give itself. A slip of the pen is refused."""

    class Meta:
        unknown = RAISE

    client_id = word()
    owner = fields.String(required=True, validate=validate.Regexp(CREDIT_CODE, error="It must be a unified social credit code."))
    first_party = Flag()
    sector = word(253)
    levels = fields.Dict(keys=fields.String(), values=fields.String(validate=validate.Length(1, 10)))
    security_profile = word()
    pkce_optional = Flag()
    resources = words(LONGEST_URI)
    may_exchange_for = words()
    may_exchange_from = words()


class PolicySchema(Schema):
    """What clients may be that register themselves: every list says what is allowed, and nothing else is."""

    class Meta:
        unknown = RAISE

    name = fields.String(required=True, validate=validate.Regexp(r"[a-z0-9-]{1,60}\Z", error="It must be of a-z, 0-9 and -."))
    owner = fields.String(required=True, validate=validate.Regexp(CREDIT_CODE, error="It must be a unified social credit code."))
    grant_types = fields.List(word(), required=True, validate=[validate.Length(1, MOST), _each_once])
    scopes = fields.List(word(), required=True, validate=[validate.Length(max=50), _each_once])
    auth_methods = fields.List(word(), required=True, validate=[validate.Length(1, MOST), _each_once])
    redirect_hosts = words(253, 100)
    native = Flag()
    subject_types = fields.List(fields.String(validate=validate.OneOf(["pairwise", "public"])), validate=validate.Length(1, 2))
    security_profile = word()
    pkce_optional = Flag()
    authorization_details_types = words()
    software_statement = fields.String(validate=validate.OneOf(["allowed", "required"]))
    statement_issuers = words(LONGEST_URI)
    client_limit = Whole(validate=validate.Range(1, 1_000_000))
    secret_days = Whole(validate=validate.Range(1, 3650))

    @pre_load
    def _leave_out_null(self, document: Any, **_: Any) -> Any:
        said = _sparse(document)
        if isinstance(said, dict) and type(said.get("owner")) is int:  # what YAML makes of a code of digits alone, which begins with no zero
            return {**said, "owner": str(said["owner"])}
        return said

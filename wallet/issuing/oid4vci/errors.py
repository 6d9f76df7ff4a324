"""What a wallet is told when it is refused: the specified names, each with one sentence (OpenID4VCI 1.0 sections 8.3.1.2, 9.3 and 11.3).

No sentence repeats anything of the request. Never encrypted, even where the answer would have been.
"""

from authlib.oauth2 import OAuth2Error


class CredentialError(OAuth2Error):
    """A request to issue that is not honoured."""


class InvalidCredentialRequest(CredentialError):
    """The request lacks a parameter, repeats one, or is malformed."""

    error = "invalid_credential_request"


class UnknownCredentialConfiguration(CredentialError):
    """There is no such configuration."""

    error = "unknown_credential_configuration"
    description = "There is no credential configuration of this identifier."


class UnknownCredentialIdentifier(CredentialError):
    """The token is not for a credential of this identifier."""

    error = "unknown_credential_identifier"
    description = "The access token is not for a credential of this identifier."


class InvalidProof(CredentialError):
    """The proofs are missing, or one of them is not valid."""

    error = "invalid_proof"


class InvalidNonce(CredentialError):
    """A proof carries a nonce that is not ours, too old, or used."""

    error = "invalid_nonce"
    description = "The c_nonce of a proof is not known, too old or used: get a new one at the nonce endpoint."


class InvalidEncryptionParameters(CredentialError):
    """The parameters of encryption are missing or cannot be used."""

    error = "invalid_encryption_parameters"


class CredentialRequestDenied(CredentialError):
    """The credential cannot be issued, now or later."""

    error = "credential_request_denied"


class InvalidTransactionId(CredentialError):
    """The transaction is not known, another's, or over."""

    error = "invalid_transaction_id"
    description = "The transaction is not known, or its credentials were fetched."


class InvalidNotificationId(CredentialError):
    """There is no such issuance of this wallet's."""

    error = "invalid_notification_id"
    description = "The notification_id is not known."


class InvalidNotificationRequest(CredentialError):
    """The notification is malformed."""

    error = "invalid_notification_request"

"""What a wallet is told when it is refused: names of RFC 6749, with one sentence that repeats nothing of what was sent."""

from authlib.oauth2 import OAuth2Error


class InvalidRequest(OAuth2Error):
    """What was sent cannot be read, or is not what was asked for."""

    error = "invalid_request"


class RequestOver(OAuth2Error):
    """The request is over, was fetched by another, or was answered; whoever asks is not told which."""

    error = "invalid_request"
    description = "The request is over, or was used before."

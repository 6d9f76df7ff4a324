"""For which occasion a holder's proof was made: whoever wants one must say that, or it could be shown again."""

from runtime.languages import Text
from runtime.problems import Refusal
from wallet.verifying.presentations import Presentation


class OccasionMissing(Refusal):
    """A holder's proof came along, and it is not said for which occasion it was made: it could be shown again."""

    code, status = "occasion-missing", 422
    title = Text(
        "附有持证人确认，须同时给出该次出示的nonce或session_transcript。",
        "The holder's confirmation came along: send the nonce or session_transcript of that occasion, too.",
    )


def check_occasion(presentation: Presentation, **said: str | bytes | None) -> None:
    """Check that the request says for which occasion the proof was made that came along, if one did; raises OccasionMissing."""
    occasion = presentation.occasion
    if occasion is not None and said[occasion] is None:
        raise OccasionMissing("a proof of no occasion", field=occasion)

from idp.signals.event_types import LICENCE_KINDS
from schemas.licence_types import ACTS
from wallet.register.acts import ACT_TEXTS, KINDS, PLAIN_ACTS, TURNS, Act
from wallet.register.licences import LicenceState


def test_every_act_has_its_row_and_its_words() -> None:
    assert set(TURNS) == set(ACT_TEXTS) == set(Act)


def test_nothing_follows_what_was_cancelled() -> None:
    assert [act for act, turn in TURNS.items() if LicenceState.CANCELLED in turn.states] == []


def test_an_act_of_an_issuer_leads_out_of_every_state_that_it_is_allowed_from() -> None:
    assert [act for act, turn in TURNS.items() if turn.state in turn.states and not turn.succeeds] == []


def test_a_type_may_ask_for_a_second_officer_at_any_act_of_an_issuer() -> None:
    assert {act.permission for act in Act} - {"expire"} <= set(ACTS)


def test_streams_of_signals_know_every_kind_of_event() -> None:
    assert set(KINDS) <= set(LICENCE_KINDS)


def test_the_states_have_the_codes_of_the_national_exchange() -> None:
    codes = {turn.state: turn.gb_code for turn in TURNS.values()}
    assert codes == {
        LicenceState.VALID: "01",
        LicenceState.SUSPENDED: "02",
        LicenceState.ANNULLED: "03",
        LicenceState.CANCELLED: "04",
        LicenceState.LAPSED: "05",
        LicenceState.TRANSFERRED: "06",
        LicenceState.REVOKED: "07",
    }
    assert all(TURNS[act].states for act in PLAIN_ACTS)

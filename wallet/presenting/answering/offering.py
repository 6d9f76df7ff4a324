"""What fits a request, for its holder to choose from: which licences, what each must show, what it may show besides, and what is chosen.

Pure. The least is ticked beforehand, whatever the verifier would like best; a choice that the verifier did not ask for cannot be made. A W3C
credential shows all of a licence: of several forms it is taken last, and what goes along unasked only where the holder agrees to that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from runtime.languages import Text
from runtime.problems import Refusal
from wallet.issuing.w3c_types import SUBJECT
from wallet.presenting import dcql
from wallet.presenting.dcql import Candidate, ClaimQuery, CredentialQuery, Query
from wallet.presenting.dcql_reading import MDOC, MOST_EACH, VC_JWT, Path
from wallet.presenting.statements import Statement

Names = tuple[str, ...]
What = UUID | Statement  # a licence by its id, or an answer
Chosen = dict[str, tuple[tuple[What, Names], ...]]  # by credential query, what is shown of which
NOTHING = ""


class ChoiceRefused(Refusal):
    """What was chosen does not do."""

    code, status = "choice-refused", 422
    title = Text("所选内容不满足请求，请补全必需的内容，或者拒绝。", "Your choice is less than what is needed: add what is missing, or refuse.")


class WholeRefused(ChoiceRefused):
    """A licence would be shown whole, and the holder did not agree to that."""

    code = "whole-refused"
    title = Text(
        "这种形式只能出示证照的全部内容。请先勾选“同意出示全部内容”，或者拒绝。",
        "In this form a licence can only be shown whole. Tick first that all of it may be shown, or refuse.",
    )


@dataclass(frozen=True, slots=True)
class Fit:
    """A licence or a statement that fits: the sets of fields of which one must be shown. `needed` are in all of them, `extra` in some, `least` is
    the smallest. `unasked` are fields that its form shows besides; `is_whole` if the form shows all there is."""

    what: What
    sets: tuple[Names, ...]
    is_whole: bool = False
    unasked: Names = ()

    @property
    def needed(self) -> Names:
        """What is shown in any case."""
        return tuple(name for name in self.sets[0] if all(name in one for one in self.sets))

    @property
    def extra(self) -> Names:
        """What the holder may leave out, as long as one set is complete."""
        return tuple(name for name in dict.fromkeys(name for one in self.sets for name in one) if name not in self.needed)

    @property
    def least(self) -> frozenset[str]:
        """The smallest set, the verifier's first of those that are equally small."""
        return frozenset(sorted(self.sets, key=len)[0])

    def shown(self, ticked: frozenset[str]) -> Names:
        """Return the set to show for some ticks: the verifier's first that they cover; raises ChoiceRefused."""
        allowed = ticked | set(self.needed)
        found = next((one for one in self.sets if allowed.issuperset(one)), None)
        if found is None:
            raise ChoiceRefused("less than any set", field="fields")
        return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that is asked for, the licences that fit, whether it is needed or may be left out, and how many may be shown for it."""

    id: str
    fits: tuple[Fit, ...]
    is_needed: bool
    most: int = 1


@dataclass(frozen=True, slots=True)
class Offer:
    """All that is asked for. It `is_met` if the whole can be shown."""

    query: Query
    wanted: tuple[Wanted, ...]
    is_met: bool

    def choose(self, picks: Mapping[str, Sequence[str]], ticks: Callable[[str, str], Sequence[str]], *, agrees: Callable[[str, str], bool]) -> Chosen:
        """Return what to show of which licence, by credential query; raises ChoiceRefused, WholeRefused.

        `picks` names licences for each credential query, or nothing; `ticks` the extra fields of a query's licence; `agrees` tells whether more of it
        may be shown than was asked for.
        """
        chosen: Chosen = {}
        for one in self.wanted:
            picked = {key for key in picks.get(one.id, ()) if key != NOTHING}
            fits = [fit for fit in one.fits if str(fit.what) in picked]
            if len(fits) != len(picked) or len(fits) > one.most:
                raise ChoiceRefused("a licence that does not fit, or too many", field="licence")
            if any(fit.unasked and not agrees(one.id, str(fit.what)) for fit in fits):
                raise WholeRefused("no word that all may be shown", field="whole")
            if fits:
                chosen[one.id] = tuple((fit.what, fit.shown(frozenset(ticks(one.id, str(fit.what))) & set(fit.extra))) for fit in fits)
        if not chosen or dcql.choose(self.query, chosen) is None:
            raise ChoiceRefused("less than the whole", field="licence")
        return chosen


def offer_of(query: Query, candidates: Sequence[Candidate]) -> Offer:
    """Return what of a wallet fits a query."""
    found = dcql.answer(_wholes_last(query), candidates)
    wanted = [
        Wanted(
            one.id,
            tuple(_fit(one, match.candidate) for match in found.matches.get(one.id, ())),
            one.id in (found.chosen or ()),
            MOST_EACH if one.multiple else 1,
        )
        for one in query.credentials
    ]
    return Offer(query, tuple(one for one in wanted if not _is_echo(one, wanted, found.also)), found.is_satisfied)


def _wholes_last(query: Query) -> Query:
    """Return a query with the same options, those first in which the fewest licences are shown whole."""
    whole = {one.id for one in query.credentials if one.format == VC_JWT}
    sets = [replace(one, options=tuple(sorted(one.options, key=lambda option: len(whole.intersection(option))))) for one in query.sets]
    return replace(query, sets=tuple(sets))


def _is_echo(wanted: Wanted, all_wanted: Sequence[Wanted], also: Sequence[str]) -> bool:
    """Whether what is wanted is only another form of licences that are shown already: of such a choice nobody is asked."""
    whats = {fit.what for fit in wanted.fits}
    others = (one for one in all_wanted if (one.is_needed or one.id in also) and whats.issubset(fit.what for fit in one.fits))
    return bool(whats) and not wanted.is_needed and wanted.id not in also and next(others, None) is not None


def _fit(query: CredentialQuery, candidate: Candidate) -> Fit:
    sets = [wanted for wanted in query.alternatives if all(dcql.has_claim(one, candidate) for one in wanted)]
    if query.format == VC_JWT:
        return _whole(candidate, sets)
    place = 1 if query.format == MDOC else 0  # of an element after its name space
    return Fit(candidate.id, tuple(dict.fromkeys(tuple(dict.fromkeys(str(one.path[place]) for one in wanted)) for wanted in sets)))


def _whole(candidate: Candidate, sets: Sequence[Sequence[ClaimQuery]]) -> Fit:
    """Return a W3C credential, which shows every field; the least that would have done says which of them nobody asked for."""
    fields = tuple(candidate.claims[SUBJECT])
    asked = {name for one in min(sets, key=len) for name in _fields_at(one.path, fields)}
    return Fit(candidate.id, (fields,), is_whole=True, unasked=tuple(name for name in fields if name not in asked))


def _fields_at(path: Path, fields: Names) -> Names:
    """Return the fields of the subject that a path asks for: one by its name, or all."""
    if path[0] != SUBJECT:
        return ()
    return fields if len(path) == 1 else tuple(name for name in fields if name == path[1])

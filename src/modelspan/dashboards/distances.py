"""Drift of a fleet in PromQL: the distances of `modelspan.drift.distances`, from the same counts.

Counts are expressions with one series per bin, told apart by `names.BIN`; those of the reference also carry
`names.BIN_INDEX` where bins have an order. All other labels say whose counts they are, and stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from modelspan.dashboards.names import BIN, BIN_INDEX
from modelspan.drift.samples import PSEUDO_COUNT

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ORDERED: Final = 24
"""Bins of a column of numbers, with those out of range and the missing; more would be cut off."""
_ALL_BINS: Final = f"({BIN}, {BIN_INDEX})"


def rows(counts: str) -> str:
    """Values in all bins together."""
    return f"sum without {_ALL_BINS} ({counts})"


def bins(counts: str) -> str:
    """How many bins there are."""
    return f"count without {_ALL_BINS} ({counts})"


def share(counts: str) -> str:
    """Each bin's share of all values, none of them 0, by the pseudo-count of the distances in the process."""
    return (
        f"({_unplaced(counts)} + {PSEUDO_COUNT})\n"
        f"  / ignoring {_ALL_BINS} group_left ()\n"
        f"({rows(counts)} + {PSEUDO_COUNT} * {bins(counts)})"
    )


def psi(reference: str, current: str) -> str:
    """Population stability index of two `share`s."""
    return f"clamp_min({rows(f'({current} - {reference}) * ln({current} / {reference})')}, 0)"


def jensen_shannon(reference: str, current: str) -> str:
    """Jensen-Shannon distance of two `share`s."""
    middle = f"(({reference} + {current}) / 2)"
    bits = f"{reference} * log2({reference} / {middle})\n  + {current} * log2({current} / {middle})"
    return f"sqrt(clamp({rows(bits)} / 2, 0, 1))"


def difference(reference: str, current: str) -> str:
    """Each bin's share of the current counts less that of the reference, with the place of the bin."""
    ours, theirs = (f"({c} / ignoring {_ALL_BINS} group_left () {rows(c)})" for c in (current, reference))
    return f"{ours}\n  - ignoring ({BIN_INDEX}) group_left ({BIN_INDEX})\n{theirs}"


def ks(choose: Callable[[str], str]) -> str:
    """Kolmogorov-Smirnov distance; total variation where bins have no order.

    Args:
        choose: Gives what `difference` says of those bins whose place a label matcher chooses.
    """
    sums = "\n  or ".join(_below(choose, cut) for cut in range(MAX_ORDERED - 1))
    unordered = f'{BIN_INDEX}=""'
    apart = rows(f"abs({choose(unordered)})")
    return f"max without (cut) (abs(\n  {sums}\n))\nor {apart} / 2"


def _below(choose: Callable[[str], str], cut: int) -> str:
    """The difference up to a cut, labelled with it: PromQL can't add up along an order by itself."""
    tens, ones = divmod(cut, 10)
    places = f"{'0.|' if tens else ''}{'1.|' if tens > 1 else ''}{tens}[0-{ones}]"
    summed = rows(choose(f'{BIN_INDEX}=~"{places}"'))
    return f'label_replace({summed}, "cut", "{cut}", "", "")'


def statistic(reference: str, current: str) -> str:
    """Half the likelihood-ratio statistic G that both samples of counts are of one distribution, in nats."""
    both = f"({current} + {_unplaced(reference)})"
    of_bins = [f"{sign} {rows(_n_ln_n(c))}" for sign, c in (("", current), ("+", reference), ("-", both))]
    of_rows = [f"{sign} {_n_ln_n(rows(c))}" for sign, c in (("-", current), ("-", reference), ("+", both))]
    return "\n  ".join([*of_bins, *of_rows]).strip()


def freedom(current: str) -> str:
    """Twice one less than the bins: the shape of the gamma variable that bounds `statistic`."""
    return f"2 * ({bins(current)} - 1)"


def log_p(statistic: str, freedom: str) -> str:
    """Natural logarithm of a bound on the p-value of `statistic`, valid for any counts; at most 0.

    With x the statistic and m the freedom, ``P(X >= x) <= exp(m - x + m ln(x / m))`` for x above m. The
    statistic is at most the sum of both samples' divergences from their common truth; each has a moment
    generating function of at most a gamma variable's of shape ``bins - 1``; the rest is Chernoff's bound.

    Source: Agrawal (2020), IEEE Trans. Inf. Theory 66(10), 6297-6302, theorem 1.
    """
    bound = f"{freedom} - {statistic} + {freedom} * ln({statistic} / {freedom})"
    return f"({bound}\n  and {statistic} > {freedom})\nor 0 * {freedom}"


def _n_ln_n(counts: str) -> str:
    """0 where there are none."""
    return f"{counts} * ln(clamp_min({counts}, 1))"


def _unplaced(counts: str) -> str:
    """The counts without the place of their bin."""
    return f"sum without ({BIN_INDEX}) ({counts})"

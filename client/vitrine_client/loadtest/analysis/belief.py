"""The belief of where the boundary is that probes give: Bayesian bisection, in the logarithm of the
rate, as psychophysics looks for thresholds (Watson and Pelli 1983, QUEST:
https://doi.org/10.3758/BF03202828). Without luck that is bisection."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vitrine_client.loadtest.analysis.probes import Probe

_BLUR = 0.025
"""How far a rate is from another, in its logarithm, at e times the odds that a probe holds: the
scale of a logistic curve."""

_AT_BOUNDARY = 0.8
"""Share of probes that hold at the boundary. It is not a half: some seconds have mostly less than
their share of what is rare, so that their p99 is more often too low than too high."""

_UNLUCKY, _LUCKY = 0.08, 0.002
"""Share of probes that are violated, or hold, whatever the rate is."""

_STEP = 0.002
"""Of the belief, in the logarithm of the rate."""


def boundary(probes: Sequence["Probe"]) -> Callable[[float], float]:
    """Returns what the probes tell of the boundary: the rate below which it is with a probability.

    Before them, it may be anywhere from half the lowest rate to twice the highest.
    """
    tried = np.log([probe.rate for probe in probes])
    held = np.array([probe.held for probe in probes])
    start, end = tried.min() - np.log(2), tried.max() + np.log(2)
    places = np.linspace(start, end, round((end - start) / _STEP))
    odds = np.log(_AT_BOUNDARY / (1 - _AT_BOUNDARY)) + (places[:, None] - tried) / _BLUR
    holds = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
    holds = _LUCKY + (1 - _UNLUCKY - _LUCKY) * holds
    likelihood = np.where(held, holds, 1 - holds).prod(axis=1)
    shares = np.cumsum(likelihood) / likelihood.sum()
    return lambda share: float(np.exp(np.interp(share, shares, places)))

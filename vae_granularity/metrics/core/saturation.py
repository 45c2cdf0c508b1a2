"""Upper bounds of total correlation and mutual information under a mixture of M components."""

from dataclasses import dataclass

from vae_granularity.errors import integer, number

MARGIN = 0.05


@dataclass(frozen=True)
class Saturation:
    """A term in nats beside its bound."""

    value: float
    bound: float
    saturated: bool  # within 5 % of the bound: read it as "at least"


def tc_saturation(total_correlation: float, num_units: int, entropy: float) -> Saturation:
    """Compare a total correlation of k units with its bound (k - 1) H under mixture components
    whose weights have entropy H: log M for M of equal weight.

    Units are the groups for TC_between, the dimensions of a group for its TC_within. With narrow
    posteriors every sample lies in one component, so log q(z) - Σ log q(z_unit) is (k - 1) times
    minus the logarithm of its weight.

    Raises:
        ArgumentError: a value that is not finite, fewer than 1 unit, an entropy below 0.

    >>> tc_saturation(4.5, num_units=2, entropy=4.6).saturated
    True
    """
    times = integer("num_units", num_units, 1) - 1
    return _saturation("total_correlation", total_correlation, times, entropy)


def mi_saturation(mutual_information: float, entropy: float) -> Saturation:
    """Compare the mutual information of z and the component that it is drawn from with its bound,
    the entropy of the components' weights.

    Raises:
        ArgumentError: a value that is not finite, an entropy below 0.
    """
    return _saturation("mutual_information", mutual_information, 1, entropy)


def _saturation(name: str, value: float, times: int, entropy: float) -> Saturation:
    bound = times * number("entropy", entropy, 0.0)
    return Saturation(number(name, value), bound, bound > 0 and value >= (1 - MARGIN) * bound)

"""Where exact terms stop growing: a mixture of M components cannot show more."""

import math
from dataclasses import dataclass

from vae_granularity.errors import integer, number

MARGIN = 0.05


@dataclass(frozen=True)
class Saturation:
    """A term in nats beside its bound."""

    value: float
    bound: float
    saturated: bool  # within 5 % of the bound: read it as "at least"


def tc_saturation(total_correlation: float, num_units: int, num_components: int) -> Saturation:
    """A total correlation of k units beside its bound (k - 1) log M under M mixture components.

    Units are the groups for TC_between, the dimensions of a group for its TC_within. With narrow
    posteriors every sample lies in one component, so log q(z) - Σ log q(z_unit) = -log M + k log M.

    Raises:
        ArgumentError: a value that is not finite, fewer than 1 unit or component.

    >>> tc_saturation(4.5, num_units=2, num_components=100).saturated
    True
    """
    times = integer("num_units", num_units, 1) - 1
    return _saturation("total_correlation", total_correlation, times, num_components)


def mi_saturation(mutual_information: float, num_components: int) -> Saturation:
    """The mutual information of z and the M components it is drawn from, beside its bound log M.

    Raises:
        ArgumentError: a value that is not finite, fewer than 1 component.
    """
    return _saturation("mutual_information", mutual_information, 1, num_components)


def _saturation(name: str, value: float, times: int, num_components: int) -> Saturation:
    bound = times * math.log(integer("num_components", num_components, 1))
    return Saturation(number(name, value), bound, bound > 0 and value >= (1 - MARGIN) * bound)

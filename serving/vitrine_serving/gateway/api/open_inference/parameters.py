"""Request parameters: those that mean something here.

Others are taken and left alone, as official clients send some: `priority`, `sequence_id` and its
like, as models keep nothing between requests, and what begins with `triton_`.
"""

import time

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference.messages import Parameters

_US = 1e6
_LONGEST = 2**63  # microseconds; more is later than any deadline, and may be more than floats hold


def deadline_of(parameters: Parameters, deadline: float) -> float:
    """Returns the deadline of a request, in seconds of `time.monotonic`: `timeout`, in
    microseconds, may make it earlier. Raises `InvalidRequest`."""
    timeout = parameters.get("timeout", 0)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0:
        raise InvalidRequest(f"`timeout` is a number of microseconds, not {timeout!r}")
    if not timeout or timeout > _LONGEST:
        return deadline
    return min(deadline, time.monotonic() + timeout / _US)

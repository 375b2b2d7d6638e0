"""The errors that client and gateway share."""

import pickle

import pytest

from vitrine_client import errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequest),
        (401, errors.Unauthorized),
        (408, errors.RequestTimeout),
        (418, errors.InvalidRequest),
        (429, errors.ResourceExhausted),
        (500, errors.ServerError),
        (502, errors.Unavailable),
        (507, errors.NotStored),
        (508, errors.ServerError),
        (503, errors.Unavailable),
    ],
)
def test_a_status_has_its_error(status, kind):
    """Each status leads to the error that has it, or to its nearest relative, with its message and
    the seconds after which to try again."""
    error = errors.for_status(status, "why", 2.5)
    assert type(error) is kind
    assert (str(error), error.retry_after_s) == ("why", 2.5)


def test_errors_carry_headers_and_travel():
    """What an answer has besides stays with the error, also between processes."""
    error = errors.Unauthorized("why", headers=(("WWW-Authenticate", "Bearer"),))
    for each in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert each.headers == (("WWW-Authenticate", "Bearer"),)
        assert each.retry_after_s is None
        assert str(each) == "why"
    assert errors.NotFound("no").headers == ()

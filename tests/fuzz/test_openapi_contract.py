"""Requests that the OpenAPI document allows, and some that it does not, against the gateway."""

import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from tests.fuzz.conftest import DEADLINE_S, Gateway
from tests.fuzz.good_bodies import good_bodies
from vitrine_serving.gateway.api.openapi.document import document

EXAMPLES = 20
NOT_TOLD = ["positive_data_acceptance"]
"""Checks that are left out: which bodies make sense to a model, no schema can tell."""

BYTES = {
    "image/*": [body.content for body in good_bodies() if body.content_type.startswith("image/")],
    "application/x-npy": [body.content for body in good_bodies() if "npy" in body.content_type],
}
BYTES["application/octet-stream"] = BYTES["image/*"]
for media_type, files in BYTES.items():
    schemathesis.openapi.media_type(media_type, st.sampled_from(files) | st.binary(max_size=2000))

schema = schemathesis.openapi.from_dict(
    document(["clothes"]),
    config=SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "request-timeout": DEADLINE_S + 5,
            "generation": {"deterministic": True, "database": "none"},
        }
    ),
)


@schema.hook
def map_path_parameters(_: schemathesis.HookContext, found: dict[str, object]) -> dict[str, object]:
    """Names that are made up lead nowhere; most are replaced by those that are there."""
    there = {"model": "clothes", "version": 1, "label": "stable"}
    keep = len(str(found)) % 4 == 0
    return found if keep else {name: there[name] for name in found}


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_contract(case: schemathesis.Case, gateway: Gateway):
    """No 5xx but those of the document, and every answer as the document has it."""
    excluded = [schemathesis.checks.CHECKS.get_one(name) for name in NOT_TOLD]
    case.call_and_validate(base_url=gateway.url, excluded_checks=excluded)

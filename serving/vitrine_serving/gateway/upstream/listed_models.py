"""Listed models: those that the gateway lists, and that model servers have once it is ready."""

from typing import Annotated

from pydantic import Field

from vitrine_client.http.default_model import FALLBACK, PREFERRED
from vitrine_client.store.version_labels import checked_label
from vitrine_serving.gateway.settings_part import Names, SettingsPart, each


def _checked_name(name: str) -> str:
    if "/" in name:
        raise ValueError(f"{name!r} is no model's name, which has no /; leave versions out")
    return name


class ListedModels(SettingsPart):
    """Settings of the list of models."""

    models: Annotated[Names, each(_checked_name)] = Field(
        ("softmax", FALLBACK, PREFERRED), min_length=1
    )
    """Models to list, separated by commas; ready means that all are AVAILABLE. By default photo may
    be missing."""
    version_labels: Annotated[Names, each(checked_label)] = ("stable", "canary")
    """Version labels to look for in the list of models, separated by commas."""

    @property
    def optional_models(self) -> frozenset[str]:
        """The models of the list that may be missing: one that was named by hand is expected; of
        the default list services whose models were trained before there was `photo` have two."""
        return frozenset() if "models" in self.model_fields_set else frozenset({PREFERRED})

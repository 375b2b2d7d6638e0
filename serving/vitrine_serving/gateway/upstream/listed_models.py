"""Listed models: those that the gateway lists, and that model servers have once it is ready."""

from pydantic import Field, field_validator

from vitrine_client.errors import InvalidRequest
from vitrine_client.http.default_model import FALLBACK, PREFERRED
from vitrine_client.store.version_labels import checked_label
from vitrine_serving.gateway.settings_part import Names, SettingsPart


class ListedModels(SettingsPart):
    """Settings of the list of models."""

    models: Names = Field(("softmax", FALLBACK, PREFERRED), min_length=1)
    """Models to list, separated by commas; ready means that all are AVAILABLE. By default photo may
    be missing."""
    version_labels: Names = ("stable", "canary")
    """Version labels to look for in the list of models, separated by commas."""

    @field_validator("models")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if "/" in name:
                raise ValueError(f"{name!r} is no model's name, which has no /; leave versions out")
        return value

    @field_validator("version_labels")
    @classmethod
    def _are_labels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(map(checked_label, value))
        except InvalidRequest as error:
            raise ValueError(str(error)) from error

    @property
    def optional_models(self) -> frozenset[str]:
        """The models of the list that may be missing: one that was named by hand is expected; of
        the default list services whose models were trained before there was `photo` have two."""
        return frozenset() if "models" in self.model_fields_set else frozenset({PREFERRED})

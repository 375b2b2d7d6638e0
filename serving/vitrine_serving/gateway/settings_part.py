"""Settings part: base class of the settings that one concept has, which stand beside its rule."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from vitrine_client.errors import InvalidRequest
from vitrine_client.process.variables import PREFIX


class SettingsPart(BaseModel):
    """Part of the gateway's settings, frozen. Each field is the environment variable of its name in
    capitals, after `VITRINE_`; `settings.Settings` reads it. Its docstring goes to the docs."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    def unused_without(self, main: str, described: str) -> str:
        """Returns a warning of the settings that have no effect while the one `main`, a file's, is
        not there, empty where there are none; `described` are words for what it makes."""
        fields = type(self).model_fields
        names = [
            f"{PREFIX}{name.upper()}"
            for name in sorted(self.model_fields_set)
            if getattr(self, name) != fields[name].default
        ]
        if getattr(self, main) or not names:
            return ""
        have = "has" if len(names) == 1 else "have"
        return (
            f"{', '.join(names)} {have} no effect without {described}: name its file in "
            f"{PREFIX}{main.upper()}"
        )


T = TypeVar("T")


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


def by(check: Callable[[T], T]) -> AfterValidator:
    """Returns the validator of a value, by a check that returns it or raises `InvalidRequest` or
    `ValueError`."""

    def checked(value: T) -> T:
        try:
            return check(value)
        except InvalidRequest as error:
            raise ValueError(str(error)) from error

    return AfterValidator(checked)


def each(check: Callable[[str], str]) -> AfterValidator:
    """Returns the validator of `Names`, by the check of one."""
    return by(lambda names: tuple(map(check, names)))


Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
"""Up to a day: clocks and selectors take no time beyond some, and nobody means one."""
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""Separated by commas in the environment."""

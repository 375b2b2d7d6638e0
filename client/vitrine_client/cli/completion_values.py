"""Completion values: model names and version labels, which the shell asks for on Tab.

The gateway is asked with a short time-out. Where it does not answer nothing is completed, and
nothing said: a message would end up in the middle of the command line.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from vitrine_client.client import Client
from vitrine_client.results.predictions import VersionStatus

TIMEOUT_S = 0.5


def model_names(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Returns the names of the models that the gateway lists."""
    return _items(_models(context), incomplete)


def version_labels(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Returns the version labels of the model that is named, or of all models."""
    listed = _models(context)
    named = context.params.get("model")
    asked = [listed[named]] if named in listed else listed.values()
    return _items(
        {name for each in asked for one in each for name in one.version_labels}, incomplete
    )


def configured_models(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Returns the names of the models in the `models.config` that `--config` names."""
    try:
        from vitrine_client.store.model_configs import ModelConfigs

        return _items(
            ModelConfigs.parse(Path(_value(context, "config")).read_bytes()).models, incomplete
        )
    except Exception:  # what is wrong with it is said when the command is run
        return []


def _models(context: click.Context) -> dict[str, list[VersionStatus]]:
    try:
        url, key = _value(context, "url"), _value(context, "key")
        ca, cert, own = (_file(context, name) for name in ("ca", "cert", "cert_key"))
        shown = (cert, own) if cert and own else cert
        asked: dict[str, Any] = {"api_key": key, "timeout_s": TIMEOUT_S, "retries": 0}
        with Client(url, verify=ca or True, cert=shown, **asked) as client:
            return client.models()
    except Exception:  # what is wrong is said when the command is run
        return {}


def _value(context: click.Context, name: str) -> str:
    """Returns what an option has, or will have by default: on Tab, not all are read."""
    if context.params.get(name) is not None:
        return str(context.params[name])
    option = next(each for each in context.command.params if each.name == name)
    value = option.value_from_envvar(context)
    return str(option.get_default(context) if value is None else value)


def _file(context: click.Context, name: str) -> str | None:
    """Returns what an option for a file has, None without."""
    option = next(each for each in context.command.params if each.name == name)
    named = context.params.get(name) or option.value_from_envvar(context)
    return str(named) if named else None


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]

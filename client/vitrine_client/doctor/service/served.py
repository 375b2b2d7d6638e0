"""Served models: findings on the states of a model's versions, and advice."""

from collections.abc import Iterator, Mapping, Sequence

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.http.default_model import is_served
from vitrine_client.results.predictions import VersionStatus


def examined_states(
    model: str, statuses: Sequence[VersionStatus], labels: Mapping[str, object]
) -> Iterator[Finding]:
    """Yields findings on a model on a service: on each version that failed, and on the model.
    `labels` are the versions by their labels."""
    name = f"model {model}, served"
    for each in statuses:
        if each.error_message:
            seen = f"version {each.version} is {each.state}: {each.error_message}"
            yield problem(name, seen, _mended(model, each.version))
    if not statuses:
        yield problem(
            name,
            "the gateway lists it, and the model server has no version of it",
            f"`vitrine-train train {model}`; or take it out of VITRINE_MODELS; or, if it is "
            "published, see whether models.config names it",
        )
    elif is_served(statuses):
        yield ok(name, _summary(statuses, labels))
    elif not any(each.error_message for each in statuses):
        states = ", ".join(f"version {each.version} is {each.state}" for each in statuses)
        yield note(name, states, "wait until one is AVAILABLE, and look again")


def _summary(statuses: Sequence[VersionStatus], labels: Mapping[str, object]) -> str:
    versions = [str(each.version) for each in statuses if each.state == "AVAILABLE"]
    labelled = ", ".join(f"{label} is {version}" for label, version in labels.items())
    return f"{'version' if len(versions) == 1 else 'versions'} {', '.join(versions)}" + (
        f" ({labelled})" if labelled else ""
    )


def _mended(model: str, version: int) -> str:
    return (
        f"publish another (`vitrine-train train {model}`), or set this one aside "
        f"(`vitrine-train rollback {model}`, if {version} is the newest)"
    )

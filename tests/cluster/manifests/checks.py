"""Checks of what is applied together: each yields a sentence for what is wrong."""

from collections.abc import Callable, Iterator

from tests.cluster.manifests import (
    custom,
    measuring,
    network,
    pods,
    protocols,
    references,
    rights,
    service,
    syntax,
)
from tests.cluster.manifests.objects import Objects

Check = Callable[[Objects], Iterator[str]]

SYNTAX: tuple[Check, ...] = (custom.versions, syntax.names, syntax.words, syntax.quantities)
"""Checks of each object by itself: the others expect that it has the fields that it should."""

CHECKS: tuple[Check, ...] = (
    pods.volumes,
    pods.probes,
    pods.ends,
    pods.restarts,
    pods.order,
    rights.rights,
    rights.resources,
    rights.writing,
    references.workloads,
    references.services,
    references.budgets,
    references.scaling,
    references.routes,
    references.monitors,
    references.accounts,
    references.namespaces,
    references.labels,
    network.policies,
    network.callers,
    service.settings,
    service.ports,
    service.images,
    service.model_servers,
    service.served,
    service.probed,
    service.addresses,
    service.fetched,
    protocols.probes,
    protocols.services,
    protocols.routes,
    protocols.asked,
    protocols.runtimes,
    measuring.measured,
    measuring.scraped,
    custom.fields,
)


def findings(objects: Objects) -> list[str]:
    """Returns what is wrong with objects that are applied together, each thing once."""
    return list(
        dict.fromkeys(said for check in (*SYNTAX, *CHECKS) for said in _said(check, objects))
    )


def _said(check: Check, objects: Objects) -> Iterator[str]:
    """Yields what a check finds; one that stumbles finds that an object lacks something."""
    try:
        yield from check(objects)
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as error:
        yield f"{check.__module__.rpartition('.')[2]}.{check.__name__}: no such object: {error!r}"

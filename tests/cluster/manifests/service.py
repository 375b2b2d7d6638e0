"""Vitrine in manifests: settings, flags and images are those of the code and of Compose."""

import json
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import parse_qs, urlsplit

import yaml
from pydantic import ValidationError

from harness.paths import ROOT
from tests.cluster.manifests import network
from tests.cluster.manifests.objects import Container, Object, Objects, Pod, repository, title
from tests.cluster.manifests.pods import PROBES, is_open
from tests.cluster.manifests.references import service_port
from vitrine_client.errors import InvalidRequest
from vitrine_serving.gateway.settings import FIELDS, Settings, explain

PREFIX = "VITRINE_"
HEALTH = "--enable_grpc_healthcheck_service=true"
"""Flag that is not in docker-compose.yml: Kubernetes' probes speak gRPC."""

_OPENAPI = ROOT / "serving/vitrine_serving/gateway/api/openapi/openapi.json"
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_IMAGE = re.compile(
    r"([a-z0-9.-]+(:\d+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)


@cache
def compose() -> Object:
    """Returns the services of docker-compose.yml, with the defaults of its variables."""
    text = (ROOT / "docker-compose.yml").read_text()
    found: Object = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))["services"]
    return found


@cache
def embedded() -> Object:
    """Returns the model server of deploy/docker-compose.embedded.yml."""
    text = (ROOT / "deploy/docker-compose.embedded.yml").read_text()
    found: Object = yaml.safe_load(text)["services"]["model-server"]
    return found


@cache
def paths() -> Object:
    """Returns the addresses of openapi.json, with the methods of each."""
    found: Object = json.loads(_OPENAPI.read_text())["paths"]
    return found


def settings(objects: Objects) -> Iterator[str]:
    """Variables that are no settings of the gateway, or have values that it does not take."""
    for container in objects.containers:
        given = {name: text for name, text in container.env.items() if name.startswith(PREFIX)}
        unknown = [name for name in given if name.removeprefix(PREFIX).lower() not in FIELDS]
        for name in unknown:
            yield f"{container.title}: {name} is no setting"
        if given and not container.is_gateway and not container.pod.is_runtime:
            yield f"{container.title} is no gateway, and has {', '.join(given)}"
        values = {
            name.removeprefix(PREFIX).lower(): text
            for name, text in given.items()
            if name not in unknown and text is not None and name == name.upper()
        }
        for name in given:
            if name != name.upper():
                yield f"{container.title}: {name} is not in capitals"
        try:
            Settings(**values)
        except ValidationError as error:
            for line in explain(error).splitlines():
                yield f"{container.title}: {line}"
        except InvalidRequest as error:
            yield f"{container.title}: {error}"
        if container.env.get("VITRINE_HOST", "0.0.0.0") in _LOCAL:  # noqa: S104 - as the image has it
            yield f"{container.title} listens on itself alone"


def ports(objects: Objects) -> Iterator[str]:
    """Ports that are declared and that nobody listens at, or the other way round."""
    for container in objects.containers:
        if container.is_gateway:
            wanted = [container.env.get("VITRINE_PORT") or "8080"]
            wanted.append(container.env.get("VITRINE_V2_GRPC_PORT") or "0")
        elif container.is_model_server and not container.pod.is_runtime:
            wanted = [flag(container, "port") or "8500", flag(container, "rest_api_port") or "0"]
        else:
            continue
        listening = {int(each) for each in wanted if each.isdigit() and each != "0"}
        declared = {one.get("containerPort") for one in container.ports}
        for port in sorted(listening ^ declared, key=str):
            said = "nobody listens at" if port in declared else "does not name the port"
            yield f"{container.title}: {said} {port}"


def flag(container: Container, name: str) -> str:
    """Returns the value of a flag, "" where it is not given."""
    found = [each.partition("=")[2] for each in container.words if each.startswith(f"--{name}=")]
    return found[-1] if found else ""


def images(objects: Objects) -> Iterator[str]:
    """Images that are not those of Compose, or that are another thing tomorrow."""
    own = {repository(one["image"]): one["image"] for one in compose().values() if "image" in one}
    own[repository(embedded()["image"])] = embedded()["image"]
    for container in objects.containers:
        yield from _image(container.title, container.spec, "image", own)
    for pod in objects.pods:
        for name, volume in pod.volumes.items():
            if "image" in volume:
                yield from _image(f"{pod.title}: volume {name}", volume["image"], "reference", {})


def _image(where: str, spec: Object, key: str, own: dict[str, str]) -> Iterator[str]:
    image = str(spec.get(key, ""))
    name = repository(image)
    tag = image.removeprefix(name)
    policy = spec.get("imagePullPolicy", spec.get("pullPolicy"))
    if not _IMAGE.fullmatch(image):
        yield f"{where}: {image!r} is no image"
    elif name in own:
        if tag.removesuffix(":latest") != own[name].removeprefix(name):
            yield f"{where}: {image} is {own[name]} in Compose"
    elif tag in ("", ":latest"):
        yield f"{where}: {image} is another one tomorrow; give it a tag"
    if policy != "IfNotPresent":
        yield f"{where}: {image} is pulled by {policy or 'default'}"


def model_servers(objects: Objects) -> Iterator[str]:
    """Model servers that are started otherwise than by Compose."""
    wanted = compose()["model-server"]
    for container in objects.containers:
        if not container.is_model_server or container.pod.is_runtime:
            continue
        given, expected = set(container.flags), {*wanted["command"], HEALTH}
        for each in sorted(given - expected):
            yield f"{container.title}: {each} is not in docker-compose.yml"
        for each in sorted(expected - given):
            yield f"{container.title} lacks {each}"
        is_ours = repository(str(container.spec["image"])).endswith("vitrine-model-server")
        command = container.spec.get("command") or []
        entrypoint = embedded()["entrypoint"] if is_ours else wanted["entrypoint"]
        if command[: len(entrypoint)] != entrypoint:
            yield f"{container.title} is started by {command}, and by {entrypoint} in Compose"
        more = [
            each for each in command[len(entrypoint) :] if not each.startswith("--local_socket=")
        ]
        if more:
            yield f"{container.title} is started with {' '.join(more)}, and not in Compose"
        for name, value in wanted["environment"].items():
            if container.env.get(name) != str(value):
                yield f"{container.title}: {name} is not {value}"
    yield from _one_configuration(objects)


def served(objects: Objects) -> Iterator[str]:
    """Models whose place is not mounted, and gateways that are not told of those that are."""
    for container in objects.containers:
        mounted = [f"{one.get('mountPath')}/" for one in container.mounts]
        is_told = container.env.get("VITRINE_MODELS_DIR")
        if container.is_gateway and "/models/" in mounted and not is_told:
            yield f"{container.title} has /models, and no VITRINE_MODELS_DIR"
        for text in _model_configs(objects, container):
            for base in re.findall(r"""base_path:\s*["']([^"']+)["']""", text):
                if not any(base.startswith(path) for path in mounted):
                    yield f"{container.title}: {base} is in no volume of it"


def _model_configs(objects: Objects, container: Container) -> Iterator[str]:
    """Yields the text of the ConfigMap's file that a model server is given."""
    name = flag(container, "model_config_file").rpartition("/")[2]
    for volume in container.pod.volumes.values() if name else ():
        source = (volume.get("configMap") or {}).get("name")
        found = objects.find("ConfigMap", str(source), container.pod.namespace)
        if found and name in (found.get("data") or {}):
            yield found["data"][name]


def _one_configuration(objects: Objects) -> Iterator[str]:
    """The ConfigMap has the files that Compose mounts."""
    for one in objects.of("ConfigMap"):
        for name, text in (one.get("data") or {}).items():
            file = ROOT / "deploy/tensorflow_serving" / name
            if file.exists() and text != file.read_text():
                yield f"{title(one)}: {name} is not deploy/tensorflow_serving/{name}"


_ASKED = {
    "startupProbe": ("/readyz", "/healthz"),
    "readinessProbe": ("/readyz",),
    "livenessProbe": ("/healthz",),
}
"""Paths that a gateway's probes may ask for."""


def probed(objects: Objects) -> Iterator[str]:
    """Probes of addresses that the gateway has not, or that take all gateways away at once."""
    for container in objects.containers:
        for name in PROBES:
            probe = container.spec.get(name) or {}
            if "grpc" in probe and container.is_model_server and HEALTH not in container.flags:
                yield f"{container.title}: {name} asks for the health that {HEALTH} turns on"
            if "httpGet" in probe and container.is_gateway:
                for said in _asked(container, name, str(probe["httpGet"].get("path", "/"))):
                    yield f"{container.title}: {name} asks for {said}"


def _asked(container: Container, probe: str, address: str) -> Iterator[str]:
    asked = urlsplit(address)
    if "get" not in paths().get(asked.path, {}):
        yield f"{asked.path}, which is not in openapi.json"
    elif asked.path not in _ASKED[probe]:
        yield f"{asked.path}, not for {' or '.join(_ASKED[probe])}"
    if asked.query not in ("", "models=1"):
        yield f"{asked.query!r}, not for models=1"
    is_at_start_of_its_own = probe == "startupProbe" and _has_own_model_server(container)
    if "models" in parse_qs(asked.query) and not is_at_start_of_its_own:
        yield "the models: where model servers are away, all gateways are"


def addresses_of(container: Container) -> list[str]:
    """Returns the addresses of model servers that a gateway is given."""
    given = container.env.get("VITRINE_MODEL_SERVER") or ""
    return [each.strip().partition("@")[0] for each in given.split(",") if each.strip()]


def _has_own_model_server(container: Container) -> bool:
    return all(
        each.startswith("ttrpc:") or each.rpartition(":")[0] in _LOCAL
        for each in addresses_of(container)
    )


def addresses(objects: Objects) -> Iterator[str]:
    """Addresses that a gateway is given and that are not there, or that it may not reach."""
    for container in objects.containers:
        if not container.is_gateway:
            continue
        if not addresses_of(container):
            yield f"{container.title} has no VITRINE_MODEL_SERVER"
        peers = container.env.get("VITRINE_PEERS") or "1"
        named = [*addresses_of(container), *([] if peers.isdigit() else [peers])]
        for address in named:
            for said in _reached(objects, container, address):
                yield f"{container.title}: {address}: {said}"
        for port in (one.get("containerPort") for one in container.ports):
            if not network.accepts_others(objects, container.pod, port):
                yield f"{container.title}: no client may ask it at {port}"
            if not _is_offered(objects, container.pod, port):
                yield f"{container.title}: no Service has its port {port}"


def _is_offered(objects: Objects, pod: Pod, port: int) -> bool:
    """Says whether a Service with an address of its own has a port of a pod."""
    return any(
        pod.port(one.get("targetPort", one.get("port"))) == port
        for service in objects.of("Service")
        if pod in objects.behind(service) and service["spec"].get("clusterIP") != "None"
        for one in service["spec"].get("ports") or []
    )


def _reached(objects: Objects, container: Container, address: str) -> Iterator[str]:
    host, _, port = address.rpartition(":")
    if address.startswith("ttrpc:"):
        path = address.removeprefix("ttrpc:")
        others = [one for one in container.pod.containers if one.is_model_server]
        if not any(flag(one, "local_socket") == path for one in others):
            yield "no model server of its pod has that socket"
        yield from _shares(container, others, path)
    elif host in _LOCAL:
        others = [one for one in container.pod.containers if one.stays and one is not container]
        if not any(is_open(one, int(port)) for one in others):
            yield "no container of its pod has that port"
    else:
        yield from _reached_by_name(objects, container.pod, host, int(port))


def _shares(container: Container, others: list[Container], path: str) -> Iterator[str]:
    """A socket's place has to be one volume, which the model server may write to."""

    def place(one: Container) -> tuple[object, ...]:
        for mount in one.mounts:
            if path.startswith(f"{mount.get('mountPath')}/"):
                return mount.get("name"), mount.get("mountPath"), mount.get("subPath")
        return ()

    if not any(place(one) and place(one) == place(container) for one in others):
        yield "the socket is in no volume of both"


def _reached_by_name(objects: Objects, pod: Pod, host: str, port: int) -> Iterator[str]:
    name = host.partition(".")[0]
    if said := service_port(objects, name, port, pod.namespace):
        yield said
        return
    service = objects.find("Service", name, pod.namespace) or {}
    if service["spec"].get("clusterIP") != "None":
        yield f"Service/{name} is not headless, and stands for one address"
    if not network.asks_dns(objects, pod):
        yield f"{pod.title} may not ask the DNS"
    if pod.spec.get("dnsPolicy", "ClusterFirst") in ("Default", "None"):
        yield f"{pod.title} does not ask the cluster's DNS"
    for target in objects.behind(service):
        found = next(
            one for one in service["spec"]["ports"] if port in (one.get("port"), one.get("name"))
        )
        number = target.port(found.get("targetPort", found.get("port")))
        if number is not None and number != port:
            yield f"Service/{name} is headless: its pods are asked at {port}, not at {number}"
        if number is not None and not network.allows(objects, pod, target, number):
            yield f"{pod.title} may not connect to {target.title} at {number}"


def fetched(objects: Objects) -> Iterator[str]:
    """Pods that fetch something and may not reach it."""
    for pod in objects.pods:
        for one in pod.containers:
            if "TARGET" in one.env and _volume(one, one.env["TARGET"]) not in _read(pod):
                yield f"{one.title} fetches into {one.env['TARGET']}, which no model server reads"
        if any(one.role == "init" and "SOURCE" in one.env for one in pod.containers):
            if not network.asks_dns(objects, pod):
                yield f"{pod.title} fetches its models, and may not ask the DNS"
            if not network.reaches_outside(objects, pod, 443):
                yield f"{pod.title} fetches its models, and may not connect to anybody at 443"


def _volume(container: Container, path: str | None) -> object:
    """Returns the name of the volume that is mounted at a path."""
    return next((one["name"] for one in container.mounts if one.get("mountPath") == path), None)


def _read(pod: Pod) -> set[object]:
    return {_volume(one, "/models") for one in pod.containers if one.is_model_server} - {None}

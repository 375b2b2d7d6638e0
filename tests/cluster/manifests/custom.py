"""Kinds and versions of objects, and the fields of those that are no part of Kubernetes itself.

Of these no package that can be pinned has the schemas, so the fields that the manifests may use
stand here, as Gateway API 1.6, KEDA 2.20, the Prometheus operator 0.93 and KServe 0.21 have them.
"""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from tests.cluster.manifests.objects import RUNTIMES, Object, Objects, title

BUILT_IN = {
    "ConfigMap": "v1",
    "Namespace": "v1",
    "PersistentVolumeClaim": "v1",
    "Pod": "v1",
    "Secret": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
}
"""Versions of Kubernetes' own kinds that may be here; its validator passes over removed ones."""


def _object(*required: str, **properties: Any) -> Object:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Object, least: int = 0) -> Object:
    return {"type": "array", "items": items, "minItems": least}


def _one_of(*words: str) -> Object:
    return {"enum": list(words)}


_TEXT: Object = {"type": "string", "minLength": 1}
_TEXTS: Object = {"type": "object", "additionalProperties": {"type": "string"}}
_COUNT: Object = {"type": "integer", "minimum": 0}
_FLAG: Object = {"type": "boolean"}
_DURATION: Object = {"type": "string", "pattern": r"^(\d+(ms|s|m|h|d))+$"}
_PORT: Object = {"type": "integer", "minimum": 1, "maximum": 65535}
_SELECTOR = _object(matchLabels=_TEXTS, matchExpressions={"type": "array"})

_PARENT = _object(
    "name", name=_TEXT, namespace=_TEXT, sectionName=_TEXT, port=_PORT, kind=_TEXT, group=_TEXT
)
_BACKEND = _object(
    "name",
    "port",
    name=_TEXT,
    namespace=_TEXT,
    port=_PORT,
    weight=_COUNT,
    kind=_TEXT,
    group={"type": "string"},
    filters={"type": "array"},
)
_HEADERS = _list(
    _object("name", "value", name=_TEXT, value=_TEXT, type=_one_of("Exact", "RegularExpression"))
)
_HTTP_MATCH = _object(
    path=_object(
        type=_one_of("Exact", "PathPrefix", "RegularExpression"),
        value={"type": "string", "pattern": "^/"},
    ),
    headers=_HEADERS,
    queryParams=_HEADERS,
    method=_one_of("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"),
)
_GRPC_MATCH = _object(
    method=_object(type=_one_of("Exact", "RegularExpression"), service=_TEXT, method=_TEXT),
    headers=_HEADERS,
)


def _route(match: Object, **more: Any) -> Object:
    rule = _object(
        "backendRefs",
        name=_TEXT,
        matches=_list(match, 1),
        filters={"type": "array"},
        backendRefs=_list(_BACKEND, 1),
        **more,
    )
    return _object(
        "parentRefs",
        "rules",
        parentRefs=_list(_PARENT, 1),
        hostnames=_list(_TEXT),
        rules=_list(rule, 1),
    )


_RELABELINGS = _list(
    _object(
        sourceLabels=_list(_TEXT),
        separator={"type": "string"},
        targetLabel=_TEXT,
        regex=_TEXT,
        replacement={"type": "string"},
        action=_one_of("replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep", "hashmod"),
    )
)
_ENDPOINT: dict[str, Any] = {
    "port": _TEXT,
    "path": {"type": "string", "pattern": "^/"},
    "scheme": _one_of("http", "https"),
    "interval": _DURATION,
    "scrapeTimeout": _DURATION,
    "honorLabels": _FLAG,
    "relabelings": _RELABELINGS,
    "metricRelabelings": _RELABELINGS,
    "bearerTokenSecret": {"type": "object"},
    "authorization": {"type": "object"},
    "tlsConfig": {"type": "object"},
    "basicAuth": {"type": "object"},
}
_NAMESPACES = _object(any=_FLAG, matchNames=_list(_TEXT))

_SCALED = _object(
    "scaleTargetRef",
    "triggers",
    scaleTargetRef=_object(
        "name", apiVersion=_TEXT, kind=_TEXT, name=_TEXT, envSourceContainerName=_TEXT
    ),
    minReplicaCount=_COUNT,
    maxReplicaCount=_COUNT,
    idleReplicaCount=_COUNT,
    pollingInterval=_COUNT,
    cooldownPeriod=_COUNT,
    initialCooldownPeriod=_COUNT,
    advanced=_object(
        restoreToOriginalReplicaCount=_FLAG,
        scalingModifiers={"type": "object"},
        horizontalPodAutoscalerConfig=_object(name=_TEXT, behavior={"type": "object"}),
    ),
    triggers=_list(
        _object(
            "type",
            "metadata",
            type=_one_of("prometheus", "cpu", "memory"),
            name=_TEXT,
            metricType=_one_of("AverageValue", "Value", "Utilization"),
            useCachedMetrics=_FLAG,
            metadata=_TEXTS,
            authenticationRef=_object("name", name=_TEXT, kind=_TEXT),
        ),
        1,
    ),
)

_PROTOCOL = _one_of("v1", "v2", "grpc-v1", "grpc-v2")
_RUNTIME = _object(
    "containers",
    "supportedModelFormats",
    supportedModelFormats=_list(
        _object(
            "name",
            name=_TEXT,
            version=_TEXT,
            autoSelect=_FLAG,
            priority={"type": "integer", "minimum": 1},
        ),
        1,
    ),
    multiModel={"const": False},
    disabled=_FLAG,
    protocolVersions=_list(_PROTOCOL, 1),
    containers=_list({"type": "object"}, 1),
    volumes=_list({"type": "object"}),
    nodeSelector=_TEXTS,
    affinity={"type": "object"},
    tolerations={"type": "array"},
    labels=_TEXTS,
    annotations=_TEXTS,
    imagePullSecrets={"type": "array"},
)
_PREDICTOR = _object(
    "model",
    model=_object(
        "modelFormat",
        modelFormat=_object("name", name=_TEXT, version=_TEXT),
        runtime=_TEXT,
        protocolVersion=_PROTOCOL,
        storageUri={"type": "string", "pattern": r"^(s3|gs|https?|pvc|oci)://"},
        storage={"type": "object"},
        env={"type": "array"},
        args=_list(_TEXT),
        resources={"type": "object"},
        ports=_list(
            _object(
                "containerPort",
                name=_one_of("http1", "h2c"),
                containerPort=_PORT,
                protocol=_one_of("TCP"),
            ),
            1,
        ),
    ),
    minReplicas={"type": "integer", "minimum": 1},
    maxReplicas=_COUNT,
    scaleTarget=_COUNT,
    scaleMetric=_one_of("cpu", "memory", "concurrency", "rps"),
    scaleMetricType=_one_of("Utilization", "AverageValue"),
    containerConcurrency=_COUNT,
    timeout=_COUNT,
    labels=_TEXTS,
    annotations=_TEXTS,
    deploymentStrategy={"type": "object"},
    serviceAccountName=_TEXT,
    automountServiceAccountToken=_FLAG,
    enableServiceLinks=_FLAG,
    terminationGracePeriodSeconds=_COUNT,
    securityContext={"type": "object"},
    topologySpreadConstraints={"type": "array"},
    nodeSelector=_TEXTS,
    tolerations={"type": "array"},
)

SPECS: dict[tuple[str, str], Object] = {
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _route(
        _HTTP_MATCH, timeouts=_object(request=_DURATION, backendRequest=_DURATION)
    ),
    ("gateway.networking.k8s.io/v1", "GRPCRoute"): _route(_GRPC_MATCH),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _object(
        "selector",
        "endpoints",
        selector=_SELECTOR,
        endpoints=_list(_object("port", **_ENDPOINT), 1),
        jobLabel=_TEXT,
        targetLabels=_list(_TEXT),
        podTargetLabels=_list(_TEXT),
        namespaceSelector=_NAMESPACES,
        sampleLimit=_COUNT,
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): _object(
        "selector",
        "podMetricsEndpoints",
        selector=_SELECTOR,
        podMetricsEndpoints=_list(_object("port", **_ENDPOINT), 1),
        jobLabel=_TEXT,
        podTargetLabels=_list(_TEXT),
        namespaceSelector=_NAMESPACES,
        sampleLimit=_COUNT,
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): _SCALED,
    ("serving.kserve.io/v1alpha1", "ClusterServingRuntime"): _RUNTIME,
    ("serving.kserve.io/v1alpha1", "ServingRuntime"): _RUNTIME,
    ("serving.kserve.io/v1beta1", "InferenceService"): _object("predictor", predictor=_PREDICTOR),
}
"""Schema of `spec`, by version and kind."""


def versions(objects: Objects) -> Iterator[str]:
    """Kinds that are not known, or under another version than that which clusters have."""
    known = {(version, kind) for kind, version in BUILT_IN.items()} | SPECS.keys()
    for one in objects:
        given = str(one.get("apiVersion")), str(one.get("kind"))
        if given not in known:
            others = [version for version, kind in known if kind == given[1]]
            said = (
                f"{given[1]} is in {', '.join(others)}" if others else "and nothing is known of it"
            )
            yield f"{title(one)} is of {given[0]}; {said}"
        elif not one.get("metadata", {}).get("name"):
            yield f"{title(one)} has no name"


def fields(objects: Objects) -> Iterator[str]:
    """Fields of custom objects that are not there, or have other values."""
    for one in objects:
        spec = SPECS.get((str(one.get("apiVersion")), str(one.get("kind"))))
        if spec is None:
            continue
        whole = _object(
            "spec", "metadata", apiVersion=_TEXT, kind=_TEXT, metadata={"type": "object"}, spec=spec
        )
        for error in Draft202012Validator(whole).iter_errors(one):
            place = ".".join(map(str, error.absolute_path))
            yield f"{title(one)}: {place}: {error.message}"
        if one.get("kind") in RUNTIMES:
            yield from _runtime(objects, one)
        if one.get("kind") == "InferenceService":
            yield from _asked(objects, one)


def _runtime(objects: Objects, one: Object) -> Iterator[str]:
    """KServe mounts the model at /mnt/models in the container of that name alone."""
    names = [container.get("name") for container in one["spec"].get("containers") or []]
    if names != ["kserve-container"]:
        yield f"{title(one)}: its container is not kserve-container"
    for container in one["spec"].get("containers") or []:
        if "{{.Name}}" not in str(container):
            yield f"{title(one)} does not serve the model by the name of its InferenceService"
        if "/mnt/models" not in str(container):
            yield f"{title(one)} does not serve what is at /mnt/models"


def _asked(objects: Objects, one: Object) -> Iterator[str]:
    """An InferenceService names a runtime that is here and takes its model."""
    model = one["spec"].get("predictor", {}).get("model") or {}
    found = objects.find("ClusterServingRuntime", str(model.get("runtime")))
    if not found:
        yield f"{title(one)}: there is no ClusterServingRuntime/{model.get('runtime')}"
        return
    formats = [each.get("name") for each in found["spec"].get("supportedModelFormats") or []]
    if model.get("modelFormat", {}).get("name") not in formats:
        yield f"{title(one)}: {title(found)} takes {', '.join(formats)}"
    protocol = model.get("protocolVersion", "v1")
    if protocol not in (found["spec"].get("protocolVersions") or []):
        yield f"{title(one)}: {title(found)} does not speak {protocol}"
    grace = one["spec"]["predictor"].get("terminationGracePeriodSeconds", 30)
    for container in found["spec"].get("containers") or []:
        hook = (container.get("lifecycle") or {}).get("preStop") or {}
        if grace <= (hook.get("sleep") or {}).get("seconds", 0):
            yield f"{title(one)}: its grace of {grace} s is over before preStop is"

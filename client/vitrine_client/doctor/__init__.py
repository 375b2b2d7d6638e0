"""Diagnosis of an installation: problems of this machine and of the service, with advice.

`examine(CHECKS, installation, limit_s=...)` yields findings; `vitrine doctor` prints them, and with
`--cluster` those of `CLUSTER_CHECKS`.
"""

from vitrine_client.doctor import variables
from vitrine_client.doctor.cluster import names, peers, pod, probes, servers
from vitrine_client.doctor.data import data_set, model_files
from vitrine_client.doctor.examination import Check, examine
from vitrine_client.doctor.finding import Finding, Level
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.machine import (
    containers,
    interpreter,
    machine,
    proxies,
    software,
)
from vitrine_client.doctor.service import (
    certificates,
    gateway,
    keys,
    local_ports,
    model_server,
    served_configs,
)

__all__ = ["CHECKS", "CLUSTER_CHECKS", "Check", "Finding", "Installation", "Level", "examine"]

CHECKS = (
    Check("Machine", "Python", interpreter.check),
    Check("Machine", "platform", machine.check_platform),
    Check("Machine", "memory", machine.check_memory),
    Check("Machine", "disk", machine.check_disk),
    Check("Machine", "shared memory", machine.check_shared_memory),
    Check("Machine", "file descriptors", machine.check_descriptors),
    Check("Machine", "clock", machine.check_clock),
    Check("Software", "Vitrine", software.check_members),
    Check("Software", "libraries", software.check_libraries),
    Check("Software", "container engine", containers.check),
    Check("Software", "programs for tests", software.check_programs),
    Check("Settings", "variables", variables.check),
    Check("Settings", "proxies", proxies.check),
    Check("Settings", "trusted CAs", certificates.check_authorities),
    Check("Settings", "TLS", certificates.check_own),
    Check("Settings", "keys file", keys.check),
    Check("Data and models", "data set", data_set.check_cache),
    Check("Data and models", "VITRINE_DATA_DIR", data_set.check_named),
    Check("Data and models", "models", model_files.check),
    Check("Data and models", "models.config", served_configs.check),
    Check("Service", "ports", local_ports.check),
    Check("Service", "gateway", gateway.check),
    Check("Service", "model server", model_server.check),
)
"""All checks, in the order in which they are told."""

CLUSTER_CHECKS = (
    Check("Pod", "service links", pod.check_links),
    Check("Pod", "directories", pod.check_directories),
    Check("Pod", "limits", pod.check_limits),
    Check("Pod", "file descriptors", machine.check_descriptors),
    Check("Pod", "clock", machine.check_clock),
    Check("Settings", "variables", variables.check),
    Check("Settings", "proxies", proxies.check),
    Check("Settings", "trusted CAs", certificates.check_authorities),
    Check("Settings", "TLS", certificates.check_own),
    Check("Settings", "keys file", keys.check),
    Check("DNS", "resolver", names.check_resolver),
    Check("DNS", "names", names.check_names),
    Check("Service", "probes", probes.check),
    Check("Service", "model servers", servers.check),
    Check("Service", "peers", peers.check),
)
"""Those from inside a pod of a cluster."""

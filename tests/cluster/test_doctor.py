"""`vitrine doctor --cluster` in a network of its own, with a resolver as a pod has it: the C
library asks a real DNS server for the names that `resolv.conf` has it try."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.paths import ROOT

RESOLV_CONF = """\
search shop.svc.cluster.local svc.cluster.local cluster.local
nameserver 127.0.0.1
options ndots:5 timeout:1 attempts:1
"""
UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--fork")
INSIDE = """\
set -e
ip link set lo up
mount --bind "$1/resolv.conf" /etc/resolv.conf
exec "$2" -m tests.cluster.pod_doctor
"""


def diagnosed(folder: Path, records: dict[str, list[str]], **variables: str) -> dict[str, str]:
    """Returns each finding's level and what was seen, by its name."""
    missing = [name for name in ("unshare", "ip", "mount") if not shutil.which(name)]
    if missing or subprocess.run([*UNSHARE, "true"], capture_output=True).returncode:
        pytest.skip(f"no network namespace can be made here ({', '.join(missing) or 'unshare'})")
    (folder / "resolv.conf").write_text(RESOLV_CONF)
    told = {"RECORDS": json.dumps(records), "KUBERNETES_SERVICE_HOST": "10.96.0.1"} | variables
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", INSIDE, "sh", str(folder), sys.executable],
        cwd=ROOT,
        env=os.environ | told,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)["findings"]
    return {each["name"]: f"{each['level']}: {each['seen']} → {each['todo']}" for each in found}


def test_names_in_a_pod(tmp_path):
    """Two model servers behind a headless Service; the peers' name is another namespace's."""
    records = {
        "models.shop.svc.cluster.local": ["127.0.0.2", "127.0.0.3"],
        "peers.other.svc.cluster.local": ["127.0.0.4"],
    }
    found = diagnosed(
        tmp_path, records, VITRINE_MODEL_SERVER="models:8500", VITRINE_PEERS="peers:8080"
    )
    assert found["resolver"].startswith("ok: asks 127.0.0.1, ndots 5")
    assert "2 addresses: 127.0.0.2, 127.0.0.3" in found["name models"]
    assert found["name peers"].startswith("problem: of VITRINE_PEERS has no address")
    assert "nothing listens" in found["model server 127.0.0.2:8500 (of models)"]


def test_the_dns_does_not_answer(tmp_path):
    found = diagnosed(tmp_path, {}, VITRINE_MODEL_SERVER="models:8500", SILENT="1")
    assert found["name models"].startswith("problem: of VITRINE_MODEL_SERVER cannot be looked up")
    assert "port 53" in found["name models"]


def test_lookups_in_vain_and_a_name_of_a_cluster_ip(tmp_path):
    """A name that is whole and has no dot at its end is looked up four times; its address has the
    Service's own name."""
    name = "models.shop.svc.cluster.local"
    records = {name: ["127.0.0.9"]}
    found = diagnosed(
        tmp_path,
        records,
        VITRINE_MODEL_SERVER=f"{name}:8500",
        MODELS_SERVICE_HOST="127.0.0.9",
    )
    assert "in vain 3 times" in found[f"name {name}, search"]
    assert "ClusterIP" in found[f"name {name}"]

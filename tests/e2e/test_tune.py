"""`vitrine tune` with the real service, and a models directory in which things change."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.paths import SAMPLES
from harness.service import started_service
from harness.waiting import wait_for
from vitrine_client.loadtest import chaos
from vitrine_client.loadtest.analysis import swap_effect
from vitrine_client.loadtest.plan import Open, Phase, Plan, Workload

pytestmark = pytest.mark.slow


def test_tune(training_run, tmp_path):
    """With so little time the defaults are all that is measured: they stay, the files say so, and
    nothing is left running (a process that is would keep the pipe open)."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "vitrine_client", "tune", str(SAMPLES[0]), "--slo=p99=1s"),
            *(f"--models-dir={training_run.models_dir}", "--for-s=1", f"--output={tmp_path}/tuned"),
        ],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Keep the defaults: they meet p99=1s at" in done.stdout
    assert (tmp_path / "tuned/gateway.env").read_text().startswith("VITRINE_WORKERS=2\n")
    assert (
        "env $(cat tuned/gateway.env tuned/model-server.env) vitrine-serve up"
        in (tmp_path / "tuned/README.md").read_text()
    )


def config(models_dir: Path, stable: int) -> str:
    return f"""model_config_list {{ config {{
        name: "mlp" base_path: "{models_dir}/mlp" model_platform: "tensorflow"
        model_version_policy {{ all {{}} }}
        version_labels {{ key: "stable" value: {stable} }}
    }} }}"""


@pytest.mark.wide  # tests/client/test_config_reloads.py follows files, test_terminal.py has a swap
def test_a_models_directory_in_which_things_change(training_run, tmp_path):
    """models.config says what is served and has labels from the start; when it changes, the service
    follows. A swap under load is seen, and no request notices."""
    models_dir = tmp_path / "models"
    shutil.copytree(training_run.models_dir, models_dir)
    shutil.copytree(models_dir / "mlp/1", models_dir / "mlp/2")
    (models_dir / "models.config").write_text(config(models_dir, 1))
    with started_service(models_dir, tmp_path / "log") as running:
        assert "Not served: softmax" in (tmp_path / "log").read_text()
        picture = SAMPLES[0].read_bytes()

        def stable() -> int:
            with running.client() as client:
                return client.predict(picture, "mlp", label="stable").version

        assert stable() == 1
        (models_dir / "models.config").write_text(config(models_dir, 2))
        wait_for(lambda: stable() == 2, 60, "the label")
        target = Workload("raw", running.url, "mlp", (picture,))
        # From the middle on a slow machine has the time to load what is published then.
        plan = Plan(target, Open((Phase(16, 20, 20),)))
        result = chaos.run_with_swap(plan, models_dir)
        assert [text for _, text in result.events][:2] == [
            "published version 3",
            "version 3 answers",
        ]
        assert not result.errors
        assert swap_effect.effect(result).during.answered
        assert sorted(path.name for path in (models_dir / "mlp").iterdir()) == [".lock", "1", "2"]

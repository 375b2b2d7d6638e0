"""Compatibility set: what this commit's commands write, and how this commit's service answers.

    .venv/bin/python -m tests.compat.make_set 2026-11-29

trains, serves, asks and measures for some minutes, and writes the folder of that name beside this
file. README.md says which file is from which command.
"""

import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image

from harness.paths import ROOT
from harness.service import started_service
from harness.waiting import wait_for

HERE = Path(__file__).parent
PICTURES = BOOT, COAT, TROUSER = "ankle-boot.png", "coat.png", "trouser.png"
BROKEN = "broken.png"
NPY, JSON, PNG = "application/x-npy", "application/json", "image/png"
LONG_S, SEARCH_S = 120, 900


def command(
    member: str, *words: object, timeout_s: float = LONG_S
) -> "subprocess.CompletedProcess[str]":
    """Runs a command of ours, such as `client loadtest …`, and checks that all was well."""
    done = subprocess.run(
        [sys.executable, "-m", f"vitrine_{member}", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@dataclass(frozen=True)
class Service:
    """Running service: its address, its model server's, and an API key that it takes."""

    url: str
    grpc_address: str
    key: str

    def send(self, case: dict[str, Any], folder: Path) -> requests.Response:
        """Sends the request of a case; its pictures are files in `folder`."""
        headers = {"X-API-Key": self.key}
        if "images" in case:
            files = [("image", (folder / name).read_bytes()) for name in case["images"]]
            return self._request(case, headers, files=files)
        if content_type := case.get("content_type"):
            headers["Content-Type"] = content_type
        return self._request(case, headers, data=_body(case, folder))

    def _request(
        self, case: dict[str, Any], headers: dict[str, str], **body: Any
    ) -> requests.Response:
        address = f"{self.url}{case['path']}"
        return requests.request(case["method"], address, headers=headers, timeout=30, **body)


def _body(case: dict[str, Any], folder: Path) -> bytes | None:
    """A picture, `numpy.save` of pictures, or JSON; in JSON `{"pixels": name}` are a picture's, and
    `{"file": name}` is the file itself in Base64."""
    if "image" in case:
        return (folder / case["image"]).read_bytes()
    if "array" in case:
        buffer = io.BytesIO()
        np.save(buffer, np.stack([_pixels(folder / name) for name in case["array"]]))
        return buffer.getvalue()
    if "json" not in case:
        return None

    def filled(part: Any) -> Any:
        if isinstance(part, list):
            return [filled(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "pixels" in part:
            return (_pixels(folder / part["pixels"]) / 255).round(3).tolist()
        if "file" in part:
            return {"b64": b64encode((folder / part["file"]).read_bytes()).decode()}
        return {name: filled(each) for name, each in part.items()}

    return json.dumps(filled(case["json"])).encode()


def _pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"))


@contextmanager
def serving(models_dir: Path, keys: Path, key: str, **settings: object) -> Iterator[Service]:
    """Runs `vitrine-serve up`; `settings` are the gateway's, by their names in lower case."""
    settings = {"keys_file": keys, "models": "softmax,mlp"} | settings
    with (
        tempfile.TemporaryDirectory() as folder,
        started_service(models_dir, Path(folder) / "log", **settings) as running,
    ):
        yield Service(running.url, running.grpc_address, key)


def cases() -> Iterator[dict[str, Any]]:
    """Yields requests, each with a name: every way to ask, of each model."""
    yield {"name": "models", "method": "GET", "path": "/v1/models"}
    for model, rows in (("softmax", 2), ("mlp", 1)):
        address = f"/v1/models/{model}"
        for name, path in (("status", ""), ("metadata", "/versions/1/metadata")):
            yield {"name": f"{model}: {name}", "method": "GET", "path": address + path}
        posts = (*_pictures(), *_json(rows), *_explanations(), *_refused())
        for name, path, body in posts:
            yield {"name": f"{model}: {name}", "method": "POST", "path": address + path, **body}


Posts = Sequence[tuple[str, str, dict[str, Any]]]
"""Name, what follows the model's address, and the body."""


def _pictures() -> Posts:
    return (
        ("picture", ":predict", {"image": COAT, "content_type": PNG}),
        ("label", "/labels/stable:predict", {"image": BOOT, "content_type": PNG}),
        ("form", "/versions/1:predict?top_k=3", {"images": [*PICTURES, BROKEN]}),
        ("array", ":predict", {"array": [BOOT, TROUSER], "content_type": NPY}),
    )


def _json(rows: int) -> Posts:
    """One without its content type: JSON is recognised."""
    instances = [{"pixels": BOOT}, {"pixels": COAT}][:rows]
    files = {"signature_name": "serve_bytes", "instances": [{"file": TROUSER}]}
    inputs = {"images": [{"pixels": TROUSER}], "class_ids": [-1]}
    explained = {"signature_name": "explain", "inputs": inputs}
    return (
        ("rows", ":predict", {"json": {"instances": instances}, "content_type": JSON}),
        ("columns", ":predict", {"json": {"inputs": instances}, "content_type": JSON}),
        ("files in JSON", ":predict", {"json": files, "content_type": JSON}),
        ("attributions in JSON", ":predict", {"json": explained}),
    )


def _explanations() -> Posts:
    return (
        ("explanation", ":explain", {"image": BOOT, "content_type": PNG}),
        ("of a class", "/versions/1:explain?class_id=6", {"images": [COAT, TROUSER]}),
    )


def _refused() -> Posts:
    return (
        ("no picture", ":predict", {"image": BROKEN, "content_type": PNG}),
        ("no version", "/versions/9:predict", {"image": BOOT, "content_type": PNG}),
    )


def record(service: Service, folder: Path) -> None:
    """Writes each case with its answer, one a line."""
    with (folder / "answers.jsonl").open("w") as file:
        for case in cases():
            answer = service.send(case, folder)
            recorded = case | {"status": answer.status_code, "answer": answer.json()}
            file.write(json.dumps(recorded) + "\n")


def _train(models_dir: Path) -> None:
    shared = ("--models-dir", models_dir, "--hard-pictures", 1)
    command("training", "train", "softmax", *shared)
    command("training", "train", "softmax", "--seed", 1, "--force", *shared)
    command("training", "train", "mlp", "--hidden-units", 64, *shared)


def _promote(service: Service, models_dir: Path) -> None:
    """Moves labels, one of them twice, and waits until the gateway's list of models has them."""
    where = ("--config", models_dir / "models.config", "--model-server", service.grpc_address)
    for model, version in (("softmax", 1), ("softmax", 2), ("mlp", 1)):
        command("client", "promote", model, version, *where)
    expected = [{"stable": "2"}, {"stable": "1"}]
    listing = {"method": "GET", "path": "/v1/models"}

    def listed() -> list[dict[str, str]]:
        return [
            each["version_labels"] for each in service.send(listing, models_dir).json()["models"]
        ]

    wait_for(lambda: listed() == expected, LONG_S, "version labels")


def _replay(service: Service, log: Path, picture: Path, result: Path) -> dict[str, Any]:
    """Returns how many lines of a log are sent, and how many are left out and why."""
    command(
        *("client", "loadtest", "replay", log, "--pictures", picture, "--json", result, "--quiet"),
        *("--url", service.url, "--key", service.key, "--longest-gap-s", 0.1),
    )
    load = json.loads(result.read_text())["about"]["plan"]["load"]
    return {"replayed": load["replayed"], "left_out": load["left_out"]}


def _serve_and_measure(folder: Path, key: str) -> dict[str, Any]:
    """Returns what replays of the two logs send."""
    models_dir, keys, picture = folder / "models", folder / "keys", folder / PICTURES[0]
    logs = {1: folder / "predictions.jsonl", 0: folder / "without-images.jsonl"}
    for images, log in logs.items():
        settings = {"prediction_log": log, "prediction_log_images": images}
        with serving(models_dir, keys, key, **settings) as service:
            if images:
                _promote(service, models_dir)
            record(service, folder)  # both logs are of the same requests
    with serving(models_dir, keys, key) as service:
        replays = {
            log.name: _replay(service, log, picture, folder.parent / "replay.json")
            for log in logs.values()
        }
        told = (picture, "--model", "mlp", "--quiet", "--url", service.url, "--key", key)
        load = ("--rate", 50, "--duration-s", 12, "--json", folder / "result.json")
        command("client", "loadtest", "open", *told, *load)
        slo = ("--slo", "p99=1s,errors=1%", "--json", folder / "search.json")
        command("client", "loadtest", "search", *told, *slo, timeout_s=SEARCH_S)
    return replays


def make(folder: Path) -> None:
    """Writes a set. Raises `AssertionError` where a command fails, and leaves what is there."""
    folder.mkdir()
    for name in PICTURES:
        shutil.copyfile(ROOT / "samples" / name, folder / name)
    (folder / BROKEN).write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    _train(folder / "models")
    added = command("serving", "keys", "add", "tests", "--file", folder / "keys")
    key = re.findall(r"vitrine_\S+", added.stdout)[0]
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    replays = _serve_and_measure(folder, key)
    about = {"commit": commit, "key": key, "replays": replays}
    (folder / "set.json").write_text(json.dumps(about, indent=2) + "\n")
    for lock in folder.rglob(".*lock"):
        lock.unlink()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="vitrine-") as place:  # paths are in what is written
        made = Path(place, sys.argv[1])
        make(made)
        shutil.copytree(made, HERE / sys.argv[1])

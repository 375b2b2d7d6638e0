"""The HTTP client of a Vitrine gateway."""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
import requests
from PIL import Image

from vitrine_client import errors
from vitrine_client.images import Picture, from_array
from vitrine_client.predictions import Prediction, VersionStatus


class Client:
    """Sends pictures to the gateway at `base_url`, over connections that it keeps.

    Every call raises a `VitrineError`: `Unavailable` where nobody answers, `DeadlineExceeded` after
    `timeout_s` seconds without an answer, else what the gateway says.

    >>> with Client("http://127.0.0.1:8080") as client:  # doctest: +SKIP
    ...     client.predict("shoe.png").label
    'Ankle boot'
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        timeout_s: float = 10.0,
        api_key: str = "",
        session: requests.Session | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = session or requests.Session()
        if api_key:
            self._session.headers["X-API-Key"] = api_key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the kept connections."""
        self._session.close()

    def predict(
        self, picture: Picture, model: str = "mlp", *, version: int | None = None
    ) -> Prediction:
        """Returns the prediction for one picture: a path, bytes, a binary file, a PIL image or an
        array (uint8, [h, w] or [h, w, 3]). Raises `InvalidImage` where the gateway can't read it.
        """
        answer = self._post(
            _predict_path(model, version),
            data=encoded(picture),
            headers={"Content-Type": "application/octet-stream"},
        )
        return _prediction(answer["predictions"][0], answer["model_spec"])

    def predict_many(
        self, pictures: Iterable[Picture], model: str = "mlp", *, version: int | None = None
    ) -> list[Prediction | errors.InvalidImage]:
        """Returns, for each picture in order, its prediction or what is wrong with it.

        All go in one request; the gateway says how many and how large they may be.
        """
        files = [("image", (f"{n}", encoded(picture))) for n, picture in enumerate(pictures)]
        if not files:
            return []
        answer = self._post(_predict_path(model, version), files=files)
        return [
            errors.InvalidImage(entry["error"])
            if "error" in entry
            else _prediction(entry, answer["model_spec"])
            for entry in answer["predictions"]
        ]

    def models(self) -> dict[str, list[VersionStatus]]:
        """Returns the models of the gateway and the states of their versions."""
        listed = self._get("/v1/models")["models"]
        return {model["name"]: _statuses(model) for model in listed}

    def status(self, model: str) -> list[VersionStatus]:
        """Returns the states of the versions of one model."""
        return _statuses(self._get(f"/v1/models/{quote(model, safe='')}"))

    def _get(self, path: str) -> Any:
        return self._request("GET", path)

    def _post(self, path: str, **options: Any) -> Any:
        return self._request("POST", path, **options)

    def _request(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._session.request(
                method, self.base_url + path, timeout=self._timeout_s, **options
            )
            body = response.json()
        except requests.Timeout as error:
            raise errors.DeadlineExceeded(
                f"{self.base_url} did not answer within {self._timeout_s:g} s"
            ) from error
        except requests.JSONDecodeError as error:
            raise errors.ServerError(
                f"{self.base_url}{path} answered {response.status_code} without JSON; "
                "is this a Vitrine gateway?"
            ) from error
        except requests.RequestException as error:
            raise errors.Unavailable(
                f"No gateway answers at {self.base_url}; start one with `make serve`, "
                f"or name another ({type(error).__name__})"
            ) from error
        if response.ok:
            return body
        message = body.get("detail") if isinstance(body, dict) else None
        after = response.headers.get("Retry-After", "")
        raise errors.for_status(
            response.status_code,
            message or f"{self.base_url}{path}: {response.status_code}",
            float(after) if after.isdecimal() else None,
        )


def encoded(picture: Picture) -> bytes:
    """Returns a picture as it travels: the bytes of a file as they are, pixels as PNG."""
    match picture:
        case bytes():
            return picture
        case str() | os.PathLike():
            return Path(picture).read_bytes()
        case np.ndarray() | Image.Image():
            image = picture if isinstance(picture, Image.Image) else from_array(picture)
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
            return buffer.getvalue()
        case _:
            return picture.read()


def _predict_path(model: str, version: int | None) -> str:
    chosen = "" if version is None else f"/versions/{version}"
    return f"/v1/models/{quote(model, safe='')}{chosen}:predict"


def _prediction(entry: dict[str, Any], spec: dict[str, Any]) -> Prediction:
    return Prediction(**entry, model=spec["name"], version=int(spec["version"]))


def _statuses(answer: dict[str, Any]) -> list[VersionStatus]:
    return [
        VersionStatus(
            version=int(entry["version"]),
            state=entry["state"],
            error_code=entry["status"]["error_code"],
            error_message=entry["status"]["error_message"],
        )
        for entry in answer["model_version_status"]
    ]

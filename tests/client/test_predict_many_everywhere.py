"""The same folder by every way to the real models: the same answers, in the same order."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.service import Service
from vitrine_client import Client, InvalidImage
from vitrine_client.aio import AsyncClient
from vitrine_client.model_server import ModelServerClient
from vitrine_client.results.predictions import Prediction
from vitrine_training.data.fashion_mnist import Dataset
from vitrine_training.evaluation.metrics import class_ids_of

IMAGES = 150
PHOTOS = 5
BROKEN = (7, 100)


@pytest.fixture(scope="module")
def folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of the test set as PNG, two of them cut off, and after them some as large photos."""
    made = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate(dataset.test.images[:IMAGES]):
        Image.fromarray(image).save(made / f"{number:04}.png")
    for number in BROKEN:
        path = made / f"{number:04}.png"
        path.write_bytes(path.read_bytes()[:100])
    for number, image in enumerate(dataset.test.images[:PHOTOS]):
        photo = Image.new("L", (2000, 1500), 230)
        large = Image.fromarray(image).resize((900, 900), Image.Resampling.BICUBIC)
        photo.paste(40, (500, 300), large)
        exif = Image.Exif()
        exif[0x0112] = 6
        photo.rotate(90, expand=True).save(made / f"photo-{number}.jpg", exif=exif)
    return made


def test_every_way_gives_the_same(
    folder: Path, service: Service, training_run, dataset: Dataset
) -> None:
    """Through the gateway, prepared here or there, with threads or asyncio, and past it over gRPC:
    for rows of the data set what the model says offline, and the same for photos."""

    async def asked() -> list[Prediction | InvalidImage]:
        async with AsyncClient(service.url) as client:
            return [each async for each in client.predict_many(folder, "mlp", batch_size=20)]

    with Client(service.url) as client, ModelServerClient(service.grpc_address) as direct:
        ways = {
            "gateway": list(client.predict_many(folder, "mlp", batch_size=20)),
            "local": list(client.predict_many(folder, "mlp", batch_size=20, local=True)),
            "asyncio": asyncio.run(asked()),
            "grpc": list(direct.predict_many(folder, "mlp", batch_size=20)),
        }
    offline = class_ids_of(training_run.models_dir / "mlp" / "1", dataset.test.images[:IMAGES])
    for name, found in ways.items():
        ids = [getattr(each, "class_id", None) for each in found]
        assert len(ids) == IMAGES + PHOTOS, name
        wrong = [n for n in range(IMAGES) if ids[n] != (None if n in BROKEN else offline[n])]
        assert not wrong, name
        assert ids == [getattr(each, "class_id", None) for each in ways["gateway"]], name
        reasons = {str(found[n]) for n in BROKEN}
        assert all("damaged" in reason for reason in reasons), reasons


def test_metadata_is_the_same_through_the_gateway_and_past_it(service: Service) -> None:
    """The JSON of TensorFlow Serving's REST API, however it comes."""
    with Client(service.url) as client, ModelServerClient(service.grpc_address) as direct:
        through, past = (each.metadata("mlp", version=1) for each in (client, direct))
    assert through == past
    assert "describe" in through["metadata"]["signature_def"]["signature_def"]


def test_classes_are_those_of_the_probabilities(service: Service, dataset: Dataset) -> None:
    """A tf.Example of an image is classified as the image is."""
    images = dataset.test.images[:3]
    with ModelServerClient(service.grpc_address) as direct:
        examples = [{"images": image / np.float32(255)} for image in images]
        found = direct.classify("mlp", examples, signature_name="classify")
        expected = direct.predict_instances("mlp", images)
    for classes, prediction in zip(found, expected, strict=True):
        assert dict(classes) == pytest.approx(prediction.probabilities, abs=1e-6)

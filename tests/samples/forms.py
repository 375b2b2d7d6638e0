"""Forms of one data set: a folder of PNG files, .npz, CSV and IDX, of the same grey pictures."""

from pathlib import Path

from PIL import Image

from tests.training.own.made_arrays import WRITERS, Ids, Pixels


def write_folder(folder: Path, images: Pixels, labels: Ids) -> Path:
    """Writes a PNG file of each picture into the folder of its class."""
    path = folder / "digits"
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (path / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / str(label) / f"{number:04}.png")
    return path


FORMS = {"folder": write_folder, **WRITERS}

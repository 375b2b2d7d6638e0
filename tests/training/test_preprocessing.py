"""Preprocessing by a profile against the libraries that models are trained with: no filter of a
profile may make other pixels than TensorFlow, Keras and Pillow do."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from vitrine_client.images.preprocessing import fit_picture, model_input
from vitrine_client.images.resizing import STRIP_PIXELS
from vitrine_client.results.profiles.profile import RESIZES, ModelProfile

PICTURES = [(40, 60), (481, 333), (333, 47), (17, 401), (1, 20), (20, 1), (1, 1), (2, 2)]
SIZES = [(28, 28), (224, 224), (97, 31), (1, 1), (1, 50)]
PILLOWS = {
    "nearest": Image.Resampling.NEAREST,
    "pillow-bilinear": Image.Resampling.BILINEAR,
    "pillow-bicubic": Image.Resampling.BICUBIC,
    "pillow-draft": Image.Resampling.BILINEAR,
}
TOLERANCES = {"bilinear": 1e-4} | dict.fromkeys(PILLOWS, 0)
ANTIALIAS = 6e-3
"""Of noise. TensorFlow's places of pixels are float32."""


def noise(height, width, channels=3):
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, channels), np.uint8)
    return pixels if channels > 1 else pixels[..., 0]


def theirs(pixels, size, resize):
    """What the library makes of pixels, [h, w, channels]."""
    if resize in PILLOWS:
        return np.asarray(Image.fromarray(pixels).resize(size[::-1], PILLOWS[resize]))
    method, _, antialias = resize.partition("-")
    return tf.image.resize(pixels, size, method, antialias=bool(antialias)).numpy()


def stretched(picture, shape, resize="bilinear", **members):
    profile = ModelProfile(shape=shape, fit=members.pop("fit", "stretch"), resize=resize, **members)
    return fit_picture(picture, profile).instance


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("picture", PICTURES)
def test_filter_is_the_librarys(picture, resize):
    pixels = noise(*picture)
    for size in SIZES:
        own = stretched(pixels, (*size, 3), resize)
        expected = theirs(pixels, size, resize)
        assert own.dtype == expected.dtype
        np.testing.assert_allclose(own, expected, atol=TOLERANCES.get(resize, ANTIALIAS), rtol=0)


@pytest.mark.parametrize("resize", RESIZES)
def test_filter_of_a_picture_that_is_read_in_strips(resize):
    """Which has smooth levels, as photos have."""
    height, width = 1400, 1100
    assert height * width > 3 * STRIP_PIXELS
    rows, columns = np.mgrid[:height, :width] / 90
    levels = 127 + 120 * np.sin(rows) * np.cos(columns + rows / 3)
    pixels = np.stack([levels, levels[::-1], 255 - levels], axis=2).astype(np.uint8)
    own = stretched(pixels, (192, 224, 3), resize)
    expected = theirs(pixels, (192, 224), resize)
    np.testing.assert_allclose(own, expected, atol=TOLERANCES.get(resize, 1e-3), rtol=0)


@pytest.mark.parametrize("picture", [(40, 60), (60, 40), (333, 47), (47, 333), (101, 100), (1, 9)])
@pytest.mark.parametrize("size", [(28, 28), (96, 64), (31, 97)])
def test_crop_is_keras_smart_resize(picture, size):
    pixels = noise(*picture)
    expected = keras.preprocessing.image.smart_resize(pixels, size)
    own = stretched(pixels, (*size, 3), fit="crop")
    np.testing.assert_allclose(own, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("picture", [(40, 60), (60, 40), (333, 47), (47, 333), (101, 100)])
@pytest.mark.parametrize("size", [(28, 28), (96, 64), (31, 97)])
def test_pad_is_tensorflows(picture, size):
    pixels = noise(*picture)
    expected = tf.image.resize_with_pad(pixels, *size).numpy()
    own = stretched(pixels, (*size, 3), fit="pad")
    np.testing.assert_allclose(own, expected, atol=1e-4, rtol=0)


@pytest.fixture
def folder(tmp_path):
    """Pictures of a class, PNG, in the order of their names."""
    for number, size in enumerate([(40, 60), (300, 200), (28, 28), (77, 13)]):
        path = tmp_path / "class" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise(*size)).save(path)
    return tmp_path


@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_bilinear_is_keras_image_dataset_from_directory(folder, fit):
    trained_with = keras.utils.image_dataset_from_directory(
        folder,
        labels=None,
        image_size=(64, 48),
        shuffle=False,
        crop_to_aspect_ratio=fit == "crop",
        verbose=False,
    )
    expected = next(iter(trained_with)).numpy()
    own = [stretched(path, (64, 48, 3), fit=fit) for path in sorted(folder.glob("*/*"))]
    np.testing.assert_allclose(own, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("colours", [("rgb", (64, 48, 3)), ("grayscale", (64, 48))])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_nearest_is_keras_load_img(folder, colours, fit):
    mode, shape = colours
    for path in folder.glob("*/*"):
        image = keras.utils.load_img(
            path, color_mode=mode, target_size=(64, 48), keep_aspect_ratio=fit == "crop"
        )
        own = stretched(path, shape, "nearest", fit=fit)
        np.testing.assert_array_equal(own, np.asarray(image))


def test_crop_by_pillow_is_keras_load_img(folder):
    """Pixels beyond the part count at its edges."""
    for path in folder.glob("*/*"):
        image = keras.utils.load_img(
            path, target_size=(64, 48), interpolation="bicubic", keep_aspect_ratio=True
        )
        own = stretched(path, (64, 48, 3), "pillow-bicubic", fit="crop")
        np.testing.assert_array_equal(own, np.asarray(image))


@pytest.mark.parametrize(("channels", "shape"), [(1, (48, 48)), (3, (48, 48, 3))])
def test_jpeg_is_tensorflows(channels, shape):
    """Its tone included, and where nobody asks for speed."""
    file = io.BytesIO()
    smooth = Image.fromarray(noise(30, 40)).resize((400, 300), Image.Resampling.BICUBIC)
    smooth.save(file, "JPEG", quality=90)
    pixels = tf.io.decode_jpeg(file.getvalue(), channels, dct_method="INTEGER_ACCURATE")
    expected = tf.image.resize(pixels, (48, 48)).numpy()
    own = stretched(file.getvalue(), shape)
    np.testing.assert_allclose(own.reshape(expected.shape), expected, atol=1e-4, rtol=0)


def test_whole_numbers_are_cut_as_keras_cuts_them():
    levels = np.float32([[[0.4, 0.6], [254.9, 255]]])
    taken = keras.Input((2, 2), dtype="uint8")
    model = keras.Model(taken, keras.layers.Rescaling(1)(taken))
    profile = ModelProfile(shape=(2, 2), dtype="uint8", scaling="0..255", fit="stretch")
    own = model_input(levels, profile)
    assert own.dtype == np.uint8
    np.testing.assert_array_equal(own, model.predict(levels, verbose=0))


@pytest.mark.parametrize(
    ("scaling", "layer"),
    [
        ("0..1", keras.layers.Rescaling(1 / 255)),
        ("-1..1", keras.layers.Rescaling(1 / 127.5, offset=-1)),
        ("0..255", keras.layers.Identity()),
        ("mean/std", keras.layers.Normalization(mean=[120.0], variance=[3600.0])),
    ],
)
def test_scaling_is_that_of_keras_layers(scaling, layer):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    profile = ModelProfile(
        shape=(16, 16, 1), fit="stretch", scaling=scaling, mean=(120 / 255,), std=(60 / 255,)
    )
    expected = np.asarray(layer(levels.astype(np.float32)))
    np.testing.assert_allclose(model_input(levels, profile), expected, atol=1e-6, rtol=1e-6)


def test_a_model_that_decodes_is_handed_what_tensorflow_decodes():
    pixels = noise(30, 50)
    profile = ModelProfile(shape=(None, None, 3), dtype="string", scaling="0..255", fit="stretch")
    (file,) = model_input(fit_picture(pixels, profile).instance[None], profile)
    np.testing.assert_array_equal(tf.io.decode_image(file).numpy(), pixels)

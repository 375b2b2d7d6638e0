"""Picture decoding inside a graph, for the signature `serve_bytes`: for those who call TensorFlow
Serving without our client.

It differs from what the gateway does with a picture. Nothing is looked for in it: where a profile
says `item`, all of the picture is fitted, and has to be white on black. EXIF orientation is not
heeded, transparency is dropped, an animation has its first frame alone. In the place of Pillow's
filters there are TensorFlow's with antialiasing: a few levels apart, more in noise and at the edges
of a part that is cut out.
"""

import tensorflow as tf

from vitrine_client.results.profiles.profile import ModelProfile

_WHITE = 255.0


def decodes(profile: ModelProfile) -> bool:
    """Whether pictures can be decoded for a profile; only PNG has four channels."""
    return profile.has_fixed_size and profile.channels in (1, 3)


def decoded(image_bytes: tf.Tensor, profile: ModelProfile) -> tf.Tensor:
    """Returns one encoded picture, PNG, JPEG, GIF or BMP, as the model of a profile takes it."""
    rgb = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    rgb = tf.ensure_shape(rgb, [None, None, 3])
    picture = tf.image.rgb_to_grayscale(rgb) if profile.channels == 1 else rgb
    levels = tf.cast(picture, tf.float32)
    if profile.polarity == "negative":
        levels = _WHITE - levels
    return _scaled(tf.reshape(_fitted(levels, profile), profile.shape), profile)


def _scaled(levels: tf.Tensor, profile: ModelProfile) -> tf.Tensor:
    """Does in a graph as `vitrine_client.images.preprocessing.model_input` does with arrays."""
    if not profile.dtype.startswith("float"):
        return tf.cast(tf.clip_by_value(levels, 0.0, _WHITE), profile.dtype)
    match profile.scaling:
        case "0..1":
            levels = levels / _WHITE
        case "-1..1":
            levels = levels / (_WHITE / 2) - 1.0
        case "mean/std":
            levels = (levels / _WHITE - tf.constant(profile.mean)) / tf.constant(profile.std)
    return tf.cast(levels, profile.dtype)


_METHODS = {
    "bilinear": tf.image.ResizeMethod.BILINEAR,
    "draft": tf.image.ResizeMethod.BILINEAR,
    "bicubic": tf.image.ResizeMethod.BICUBIC,
    "lanczos3": tf.image.ResizeMethod.LANCZOS3,
    "nearest": tf.image.ResizeMethod.NEAREST_NEIGHBOR,
}


def _fitted(picture: tf.Tensor, profile: ModelProfile) -> tf.Tensor:
    """Makes a picture, float32 [h, w, c], as large as the model has it."""
    height, width = profile.height or 0, profile.width or 0  # neither is free
    name, whole = profile.resize, profile.fit == "item" or profile.resize.startswith("pillow-")
    antialias = whole or name.endswith("-antialias")
    method = _METHODS[name.removeprefix("pillow-").removesuffix("-antialias")]
    if profile.fit in ("item", "pad"):
        fitted = tf.image.resize_with_pad(picture, height, width, method, antialias=antialias)
    else:
        seen = _cropped(picture, height, width) if profile.fit == "crop" else picture
        fitted = tf.image.resize(seen, [height, width], method, antialias=antialias)
    return tf.round(tf.clip_by_value(fitted, 0.0, _WHITE)) if whole else fitted


def _cropped(picture: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Returns the largest part of a picture with these proportions, from its middle."""
    high, wide = tf.unstack(tf.shape(picture)[:2])
    tall = tf.clip_by_value(wide * height // width, 1, high)
    broad = tf.clip_by_value(high * width // height, 1, wide)
    top, left = (high - tall) // 2, (wide - broad) // 2
    return tf.image.crop_to_bounding_box(picture, top, left, tall, broad)

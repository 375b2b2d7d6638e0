"""Picture decoding inside a graph, for the signature `serve_bytes`: for those who call TensorFlow
Serving without our client.

It differs from what the gateway does with a picture. Nothing is looked for in it: where a profile
says `item`, all of the picture is fitted, and has to be white on black. EXIF orientation is not
heeded, transparency is dropped, an animation has its first frame alone. Pillow's filters are those
of TensorFlow with antialiasing, which differ by less than a level.
"""

import tensorflow as tf

from vitrine_client.profiles.profile import ModelProfile

_WHITE = 255.0


def decodes(profile: ModelProfile) -> bool:
    """Whether pictures can be decoded for a profile; only PNG has four channels."""
    return profile.has_fixed_size and profile.channels in (1, 3)


def decoded(image_bytes: tf.Tensor, profile: ModelProfile) -> tf.Tensor:
    """Returns one encoded picture, PNG, JPEG, GIF or BMP, as the model of a profile takes it."""
    rgb = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    rgb = tf.ensure_shape(rgb, [None, None, 3])
    picture = tf.image.rgb_to_grayscale(rgb) if profile.channels == 1 else rgb
    levels = _fitted(tf.cast(picture, tf.float32), profile)
    if profile.polarity == "negative":
        levels = _WHITE - levels
    return model_input(tf.reshape(levels, profile.shape), profile)


def model_input(levels: tf.Tensor, profile: ModelProfile) -> tf.Tensor:
    """Returns levels, 0..255, [..., height, width] with or without channels, as the model takes
    them: scaled, and of its dtype; of a model that decodes pictures, [n] of PNG."""
    if profile.dtype == "string":
        return tf.map_fn(tf.io.encode_png, tf.cast(levels, tf.uint8), fn_output_signature=tf.string)
    dtype = tf.as_dtype(profile.dtype)
    if not dtype.is_floating:
        return tf.cast(levels if levels.dtype.is_integer else tf.round(levels), dtype)
    return tf.cast(_scaled(tf.cast(levels, tf.float32), profile), dtype)


def _scaled(levels: tf.Tensor, profile: ModelProfile) -> tf.Tensor:
    if profile.scaling == "0..255":
        return levels
    if profile.scaling == "-1..1":
        return levels / (_WHITE / 2) - 1.0
    shares = levels / _WHITE
    if profile.scaling == "mean/std":
        return (shares - tf.constant(profile.mean)) / tf.constant(profile.std)
    return shares


def _fitted(picture: tf.Tensor, profile: ModelProfile) -> tf.Tensor:
    """Makes a picture, float32 [h, w, c], as large as the model has it."""
    height, width = profile.shape[:2]
    antialias = profile.fit == "item" or not profile.resize.startswith(("bilinear", "nearest"))
    antialias = antialias or profile.resize.endswith("-antialias")
    method = _METHODS[profile.resize.removeprefix("pillow-").removesuffix("-antialias")]
    if profile.fit in ("item", "pad"):
        fitted = tf.image.resize_with_pad(picture, height, width, method, antialias=antialias)
    else:
        picture = _cropped(picture, height, width) if profile.fit == "crop" else picture
        fitted = tf.image.resize(picture, [height, width], method, antialias=antialias)
    fitted = tf.clip_by_value(fitted, 0.0, _WHITE)  # cubic filters go beyond
    whole = profile.fit == "item" or profile.resize.startswith("pillow-")
    return tf.round(fitted) if whole else fitted


_METHODS = {
    "bilinear": tf.image.ResizeMethod.BILINEAR,
    "bicubic": tf.image.ResizeMethod.BICUBIC,
    "lanczos3": tf.image.ResizeMethod.LANCZOS3,
    "nearest": tf.image.ResizeMethod.NEAREST_NEIGHBOR,
}


def _cropped(picture: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Returns the largest part of a picture with these proportions, from its middle."""
    has = tf.shape(picture)[:2]
    scale = tf.reduce_min(tf.cast(has, tf.float64) / tf.constant([height, width], tf.float64))
    size = tf.cast(tf.round(scale * tf.constant([height, width], tf.float64)), tf.int32)
    size = tf.clip_by_value(size, 1, has)
    top, left = tf.unstack((has - size) // 2)
    return tf.image.crop_to_bounding_box(picture, top, left, size[0], size[1])

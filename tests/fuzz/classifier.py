"""A classifier that nobody has trained, with every signature that the API knows."""

from pathlib import Path

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

LABELS = tuple(f"class {n}" for n in range(10))
WEIGHTS = np.random.default_rng(7).normal(0, 0.1, (784, 10)).astype(np.float32)
METHODS = {
    "classify": tf.saved_model.CLASSIFY_METHOD_NAME,
    "regress": tf.saved_model.REGRESS_METHOD_NAME,
}


def export(directory: Path) -> None:
    """Writes a SavedModel: `serving_default`, `serve_bytes`, `explain`, `classify`, `regress`,
    `describe`."""
    with tf.Graph().as_default(), v1.Session() as session:
        signatures = {
            name: v1.saved_model.build_signature_def(
                *(
                    {key: v1.saved_model.build_tensor_info(tensor) for key, tensor in each.items()}
                    for each in ends
                ),
                METHODS.get(name, tf.saved_model.PREDICT_METHOD_NAME),
            )
            for name, ends in _signatures().items()
        }
        builder = v1.saved_model.Builder(str(directory))
        builder.add_meta_graph_and_variables(session, [tf.saved_model.SERVING], signatures)
        builder.save()


def _signatures() -> dict[str, tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]]:
    images = v1.placeholder(tf.float32, [None, 28, 28], "images")
    class_ids = v1.placeholder(tf.int64, [None], "class_ids")
    files = v1.placeholder(tf.string, [None], "image_bytes")
    examples = v1.placeholder(tf.string, [None], "examples")
    others = v1.placeholder(tf.string, [None], "others")
    pixels = _features(examples, "images", 784)
    scores = _answers(tf.reshape(pixels, [-1, 28, 28]))["probabilities"]
    classes = tf.tile([LABELS], [tf.shape(scores)[0], 1])
    values = tf.reduce_sum(_features(others, "features", 2), axis=1, keepdims=True)
    decoded = tf.map_fn(_decoded, files, fn_output_signature=tf.float32)
    return {
        "serving_default": ({"images": images}, _answers(images)),
        "serve_bytes": ({"image_bytes": files}, _answers(decoded)),
        "explain": ({"images": images, "class_ids": class_ids}, _explained(images, class_ids)),
        "classify": ({"inputs": examples}, {"classes": classes, "scores": scores}),
        "regress": ({"inputs": others}, {"outputs": values}),
        "describe": ({}, {"labels": tf.constant(LABELS), "card": tf.constant("{}")}),
    }


def _features(examples: tf.Tensor, name: str, size: int) -> tf.Tensor:
    return tf.io.parse_example(examples, {name: tf.io.FixedLenFeature([size], tf.float32)})[name]


def _decoded(image: tf.Tensor) -> tf.Tensor:
    grey = tf.io.decode_png(image, channels=1)
    return tf.ensure_shape(tf.cast(grey[..., 0], tf.float32) / 255, [28, 28])


def _explained(images: tf.Tensor, class_ids: tf.Tensor) -> dict[str, tf.Tensor]:
    answers = _answers(images)
    chosen = tf.where(class_ids < 0, answers["class_ids"], class_ids)
    weights = tf.gather(tf.reshape(WEIGHTS.T, [10, 28, 28]), chosen, name="class_ids_are_0_to_9")
    return {
        "attributions": weights * images,
        "class_ids": chosen,
        "probabilities": answers["probabilities"],
    }


def _answers(images: tf.Tensor) -> dict[str, tf.Tensor]:
    logits = tf.reshape(images, [-1, 784]) @ WEIGHTS
    probabilities = tf.nn.softmax(logits)
    return {
        "probabilities": probabilities,
        "logits": logits,
        "class_ids": tf.argmax(logits, axis=1),
    }

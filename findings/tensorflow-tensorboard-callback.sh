#!/bin/sh
# TensorFlow 2.21 has tf.summary and Keras' TensorBoard callback, and neither works.
#
# Guess:   `pip install tensorflow==2.21.0` trains what 2.20 trained; without the page of
#          TensorBoard, which may be missing, logs are still written, as tf.summary is TensorFlow's.
# Truth:   tensorboard is no longer required, and what writes tf.summary.scalar, .histogram, .image,
#          .audio and .text is in that package. The names are there, importing and
#          `callbacks.TensorBoard(folder)` work, and `fit` ends with TBNotInstalledError in its first
#          epoch. Only tf.summary.write, of raw tensors, works without it.
# Way out: install tensorboard as well. `tensorflow[tensorboard]`, which the change names, does not
#          do that: pip says that there is no such extra, and goes on.
# Version: tensorflow-cpu 2.21.0 (which is tensorflow without GPUs), keras 3.15.1, of Linux x86-64
#          and Python 3.11; seen on 30 November 2026.
# Source:  github.com/tensorflow/tensorflow, pull request 110709; github.com/keras-team/keras,
#          pull request 22376 (Keras' own tests).
# Seen:    tf.summary.scalar is there: True
#          TensorBoard callback: TBNotInstalledError after 0 epochs
#          tf.summary.scalar: TBNotInstalledError
#          tf.summary.write: True
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile \
    tensorflow-cpu==2.21.0 keras==3.15.1
cat > "$folder/finding.py" <<'END'
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf


class Epochs(tf.keras.callbacks.Callback):
    """Counts epochs that ended."""

    ended = 0

    def on_epoch_end(self, epoch, logs=None):
        self.ended += 1


def name_of_error(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__


def fitted(folder, epochs):
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    rows = np.ones((8, 2), np.float32)
    callbacks = [epochs, tf.keras.callbacks.TensorBoard(folder)]
    model.fit(rows, rows[:, :1], epochs=3, verbose=0, callbacks=callbacks)
    return "no error"


folder, epochs = sys.argv[1], Epochs()
is_there = hasattr(tf.summary, "scalar")
of_callback = name_of_error(lambda: fitted(folder, epochs))
with tf.summary.create_file_writer(folder).as_default():
    of_scalar = name_of_error(lambda: tf.summary.scalar("loss", 1.0, step=0))
    written = name_of_error(lambda: bool(tf.summary.write("loss", tf.constant(1.0), step=0)))
print("tf.summary.scalar is there:", is_there)
print("TensorBoard callback:", of_callback, "after", epochs.ended, "epochs")
print("tf.summary.scalar:", of_scalar)
print("tf.summary.write:", written)
missing = "TBNotInstalledError"
as_found = (is_there, of_callback, epochs.ended) == (True, missing, 0)
as_found &= (of_scalar, written) == (missing, True)
sys.exit(None if as_found else "This is not what was found; see the head of this file.")
END
"$folder/venv/bin/python" "$folder/finding.py" "$folder/logs" 2> "$folder/said" ||
    { tail -n 5 "$folder/said" >&2; exit 1; }

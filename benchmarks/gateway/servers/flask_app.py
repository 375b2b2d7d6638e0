"""Flask as tutorials have it: a Keras model and `model.predict` in each request."""

import keras
import numpy as np
from classifier import PATH, Classifier
from flask import Flask, Response, request
from pictures import decode, decode_all

classifier = Classifier()
model = keras.Sequential([keras.layers.TFSMLayer(str(PATH), call_endpoint="serving_default")])
app = Flask(__name__)


@app.post("/predict")
def predict() -> Response:
    """Takes a PNG, or a form of PNGs named `image`."""
    if request.mimetype == "multipart/form-data":
        instances = decode_all([part.read() for part in request.files.getlist("image")])
    else:
        instances = decode(request.data)[np.newaxis]
    rows = model.predict(instances.astype(np.float32) / 255, verbose=0)["probabilities"]
    return Response(classifier.answer(rows), mimetype="application/json")

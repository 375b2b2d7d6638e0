"""Reference answers of a real model server, which is asked itself, without a gateway."""

import json
import urllib.request

import numpy as np

from tests.cluster.pocket.pictures import arrays

REST_PORT = 8501


def answers_of(address: str) -> list[tuple[int, float]]:
    """Returns the class and its probability for each picture, asked one by one."""
    found = []
    for pixels in arrays():
        body = json.dumps({"instances": (pixels[None] / 255).tolist()}).encode()
        url = f"http://{address}:{REST_PORT}/v1/models/mlp:predict"
        with urllib.request.urlopen(url, body, timeout=30) as response:
            shares = np.array(json.load(response)["predictions"][0]["probabilities"])
        found.append((int(shares.argmax()), float(shares.max())))
    return found

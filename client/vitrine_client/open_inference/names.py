"""Names of models that have not all of the Open Inference Protocol's paths to themselves."""


def shared_paths(name: str) -> str:
    """Returns a sentence on the paths of a model that mean something else, or that its clients do
    not write, and where it is asked instead; "" for nearly all."""
    if name == "stats":
        return (
            "`GET /v2/models/stats` tells the statistics of all models, as Triton does; its "
            "metadata are at `/v2/models/stats/versions/<version>`, by gRPC and under /v1"
        )
    if "/" in name:
        return (
            "clients of the Open Inference Protocol do not write the `/` in its name as %2F; it is "
            "asked by gRPC, and under /v1"
        )
    return ""

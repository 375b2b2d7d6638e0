"""gRPC's own services, which go beside any other: health checking and reflection."""

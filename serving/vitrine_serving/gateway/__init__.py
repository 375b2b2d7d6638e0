"""The gateway: pictures in over HTTP, predictions out, by asking model servers over gRPC.

`application` puts it together, `api` has the adapters of each protocol, `inference` the data
plane that they share, `upstream` the model servers, `console` all that knows Flask, `settings` all
that reads the environment; `telemetry` observes. Nothing here imports TensorFlow.
"""

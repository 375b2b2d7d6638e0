"""APIs of the model server: TensorFlow Serving's gRPC and REST over one data plane."""

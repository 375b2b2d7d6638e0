"""TensorFlow Serving's gRPC protocol without TensorFlow: messages, tensors, channel."""

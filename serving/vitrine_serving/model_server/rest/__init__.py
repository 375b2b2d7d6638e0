"""The REST side: TensorFlow Serving's addresses, JSON and texts of errors."""

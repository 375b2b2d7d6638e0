"""Names of the foreign exports, in the order in which they are made."""

ANSWERED = (
    *("keras2", "documented", "keras3_functional", "keras3_sequential", "keras3_subclassed"),
    *("photo96", "free_size", "uint8", "float255", "logits", "sigmoids", "two_outputs_told"),
    *("float16", "batch_norm", "whole_levels", "other_names", "only_predict", "bytes_in"),
    *("fixed_1", "fixed_32", "three_classes", "thousand_classes", "mean_std", "padded"),
    *("nearest", "negative", "described", "described_before", "binary_told"),
)
"""Of these pictures get the classes that TensorFlow gives them."""

REFUSED = (
    *("two_outputs", "random_flip", "regression", "binary", "broken_profile", "flat"),
    *("channels_first", "text"),
)
"""To these no picture can be sent."""

"""Load lab: measures the latency of inference, and says when it cannot."""

"""Official clients of the Open Inference Protocol, unmodified: programs for an environment of their
own, which imports nothing of ours."""

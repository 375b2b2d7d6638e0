"""Official clients of the Open Inference Protocol: programs that import nothing of ours."""

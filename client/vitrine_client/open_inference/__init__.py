"""Open Inference Protocol (KServe v2): its messages, and their forms in HTTP bodies and in gRPC."""

"""Open Inference Protocol (KServe v2): adapter to the data plane, for HTTP and gRPC alike."""

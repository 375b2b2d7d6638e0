"""Upstream: the pool of model servers, with load balancing, circuit breakers and retries."""

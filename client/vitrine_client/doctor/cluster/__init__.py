"""Checks from inside a pod of a cluster: DNS, model servers, peers, probes, limits."""

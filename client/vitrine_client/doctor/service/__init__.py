"""Checks of the service: gateway, keys, certificates, model servers, models."""

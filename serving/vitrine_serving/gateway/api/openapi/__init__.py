"""OpenAPI document of the gateway: data, and its reader."""

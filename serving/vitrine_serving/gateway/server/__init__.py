"""Server of the gateway: gunicorn's processes, connections and TLS."""

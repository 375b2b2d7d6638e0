"""Process: exit codes, signals, streams, environment variables, addresses, TLS trust."""

"""Load test command: options of `vitrine loadtest`, and the load that follows from them."""

"""Access control: API keys, rate limits and load shedding."""

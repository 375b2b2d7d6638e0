"""Output of the commands: tables, JSON, CSV and heat maps."""

"""Model profiles: what pictures a model takes and how its answers are read, wherever it is from."""

"""Runtime: loaded SavedModels, their signatures, batching and warm-up."""

"""Publishing: export of SavedModels into version directories, behind a gate."""

"""Model repository: versions, their states, and the policy of loading and unloading."""

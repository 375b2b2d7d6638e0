"""Results of a client: predictions, explanations, drift reports, and how a notebook shows them."""

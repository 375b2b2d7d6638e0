"""HTTP of the REST side: what comes in, from lines to requests."""

"""HTTP request parser of the REST server: lines, chunks and requests."""

"""Console for people: pages and documentation, by Flask."""

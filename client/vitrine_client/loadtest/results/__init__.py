"""Results of a load test: histograms and seconds, merged, read and written."""

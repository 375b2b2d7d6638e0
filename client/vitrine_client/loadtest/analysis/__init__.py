"""Analysis of load tests: objectives, searches, comparisons and confidence intervals."""

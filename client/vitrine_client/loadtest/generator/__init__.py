"""Load generator: processes that send requests at their due times and record every response."""

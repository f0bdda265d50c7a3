"""A year of stays at 405 car parks, through the verbs, closing every day: `make year`."""

"""Models: networks, their layers, and the recipes that train them."""

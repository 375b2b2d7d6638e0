"""Models as their versions describe them: signatures, labels, cards."""

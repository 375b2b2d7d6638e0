"""HTTP: messages, routes, headers and problems."""

"""The web page of the registry: what a person asks of it, rendered on the server and readable without JavaScript."""

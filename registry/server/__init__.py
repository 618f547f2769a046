"""The registry's server: the Hub's read API, the raw registry, subscriptions, pages; one state, one access rule.

Rooms hold a `router` each and are listed in `registry.server.app`; every route is declared with `access.needs(…)`.
"""

"""A documentation site that does everything a site can do wrong: a real server, scripted by a table."""

from tests.hostile_site.server import Case, HostileSite, Request

__all__ = ["Case", "HostileSite", "Request"]

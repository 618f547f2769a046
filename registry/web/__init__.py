"""The guarded client: documentation sites and webhooks are asked through it, and nothing else is.

Guarantees:
* Only `http` and `https`, without credentials in the address. Only public addresses, or those that `Access.private`
  names: loopback, private, link-local, multicast, reserved ones and those that wrap an IPv4 address are refused. A name
  is looked up once a connection, all its addresses must be allowed, and the connection goes to one of these.
* A redirect leads to the same host (its own port, 80 or 443) or to one of `Access.hosts`, and is vetted as the first
  address was. `post` follows none.
* What robots.txt forbids is not asked for; where it can't be read, nothing is (a 4xx but 429 means that there is none).
* Bodies, headers, redirects, attempts, the time of a request, and a session's bytes and time are bounded, and so is
  memory: a body needs its limit, not what it would decompress to. A host that only fails is left alone, and one that
  asks to be is, with all of its addresses, for as long as it says.
* What opens a site goes to its scheme, host and port only, and no more after a redirect has left these. It is in no
  Answer, detail, log, error or `repr`; where a server sends it back, it is masked.
* Whatever a server does is an `Answer`; only misuse raises (`ConfigurationError`). No connection outlives the session
  whose requests were waited for.
* No cookies, no environment proxies, no `.netrc`, no cache.

Non-guarantees:
* Through `Access.proxy` the proxy looks names up and connects: only addresses written as numbers are vetted then.
* A public address may forward to a private one by itself, and a public name may be taken over.
* A look-up by the system can't be interrupted: its thread may outlive the time limit, by the resolver's own.
* httpcore's own debug log, where somebody turns it on, has the headers of responses, with all that a server sends back.
* A redirect may lead from https to http at the same host, where anybody on the way can write the page.
* What a server sends back of a login is masked as it was sent or as an address writes it, not in other codings; the
  headers that a caller of `post` gives are not masked.
* What a server sends after the end of a response may be taken for its next on that connection: it is the same one's.
* `received` counts headers and bodies, not TLS or the framing of chunks.
* The body is what came: its charset, its type and its claims are the reader's to judge.
"""

from registry.web.answers import Access, Answer, Outcome, WebLimits
from registry.web.client import Web

__all__ = ["Access", "Answer", "Outcome", "Web", "WebLimits"]

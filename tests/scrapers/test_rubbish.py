"""What is no text of a page is left out; what is no page is told with its evidence; no real page is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrapers.documents import Document, get_format

SITES = Path(__file__).parent / "sites"
TEXT = "Trees are connected graphs without a cycle."


def fault(html: str) -> str | None:
    """What format `site` says is wrong with a page."""
    return get_format("site").parse(Document("a", "http://127.0.0.1/a", html), None).fault


def text(body: str) -> str:
    """What is left of a page with this body."""
    page = f"<html><body><main><p>{TEXT}</p>{body}</main></body></html>"
    return get_format("site").parse(Document("a", "http://127.0.0.1/a", page), None).markdown


HIDDEN = (
    "<p style='display: none'>{}</p>",
    "<p style='DISPLAY:NONE;'>{}</p>",
    "<div hidden><p>{}</p></div>",
    "<span aria-hidden=true>{}</span>",
    "<p style='font-size:0px'>{}</p>",
    "<p style='color: #fff'>{}</p>",
    "<p style='color:white;background:white'>{}</p>",
    "<div style='position:absolute; left:-9999px'>{}</div>",
    "<p style='opacity:0'>{}</p>",
    "<p style='visibility: hidden'>{}</p>",
    "<div style='height:0;overflow:hidden'>{}</div>",
    "<p class='sr-only'>{}</p>",
    "<p style='opacity:.01'>{}</p>",
    "<p style='display/**/:none'>{}</p>",
    "<p style='color:#fefefe'>{}</p>",
    "<p style='color:#123;background:#123'>{}</p>",
    "<p style='font-size:1px'>{}</p>",
    "<p style='transform: scale(0)'>{}</p>",
    "<p style='position:absolute;left:-999px'>{}</p>",
    "<div style='max-height:0;overflow:hidden'>{}</div>",
    "<p><font color=white>{}</font></p>",
    "<p class='d-none'>{}</p>",
    "<p class='hidden'>{}</p>",
    "<dialog>{}</dialog>",
    "<!-- {} -->",
    "<img src=a.png alt='{}'>",
    "<template>{}</template>",
    "<noscript>{}</noscript>",
)
AROUND = (
    "<div class='cookie-banner'>{}</div>",
    "<form class='md-feedback' name=feedback>{}</form>",
    "<a class='edit-this-page theme-edit-this-page' href=x>{}</a>",
    "<div id='carbonads'>{}</div>",
    "<div class='version-switcher__container'>{}</div>",
    "<div role=navigation>{}</div>",
    "<div role=dialog aria-modal=true>{}</div>",
    "<nav class=breadcrumbs>{}</nav>",
    "<ul class='rst-versions'><li>{}</li></ul>",
    "<div class='ethical-ad'>{}</div>",
)
SHOWN = (
    "<p hidden=until-found>{}</p>",
    "<p class='hidden md:block'>{}</p>",
    "<p class='d-none d-lg-block'>{}</p>",
    "<p style='opacity:0.8; font-size:0.8em'>{}</p>",
    "<p style='font-size:10px'>{}</p>",
    "<dialog open>{}</dialog>",
    "<div role=tabpanel hidden><p>{}</p></div>",
    "<details><summary>More</summary>{}</details>",
    "<td style='color:white;background-color:darkblue'>{}</td>",
    "<div style='background:#222'><p style='color:#fff'>{}</p></div>",
    "<div class='cookies'>{}</div>",
    "<h2 id=pagination>{}</h2>",
    "<section id=feedback><p>{}</p></section>",
    "<div class='admonition feedback'><p>{}</p></div>",
    "<div class='admonition note'>{}</div>",
    "<p style='margin-left:-20px;height:0.5em'>{}</p>",
    "<p style='border-width:0; fill-opacity:0; line-height:0'>{}</p>",
)


@pytest.mark.parametrize("form", HIDDEN + AROUND)
def test_what_nobody_reads_is_left_out(form: str) -> None:
    """Hidden text, banners, widgets and ads are no text of the page."""
    assert text(form.format("Something else altogether")) == f"{TEXT}\n"


@pytest.mark.parametrize("form", SHOWN)
def test_what_people_read_stays(form: str) -> None:
    """Other tabs, folded parts, white text on a colour, and what only has a name like a banner's."""
    assert "Something else altogether" in text(form.format("Something else altogether"))


def page(title: str, body: str) -> str:
    return f"<html><head><title>{title}</title></head><body>{body}</body></html>"


NO_PAGES = {
    page("Page not found - Acme", "<main><h1>Page not found</h1></main>"): "soft-404",
    page("404 Not Found", "<h1>404</h1><p>The page you are looking for may have been moved.</p>"): "soft-404",
    page("Acme", "<h1>Oops! Page not found</h1><p>Go back home.</p>"): "soft-404",
    page("Sign in · Acme", "<form><h1>Sign in</h1><input name=u><input type=password></form>"): "login",
    page("Acme", "<form>Account <input type='password'> <button>Go</button></form>"): "login",
    page("502 Bad Gateway", "<center><h1>502 Bad Gateway</h1></center><hr><center>nginx/1.22</center>"): "error-page",
    page("Just a moment...", "<h1>docs.acme.example</h1><p>Verifying that you are a person.</p>"): "error-page",
    page("ERROR: The requested URL could not be retrieved", "<h1>ERROR</h1><p>Connection failed.</p>"): "error-page",
    page("acme.example", "<p>This domain is for sale. Buy this domain now.</p>"): "parked",
    page("Welcome to nginx!", "<h1>Welcome to nginx!</h1><p>Further configuration is required.</p>"): "parked",
    page("Acme", "<noscript>You need to enable JavaScript to run this app.</noscript><div id=root></div>"): "scripted",
    page("Acme", "<div id=app></div><script src=a.js></script>"): "scripted",
    page("", ""): "empty",
    "<html><head><meta http-equiv='Refresh' content='0; url=../new.html'></head></html>": "redirect",
}
PAGES = (
    page("Page not found", f"<main><h1>Page not found</h1><p>{TEXT} It is what a handler for 404 returns.</p></main>"),
    page("404 Not Found", "<main><h1>404 Not Found</h1><p>A view raises it.</p><pre>abort(404)</pre></main>"),
    page("Login - Acme docs", "<main><h1>Login</h1><p>Call login with a name and a password.</p></main>"),
    page("Logging in", f"<main><h1>Logging in</h1><p>{TEXT * 12}</p><input type=password></main>"),
    page("Cookies", "<main><h1>Cookies</h1><p>How cookies and consent are stored.</p></main>"),
    page("403 Forbidden", "<main><h1>403 Forbidden</h1><p>Raised by <code>abort(403)</code>.</p></main>"),
    page("API", "<main><h1>acme.Counter.reset</h1><dl><dt>reset()</dt></dl></main>"),
    page("Index", "<main><h1>User guide</h1></main>"),
    page("Deploy", "<main><h1>Deploy</h1><p>When you see Welcome to nginx! the server runs.</p></main>"),
    page("Settings", "<main><h1>Settings</h1><p>Whether to enable JavaScript.</p></main>"),
    "<html><head><meta http-equiv=refresh content=30></head><body><h1>Status</h1><p>All is well.</p></body></html>",
    page("JavaScript", f"<main><h1>Themes</h1><p>Enable JavaScript to see the demo. {TEXT} {TEXT}</p></main>"),
)


@pytest.mark.parametrize("html", NO_PAGES)
def test_no_page_is_told_with_its_evidence(html: str) -> None:
    """Missing pages, logins, errors of proxies, parked domains, shells and redirects are faults, each by its name."""
    name, _, evidence = (fault(html) or "").partition(": ")
    assert name == NO_PAGES[html]
    assert evidence


@pytest.mark.parametrize("html", PAGES)
def test_page_about_such_things_is_a_page(html: str) -> None:
    """Docs about missing pages, logins, cookies and errors, and pages that say little, are pages."""
    assert fault(html) is None


@pytest.mark.parametrize("site", ["material", "plain", "vitepress", "docusaurus"])
def test_missing_page_of_each_maker_is_told(site: str) -> None:
    """What real makers of sites give for a missing page is told from its text alone."""
    assert (fault((SITES / site / "404.html").read_text()) or "").startswith("soft-404")

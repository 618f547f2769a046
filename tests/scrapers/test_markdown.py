from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapers.documents import Document
from scrapers.markdown import Writer
from scrapers.markup import main_of, tree_of
from scrapers.sphinx import Sphinx


def written(html: str) -> str:
    return Writer().write(main_of(tree_of(html)[0]))


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<h1>A <em>b</em><a class='headerlink' href='#a'>¶</a></h1><p>c\n d</p>", "# A *b*\n\nc d"),
        ("<p>a<b> b </b>c <code>d</code> <code>`e`</code></p>", "a **b** c `d` `` `e` ``"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ol><li><p>a</p><p>b</p></li><li>c</li></ol>", "1. a\n\n   b\n\n2. c"),
        ("<dl><dt>t</dt><dd><p>a</p><p>b</p></dd></dl>", "t\n\n:   a\n\n    b"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n\n> b"),
        (
            "<table><thead><tr><th>a</th><th>b|c</th></tr></thead><tbody><tr><td><p>1</p></td><td>2</td></tr></table>",
            "| a | b\\|c |\n| --- | --- |\n| 1 | 2 |",
        ),
        ("<p>a</p><script>x</script><nav>y</nav><!-- z --> b", "a\n\nb"),
        ("<p>```python</p><p>x</p>", "\\```python\n\nx"),
        ("<details><summary>more</summary><p>x</p></details>", "**more**\n\nx"),
        ("<p>a<br>b &amp; &lt;c&gt; &nbsp;d</p>", "a b & <c> d"),
        ("<em><p>a</p></em><p>b</p>", "a\n\nb"),
        ("<p>10<sup>-3</sup> and x<sub>i</sub>, <sup>a</sup></p>", "10^-3 and x_i, a"),
        ("<p><del>a</del> <kbd><kbd>Ctrl</kbd>-<kbd>C</kbd></kbd></p>", "~~a~~ `Ctrl-C`"),
        ("<ol start=3><li>c</li><li>d</li></ol>", "3. c\n4. d"),
        ("<pre>if a:<br>    b<br><br>c</pre>", "```\nif a:\n    b\n\nc\n```"),
        (
            "<table><tr><th>a<th colspan=2>b<tr><td rowspan=2>1<td>2<td rowspan=2>3<tr><td>4<tr><td>5</table>",
            "| a | b |  |\n| --- | --- | --- |\n| 1 | 2 | 3 |\n|  | 4 |  |\n| 5 |",
        ),
        (
            "<table><thead><tr><th>How<th>So</tr></thead><tr><td>one<td><pre>a\n\n  b</pre></tr>"
            "<tr><td>two|<td>c</table>",
            "- **How**: one\n\n  **So**:\n\n  ```\n  a\n\n    b\n  ```\n\n- **How**: two|\n\n  **So**: c",
        ),
        (
            "<table><tr><td>one<td><pre>a</pre><tr><td rowspan=2>two<td>b<tr><td><pre>c</pre></table>",
            "- one\n\n  ```\n  a\n  ```\n\n- two\n\n  b\n\n- ```\n  c\n  ```",
        ),
        ("<table><tr><td><pre>a</pre></td></tr></table>", "```\na\n```"),
        ("", ""),
    ],
)  # fmt: skip
def test_html_is_written_as_markdown(html: str, wanted: str) -> None:
    """Each kind of element, before and after."""
    assert written(f"<body>{html}</body>") == f"{wanted}\n"


CODE = ">>> def f():\n...     x = 1\n...\n...     return '  '\n\n\n>>> f()\n'  '\n   indented\n``` no fence"


@pytest.mark.parametrize(
    "html",
    [
        "<div class='highlight-pycon notranslate'><div class='highlight'><pre><span></span>{}\n</pre></div></div>",
        "<div class='doctest highlight-default'><div><pre><span class='gp'>{}</span></pre></div></div>",
        "<table class='highlighttable'><tr><td class='linenos'><div class='linenodiv'><pre>1\n2</pre></div></td>"
        "<td class='code'><div><pre><button class='copybtn'>Copy</button>{}</pre></div></td></tr></table>",
        "<ul><li><p>a</p><pre>{}</pre></li></ul>",
        "<blockquote><div><pre><span class='linenos'>1</span>{}</pre></div></blockquote>",
        "<table><tr><td><pre>{}</pre></td></tr></table>",
    ],
)
def test_code_is_kept_letter_by_letter(html: str) -> None:
    """Prompts, blank lines, blanks and indentation of a block stay, wherever it stands."""
    text = written(html.replace("{}", CODE.replace(">", "&gt;")))
    lines = text.split("\n")
    start = next(i for i, line in enumerate(lines) if line.strip() == "````pycon")
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = lines.index(f"{' ' * indent}````", start)
    assert "\n".join(line[indent:] for line in lines[start + 1 : end]) == CODE


HOSTILE = {
    "divs": "<div>" * 10_000 + "deep",
    "lists": "<ul><li>" * 1_000 + "deep",
    "emphasis": "<em><code>" * 1_000 + "deep",
    "tables": "<table><tr><td>" * 600 + "deep",
    "entries": '<dl class="py class"><dt class="sig" id="a.b">b(</dt><dd>' * 400 + "deep",
    "attribute": f"<p class='{'x ' * 500_000}' id='{'y' * 1_000_000}'>deep</p>",
    "attributes": "<p " + " ".join(f"a{i}=1" for i in range(50_000)) + ">deep</p>",
    "items": "<ol>" + "<li>a" * 20_000 + "deep</ol>",
    "cells": "<table><tr>" + "<td>a" * 20_000 + "</tr>" + "<tr><td>b" * 20_000 + "deep</table>",
    "covered": "<table><tr>" + "<td rowspan=9999>a" * 10_000 + "<tr><td>b" * 10_000 + "<tr><td>deep</table>",
    "entities": "<!DOCTYPE a [<!ENTITY b 'deep'><!ENTITY c '&b;&b;'>]><p>&c; deep</p>",
    "backticks": "<p><code>" + "`" * 100_000 + "</code>deep</p><pre>" + "`" * 100_000 + "</pre>",
    "controls": "<p>\x00\x01\ud800de\x0cep deep</p>",
    "quoted attributes": "<p a='>' " + " ".join(f"a{i}='<>'" for i in range(50_000)) + ">deep</p>",
    "attributes after no-break space": '<x\xa0<p =" ' + "' ".join(f'a{i}=">"' for i in range(50_000)) + ">deep</p>",
    "open tags": "<" * 200_000 + "<p" * 100_000 + ">deep",
    "open comments": "<p>deep</p>" + "<!--" * 100_000,
    "closing tags": "<div>" * 500 + "</b>" * 100_000 + "deep",
    "marks": "<b>" * 1500 + "deep" + "</b>" * 1500,
    "encoding": "<?xml version='1.0' encoding='utf-16'?><p>deep",
    "brackets": f'<dl class="py function"><dt class="sig" id="a.b">b({"[" * 20_000}{"<" * 20_000})</dt><dd>deep</dl>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_page_is_read_in_time(name: str) -> None:
    """Deep, wide and broken pages are read in a second; what could not be read is said."""
    since = time.process_time()
    parsed = Sphinx().parse(Document("a.html", "", HOSTILE[name]), None)
    assert time.process_time() - since < 2
    assert "deep" in parsed.markdown or parsed.fault == "too-deep"
    assert parsed.fault == ("too-deep" if name == "divs" else None)


_TAGS = st.sampled_from(
    [
        "dl",
        "dt",
        "dd",
        "p",
        "pre",
        "code",
        "em",
        "ul",
        "ol",
        "li",
        "table",
        "tr",
        "td",
        "th",
        "div",
        "span",
        "a",
        "section",
        "h1",
        "h7",
        "blockquote",
        "br",
        "x",
        "svg",
        "option",
    ]
)
_CLASSES = st.sampled_from(
    [
        "py function",
        "py class",
        "sig sig-object py",
        "field-list",
        "deprecated",
        "versionmodified",
        "classifier",
        "reference",
        "x",
    ]
)
_PIECES = st.one_of(
    st.builds("<{} class='{}' id='a.b'>".format, _TAGS, _CLASSES),
    st.builds("</{}>".format, _TAGS),
    st.sampled_from(
        ["f(a, b=<x>)", "Parameters", "a – b", "<a href='#a.b'>", "&#0;", "<!--", "-->", "<![CDATA[", "]]>"]
    ),
    st.text(max_size=8),
)


@given(st.lists(_PIECES, max_size=30).map("".join))
def test_any_page_gives_a_result(html: str) -> None:
    """No text makes the reader of pages fail, and it gives the same each time."""
    parsed = Sphinx().parse(Document("a.html", "", html), [["a.b", "a.b", "py:function", 1]])
    assert parsed == Sphinx().parse(Document("a.html", "", html), [["a.b", "a.b", "py:function", 1]])
    assert parsed.markdown.endswith("\n")

"""A model's card as safe markup: Markdown with tables, whose HTML stays text and whose pictures are their words."""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

_DEEPER = 2
"""The page has its own headings of the first two levels."""


_LEADS = re.compile(r"(https?://|mailto:)[^/]", re.IGNORECASE)
"""Where links may lead; any other stays the text that it is."""


class _Reader(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - its name there
        return _LEADS.match(url) is not None


def rendered(card: str) -> Markup:
    """Return `card` as HTML. Links lead only to http, https and mail; nothing in it is markup of its own."""
    reader = _Reader("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("image", _words_of_picture)
    tokens = reader.parse(card)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _DEEPER, 6)}"
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # noqa: S704 - it escapes what it does not write


def _words_of_picture(_renderer: object, tokens: Sequence[Token], place: int, *_more: object) -> str:
    return str(escape(tokens[place].content))

"""Markdown extension: `$x$` and lines between `$$` become MathML, which browsers draw by
themselves: no script, no font and no network.
"""

from __future__ import annotations

import re
from typing import Any

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor


class _Inline(InlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[Any, int, int]:
        return self.md.htmlStash.store(convert(m.group(1))), m.start(0), m.end(0)


class _Blocks(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        """Formulas between two lines of `$$`, stored as they stand in the page."""
        text = re.sub(
            r"^\$\$\n(.+?)\n\$\$$", self._block, "\n".join(lines), flags=re.MULTILINE | re.DOTALL
        )
        return text.split("\n")

    def _block(self, found: re.Match[str]) -> str:
        formula = convert(found.group(1), display="block")
        return self.md.htmlStash.store(f'<div class="formula" tabindex="0">{formula}</div>')


class MathML(Extension):
    def extendMarkdown(self, md: Markdown) -> None:
        md.preprocessors.register(_Blocks(md), "mathml_block", 24)  # after code in fences (25)
        md.inlinePatterns.register(
            _Inline(r"(?<![\\$])\$([^\s$](?:[^$\n]*[^\s$])?)\$(?!\d)", md), "mathml", 189
        )


def makeExtension(**options: Any) -> MathML:
    return MathML(**options)

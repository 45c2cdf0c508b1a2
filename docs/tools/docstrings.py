"""Griffe extension: docstrings as this package writes them, in the form that Griffe reads.

`>>>` examples stand in code blocks, `z, mu: (B, D)` describes each of the arguments, and `others`
are those that `**options` hands on.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\n).+)*", re.MULTILINE)
OTHERS = re.compile(r"^( +)others: ", re.MULTILINE)
SEVERAL = re.compile(r"^( +)(\w+(?:, \w+)+): (.*(?:\n\1 +.*)*)", re.MULTILINE)


def _one_each(found: re.Match[str]) -> str:
    indent, names, text = found.groups()
    return "\n".join(f"{indent}{name}: {text}" for name in names.split(", "))


class Docstrings(Extension):
    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring:
            text = EXAMPLE.sub(r"\n```pycon\n\g<0>\n```\n", obj.docstring.value)
            text = OTHERS.sub(r"\1**options: ", text)
            obj.docstring.value = SEVERAL.sub(_one_each, text)

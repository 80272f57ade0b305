"""A griffe extension: the examples of a docstring, which start with `>>>`, become blocks of code instead of Markdown's quotations."""

import griffe


class Examples(griffe.Extension):
    """Put each example between fences."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring and ">>>" in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Return a docstring with fences around its examples; an example ends at the first empty line that no prompt follows.

    >>> fenced("Add.\\n\\n>>> 1 + 1\\n2\\n\\nAnd so on.").replace("`", "'").split("\\n\\n")
    ['Add.', "'''pycon\\n>>> 1 + 1\\n2\\n'''", 'And so on.']
    """
    blocks = []
    for block in text.split("\n\n"):
        example = block.lstrip().startswith(">>>")
        if example and blocks and blocks[-1].endswith("\n```"):
            blocks[-1] = f"{blocks[-1][:-4]}\n\n{block}\n```"
        else:
            blocks.append(f"```pycon\n{block}\n```" if example else block)
    return "\n\n".join(blocks)

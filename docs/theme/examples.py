"""Docstrings say "Example:" where the reader of them knows "Examples:", the section whose code it shows as such."""

from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """Names the section as it is known."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Called for every object that was read."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")

"""XML read without surprises: no document types, no entities, names without namespaces."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from data.errors import PatternError


def parse_xml(text: str) -> ET.Element:
    """Parse a document whose tags lose their namespaces.

    Raises:
        PatternError: the document is damaged, or declares a document type, through which
            entities could expand without end.
    """
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text):
        raise PatternError("is XML with a document type of its own, which is not read; export anew")
    try:
        root = ET.fromstring(text)  # noqa: S314 -- entities were refused above
    except (ET.ParseError, ValueError) as error:
        raise PatternError(f"is damaged XML ({error}); copy or export it again") from None
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root

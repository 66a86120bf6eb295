"""A library's templates as a table, a document and one interactive page that opens offline."""

from service.templates.listing import Listing, TemplateRow, answer, list_templates
from service.templates.page import SHOWN, render, write_templates

__all__ = [
    "SHOWN",
    "Listing",
    "TemplateRow",
    "answer",
    "list_templates",
    "render",
    "write_templates",
]

"""What `braggle generate` leaves: CIFs, a document and a page."""

from service.proposals.document import solution_answer, write_cifs
from service.proposals.page import render_part, write_proposals

__all__ = ["render_part", "solution_answer", "write_cifs", "write_proposals"]

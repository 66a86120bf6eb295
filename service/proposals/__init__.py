"""What `braggle generate` is asked for, and what it leaves: CIFs, a document and a page."""

from service.proposals.document import cif_of, solution_answer, write_cifs
from service.proposals.page import render_part, write_proposals
from service.proposals.wanted import Wanted, proposed

__all__ = [
    "Wanted",
    "cif_of",
    "proposed",
    "render_part",
    "solution_answer",
    "write_cifs",
    "write_proposals",
]

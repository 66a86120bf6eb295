"""A look-up handed over to refinement programs: a folder a pattern, for GSAS-II and for BGMN."""

from service.handover.folder import Destination, destinations, hand_over_zip, write_hand_over
from service.handover.phases import HANDED_OVER, Phase, phases_of

__all__ = [
    "HANDED_OVER",
    "Destination",
    "Phase",
    "destinations",
    "hand_over_zip",
    "phases_of",
    "write_hand_over",
]

"""A client of the service: what `docs/service.md` lists, from Python.

It needs httpx alone, and nothing of what the service itself is made of.
"""

from service.client.client import Client
from service.client.content import Arrays
from service.client.curves import unpacked
from service.client.errors import ServiceError
from service.client.jobs import Job

__all__ = ["Arrays", "Client", "Job", "ServiceError", "unpacked"]

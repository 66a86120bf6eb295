"""Clients that look the bundled measured patterns up, one after the other, without a pause.

A refusal by design (503 or 429) is counted apart from answers, and its `Retry-After` obeyed.
Anything else but the right phase in the first place is an error.
"""

from __future__ import annotations

from itertools import count

from gevent import sleep
from locust import HttpUser, task

from data.bundled import Example, examples

SEARCH, REFUSED = "search", "search, refused"
EXAMPLES = tuple(examples().values())
BEGINS = count()


class Client(HttpUser):
    """Asks for the three patterns in turn; each client begins with another."""

    def on_start(self) -> None:
        """Read what will be sent."""
        self._next = next(BEGINS)
        self._contents = {one.path: one.path.read_bytes() for one in EXAMPLES}

    @task
    def search(self) -> None:
        """Look one pattern up."""
        example = EXAMPLES[self._next % len(EXAMPLES)]
        self._next += 1
        with self.client.post(
            "/v1/search",
            name=SEARCH,
            files={"file": (example.path.name, self._contents[example.path])},
            data={"wavelength": example.radiation},
            catch_response=True,
        ) as response:
            if response.status_code in {429, 503}:
                response.request_meta["name"] = REFUSED
                response.success()
                sleep(float(response.headers["Retry-After"]))
            elif response.status_code != 200:
                response.failure(f"{response.status_code}: {response.text[:200]}")
            elif not _is_right(response.json()["hits"], example):
                response.failure(f"{example.path.name}: another phase stands first")


def _is_right(hits: list[dict[str, object]], example: Example) -> bool:
    return bool(hits) and example.truth.lower() in str(hits[0]).lower()

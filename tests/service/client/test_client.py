"""The client against a service that runs in this process, each of its routes."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import httpx
import numpy as np
import pytest

from data.cif import write_cif
from data.reading import read_pattern
from service.client import Arrays, Client, ServiceError, answers, options, unpacked
from tests import crystals
from tests.service.api.conftest import HERE, serving, settings_for
from tests.service.api.server import wait_for

DOCS = Path(__file__).parents[3] / "docs"
OPENAPI = json.loads((DOCS / "openapi.json").read_text("utf-8"))
ROUTES = {
    (method.upper(), place)
    for place, methods in OPENAPI["paths"].items()
    if place.startswith("/v1/")
    for method in methods
}


class Recorded(httpx.BaseTransport):
    """Hands requests to a service in this process, and notes which routes they take."""

    def __init__(self, service: Any) -> None:
        self.service = service
        self.taken: set[tuple[str, str]] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.taken |= {
            (method, place)
            for method, place in ROUTES
            if method == request.method and _is_at(place, request.url.path)
        }
        answer = self.service.request(
            request.method, str(request.url), headers=dict(request.headers), content=request.read()
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def _is_at(place: str, path: str) -> bool:
    """Whether a path is of a route; an id holds neither slash nor dot."""
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/.]+", re.escape(place)), path) is not None


@pytest.fixture(scope="module")
def transport(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("client")
    shutil.copytree(built, folder / "library")
    with serving(settings_for(folder / "library", folder, reload_every_s=0.1)) as service:
        yield Recorded(service)


@pytest.fixture(scope="module")
def client(transport: Recorded) -> Iterator[Client]:
    with Client(HERE, transport=transport) as one:
        yield one


def check(value: Any, hint: Any, where: str = "") -> None:
    """A document is what its type says, with no key more and none less."""
    origin, inside = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        hints = get_type_hints(hint, include_extras=True)
        optional = {name for name, one in hints.items() if get_origin(one) is NotRequired}
        assert isinstance(value, dict), where
        assert set(hints) - optional <= set(value) <= set(hints), where
        for name, one in value.items():
            check(one, get_type_hints(hint)[name], f"{where}.{name}")
    elif origin is list:
        assert isinstance(value, list), where
        for one in value:
            check(one, inside[0], f"{where}[]")
    elif origin is dict:
        assert isinstance(value, dict), where
        for one in value.values():
            check(one, inside[1], f"{where}{{}}")
    elif origin is Literal:
        assert value in inside, where
    elif inside:
        assert any(_passes(value, one) for one in inside), where
    elif hint is float:
        assert value is None or isinstance(value, float | int), where
    elif hint is not Any:
        assert isinstance(value, hint), where


def _passes(value: Any, hint: Any) -> bool:
    try:
        check(value, hint)
    except AssertionError:
        return False
    return True


def test_every_route_is_there_and_answers_what_its_type_says(
    client: Client, transport: Recorded, rutile: Path, cifs: Path
) -> None:
    def checked(document: Any, hint: Any) -> Any:
        check(document, hint, hint.__name__)
        return document

    found = checked(
        client.search(rutile, elements={"Ti", "O"}, top=3, phases=2, curves=1), answers.Answer
    )
    assert found["hits"][0]["formula"] == "TiO2"
    hkl = unpacked(found["curves"]["hits"][0]["hkl"], hkl=True)
    assert len(hkl) == len(unpacked(found["curves"]["hits"][0]["ticks"]))
    assert found["mixtures"]
    read = checked(client.pattern(rutile, wavelength="CuKa"), answers.ReadPattern)
    assert len(unpacked(read["curves"]["counts"])) == read["query"]["points"]
    assert client.report(rutile).startswith("<!doctype html>")
    with zipfile.ZipFile(io.BytesIO(client.hand_over(rutile, wavelength="CuKa"))) as archive:
        assert "sample/README.txt" in archive.namelist()

    alike = checked(client.similar(cifs / "rutile.cif", top=2), answers.SimilarAnswer)
    assert [one["same_crystal"] for one in alike["entries"]] == [True, False]
    simulated = checked(client.simulate(cifs / "rutile.cif", two_theta_max=60), answers.Simulated)
    assert simulated["two_theta_deg"][-1] <= 60

    checked(client.library(), answers.Library)
    checked(client.templates(kind="local", limit=3), answers.Templates)
    kept = checked(client.history(), answers.History)
    assert [one["is_current"] for one in kept["versions"]][-1]
    drawn = checked(client.draw("templates").wait(), answers.Page)
    assert drawn["page"].startswith("<!doctype html>")
    page = checked(client.page(limit=4), answers.EntriesPage)
    assert page["total"] == 6
    every = list(client.entries(limit=4))
    assert len({one["id"] for one in every}) == 6
    (one,) = client.entries(text="RUTILE")
    details = checked(client.entry(one["id"]), answers.EntryDetails)
    assert details["formula"] == "TiO2"
    checked(client.entry_drawing(one["id"]), answers.Drawing)
    assert client.entry_cif(one["id"]).startswith("data_")
    assert len(client.entry_pattern(one["id"], step=0.1).splitlines()) > 800

    heard: list[tuple[int, int | None, str]] = []
    several = client.search_all(
        [rutile, ("bad.xy", b"nothing"), rutile.read_bytes()],
        progress=lambda *now: heard.append(now),
        top=1,
    )
    checked(several[0], answers.Answer)
    checked(several[1], answers.Failure)
    assert several[2]["query"]["file"] == "pattern"
    assert heard[-1] == (3, 3, "patterns")

    job = client.generate(rutile, formula="SnO2", engines=["substitution"], refine=False, samples=2)
    told = [checked(now, answers.JobDocument) for now in job.events()]
    assert told[-1]["state"] == job.state == "succeeded"
    solution = checked(client.job(job.id).result(), answers.Solution)
    assert solution["proposals"][0]["cif"].startswith("data_")
    assert job.id in {other.id for other in client.jobs()}
    alone = client.generate(formula="SnO2", engines=["substitution"], samples=1).wait()
    assert checked(alone, answers.Solution)["proposals"][0]["fit"] is None
    assert job.refresh()["kind"] == job.kind == "generate"
    job.cancel()
    with pytest.raises(ServiceError, match="there is no job") as caught:
        job.refresh()
    assert (caught.value.status, caught.value.kind) == (404, "not-found")

    silicon = write_cif(crystals.SILICON, name="silicon").encode()
    added = checked(client.add(("si.cif", silicon), b"data_x\n").wait(), answers.Added)
    assert (added["added"], len(added["problems"])) == (1, 1)
    (new,) = wait_for(lambda: list(client.entries(formula="Si")))
    removed = checked(client.remove(new["id"]).wait(), answers.Removed)
    assert removed["removed"] == 1

    assert transport.taken == ROUTES


def test_arrays_are_a_pattern(client: Client, rutile: Path) -> None:
    measured = read_pattern(rutile)
    found = client.search(
        Arrays(measured.counts, two_theta_deg=measured.x, name="array"),
        wavelength=1.5406,
        elements="Ti,O",
        top=1,
    )
    assert found["hits"][0]["formula"] == "TiO2"
    assert found["query"]["file"] == "array"
    assert client.search_all([]) == []
    with pytest.raises(ValueError, match="counts: holds what is no number"):
        client.search(Arrays(np.array([1.0, np.nan]), two_theta_deg=[1, 2]))


def test_the_examples_of_the_guide_run(
    transport: Recorded,
    built: Path,
    rutile: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAGGLE_LIBRARY", str(built))
    monkeypatch.setattr("service.client.Client", lambda _url: Client(HERE, transport=transport))
    shutil.copy(rutile, tmp_path / "sample.xy")
    text = (DOCS / "python.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for block in blocks:
        exec(compile(block, "python.md", "exec"), {})  # noqa: S102 - the guide's own
    said = capsys.readouterr().out
    assert len(blocks) == 5
    assert said.startswith("match []\n[] TiO2 0.9")
    assert "data_01-SnO2" in said
    assert "bad-value ['elements'] give symbols such as Pb,S,O" in said
    assert said.endswith("match TiO2\n")


def test_a_problem_says_which_field_it_is_about(client: Client, rutile: Path) -> None:
    with pytest.raises(ServiceError) as caught:
        client.search(rutile, elements=["Xx"])
    problem = caught.value
    assert (problem.status, problem.kind) == (422, "bad-value")
    assert problem.type == "urn:braggle:problem:bad-value"
    assert problem.remedy == "give symbols such as Pb,S,O"
    assert [one["field"] for one in problem.fields] == ["elements"]
    assert str(problem) == problem.detail
    assert problem.request_id


def test_a_failed_job_raises_its_problem(client: Client) -> None:
    with pytest.raises(ServiceError, match=r"x\.cif") as caught:
        client.add(("x.cif", b"data_x\n_a 1\n")).wait()
    assert caught.value.kind == "bad-content"


@pytest.mark.parametrize(
    "method, place, hint",
    [
        ("post", "/v1/search", options.SearchOptions),
        ("post", "/v1/report", options.SearchOptions),
        ("post", "/v1/hand-over", options.SearchOptions),
        ("post", "/v1/patterns", options.PatternOptions),
        ("post", "/v1/similar", options.SimilarOptions),
        ("post", "/v1/simulate", options.SimulateOptions),
        ("post", "/v1/generate", options.GenerateOptions),
        ("get", "/v1/entries", options.PageOptions),
        ("get", "/v1/entries/{entry_id}.xy", options.SimulateOptions),
        ("get", "/v1/templates", options.TemplateOptions),
    ],
)
def test_options_have_the_names_of_the_service(method: str, place: str, hint: type) -> None:
    route = OPENAPI["paths"][place][method]
    if method == "post":
        schema = route["requestBody"]["content"]["multipart/form-data"]["schema"]
        named: set[str] = set(schema["properties"]) - {"file"}
    else:
        named = {one["name"] for one in route["parameters"] if one["in"] == "query"}
    assert set(get_type_hints(hint)) == named


def test_arrays_have_the_names_of_the_service() -> None:
    route: Mapping[str, Any] = OPENAPI["paths"]["/v1/search"]["post"]["requestBody"]["content"]
    form, arrays = (
        set(route[kind]["schema"]["properties"])
        for kind in ("multipart/form-data", "application/json")
    )
    assert set(Arrays.__dataclass_fields__) == arrays - form


def test_the_client_imports_nothing_of_the_service() -> None:
    code = (
        "import sys, service.client\n"
        "heavy = {'torch', 'fastapi', 'starlette', 'lancedb', 'pymatgen', 'pydantic', 'numba',"
        " 'scipy', 'gemmi', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

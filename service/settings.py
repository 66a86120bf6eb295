"""What a person sets once: where libraries live, which one is meant, how it is served.

Variables begin with BRAGGLE_, those of the service with BRAGGLE_SERVE_.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.errors import BraggleError, LibraryError


class ServeSettings(BaseModel):
    """How the service is reached, and how much it takes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="0 takes a free one.")
    keys: Literal["auto", "on", "off"] = Field(
        default="auto", description="Whether API keys are asked for; auto: not on loopback."
    )
    allowed_hosts: str = Field(
        default="", description="Names by which clients may call; on loopback its own, else any."
    )
    trusted_proxies: str = Field(
        default="", description="Addresses whose X-Forwarded-For is believed, with commas."
    )
    max_body_mb: float = Field(default=32.0, gt=0, description="Of one request.")
    max_points: int = Field(default=200_000, ge=50, description="Of one pattern.")
    max_atoms: int = Field(default=5_000, ge=1, description="Of one cell.")
    max_files: int = Field(default=200, ge=1, description="Of one request.")
    max_archive_members: int = Field(default=5_000, ge=1, description="Of one archive.")
    max_archive_mb: float = Field(default=256.0, gt=0, description="Unpacked, of one archive.")
    requests_per_minute: int = Field(default=600, ge=1, description="Of one client.")
    requests_at_once: int = Field(default=128, ge=1, description="Of all clients.")
    streams_per_client: int = Field(default=16, ge=1, description="Of events, open at a time.")
    searches: int = Field(default=0, ge=0, description="At a time; 0 is one a core.")
    waiting_searches: int = Field(default=64, ge=0, description="More are refused.")
    search_timeout_s: float = Field(default=120.0, gt=0, description="Waiting included.")
    parsers: int = Field(default=2, ge=1, description="Processes that read what is uploaded.")
    parse_timeout_s: float = Field(default=30.0, gt=0, description="Then the process is ended.")
    parse_memory_mb: int = Field(default=2048, ge=64, description="That such a process may take.")
    upload_timeout_s: float = Field(default=60.0, gt=0, description="For a request's body.")
    job_workers: int = Field(default=1, ge=1, description="Processes that do jobs.")
    job_timeout_s: float = Field(default=3600.0, gt=0, description="Of one job.")
    job_memory_mb: float = Field(default=8000.0, gt=0, description="Of one job.")
    jobs_per_client: int = Field(default=20, ge=1, description="Waiting or running.")
    jobs_waiting: int = Field(default=200, ge=1, description="Of all clients.")
    jobs_mb: float = Field(default=4000.0, gt=0, description="On disk, of all jobs and results.")
    results_kept_h: float = Field(default=168.0, gt=0, description="Then jobs are deleted.")
    reload_every_s: float = Field(default=0.2, gt=0, description="Looks for a new version.")
    shutdown_s: int = Field(default=20, ge=0, description="Requests that run may still take.")


class Settings(BaseSettings):
    """Settings of the command line and the service, from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="BRAGGLE_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        extra="ignore",
        frozen=True,
    )

    library: str = Field(
        default="main",
        min_length=1,
        description="The library that is meant when none is named: a path, or a bare name.",
    )
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("braggle", appauthor=False),
        description="Folder that holds the libraries with bare names.",
    )
    debug: bool = Field(default=False, description="Show tracebacks of unexpected errors.")
    serve: ServeSettings = ServeSettings()

    @classmethod
    def load(cls) -> Settings:
        """Read the environment.

        Raises:
            BraggleError: a variable holds something that it cannot mean.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            variable = "_".join(["BRAGGLE", *map(str, first["loc"])]).upper()
            raise BraggleError(
                f"{variable}={first['input']!r} is not understood ({first['msg']}); correct it "
                "or unset it"
            ) from None

    @property
    def service_dir(self) -> Path:
        """Where the service keeps its keys and jobs."""
        return self.data_dir.expanduser() / "service"

    def library_path(self, name: str | None = None) -> Path:
        """The folder of a library: a path as it is, a bare name in the per-user data folder.

        A bare name that is a folder where one stands means that folder.

        Raises:
            LibraryError: it is in an object store, where no library can be.
        """
        text = name or self.library
        if "://" in text:
            raise LibraryError(
                f"{text}: a library lies in a local folder; name one, and take it to the store "
                "with `braggle library export s3://bucket/name.braggle`"
            )
        path = Path(text).expanduser()
        is_bare = path.name == text and text not in {".", ".."}
        if is_bare and not path.is_dir():
            return self.data_dir.expanduser() / "libraries" / text
        return path

"""What a person sets once: where libraries live and which one is meant. Prefix BRAGGLE_."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.errors import BraggleError


class Settings(BaseSettings):
    """Settings of the command line and the service, from the environment."""

    model_config = SettingsConfigDict(env_prefix="BRAGGLE_", extra="ignore", frozen=True)

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
            variable = f"BRAGGLE_{first['loc'][0]}".upper()
            raise BraggleError(
                f"{variable}={first['input']!r} is not understood ({first['msg']}); correct it "
                "or unset it"
            ) from None

    def library_path(self, name: str | None = None) -> Path:
        """The folder of a library: a path as it is, a bare name in the per-user data folder.

        A bare name that is a folder where one stands means that folder.
        """
        text = name or self.library
        path = Path(text).expanduser()
        is_bare = path.name == text and text not in {".", ".."}
        if is_bare and not path.is_dir():
            return self.data_dir.expanduser() / "libraries" / text
        return path

"""What can be set, each as a variable of the environment named GUARITA_ and the name below in capitals."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """The settings of the service; `python -m detection_service --help` lists them."""

    # What was given stays out of error messages, which end up in logs: a secret may be among it.
    model_config = SettingsConfigDict(
        env_prefix="GUARITA_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    model: Path = Field(description="the ONNX model")
    min_confidence: float = Field(
        default=0.5, ge=0, le=1, description="least confidence of a box, where the request names none"
    )
    cameras: dict[str, dict[str, Any]] = Field(
        default={},
        description="JSON: the cameras whose frames are watched, by name, each with a guarita.types.CameraConfig",
    )

    max_picture_bytes: int = Field(default=32 * MIB, ge=1, description="largest picture")
    max_pictures: int = Field(default=32, ge=1, le=1000, description="most pictures of one batch")
    max_video_bytes: int = Field(
        default=100 * MIB, ge=1, description="largest video; the pictures of a batch together, too"
    )
    max_video_s: float = Field(default=300, gt=0, description="longest video, in seconds")
    max_video_fps: float = Field(default=5, gt=0, description="most frames looked at in a second of video")
    read_timeout_s: float = Field(default=60, gt=0, description="how long an upload may take")
    request_timeout_s: float = Field(default=30, gt=0, description="how long one look may take, waiting included")

    concurrency: int = Field(
        default=10, ge=1, description="requests worked on at a time by one process; one more is a 429"
    )
    rate_per_second: float = Field(
        default=10, gt=0, description="requests a second of one client and process, in the long run"
    )
    rate_burst: int = Field(default=20, ge=1, description="requests of one client at once after a rest")

    jwt_secret: SecretStr | None = Field(
        default=None, min_length=32, description="HS256: the secret that signs the tokens"
    )
    jwt_public_key: Path | None = Field(
        default=None, description="RS256: PEM file of the public key that checks the tokens"
    )
    jwt_audience: str | None = Field(default=None, description="the audience that a token must name")
    jwt_issuer: str | None = Field(default=None, description="the issuer that a token must name")

    events_waiting: int = Field(
        default=256, ge=1, description="events that wait for a slow reader before it loses the oldest"
    )

    @model_validator(mode="after")
    def _one_way_to_sign(self) -> Settings:
        if self.jwt_secret and self.jwt_public_key:
            raise ValueError("set GUARITA_JWT_SECRET or GUARITA_JWT_PUBLIC_KEY, not both")
        if (self.jwt_audience or self.jwt_issuer) and not (self.jwt_secret or self.jwt_public_key):
            raise ValueError("an audience or an issuer needs GUARITA_JWT_SECRET or GUARITA_JWT_PUBLIC_KEY")
        return self

    @cached_property
    def jwt_key(self) -> tuple[str, str] | None:
        """The key that checks tokens, and the one algorithm that it is for; None where everybody may come in."""
        if self.jwt_public_key:
            return self.jwt_public_key.read_text(), "RS256"
        return (self.jwt_secret.get_secret_value(), "HS256") if self.jwt_secret else None

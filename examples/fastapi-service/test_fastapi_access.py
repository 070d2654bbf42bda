"""Who is let in: tokens, rates, the bound on requests at a time, TLS."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from detection_service.settings import Settings
from pydantic import ValidationError
from serving import FIXTURE_MODEL, serve
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

SECRET = "a secret of thirty-two characters"


def token(key: str | bytes = SECRET, algorithm: str = "HS256", **claims: Any) -> dict[str, str]:
    """The header of a token that is good, but for these claims."""
    good = {"sub": "someone", "exp": time.time() + 600, "aud": "detection", "iss": "https://issuer.example"}
    claims = {name: value for name, value in {**good, **claims}.items() if value is not None}
    return {"authorization": f"Bearer {jwt.encode(claims, key, algorithm)}"}


def test_tokens_with_a_secret(tmp_path: Path, red: bytes) -> None:
    log, issuer = tmp_path / "log", "https://issuer.example"
    with (
        serve(log, jwt_secret=SECRET, jwt_audience="detection", jwt_issuer=issuer) as server,
        server.client() as client,
    ):

        def status(headers: dict[str, str], path: str = "/detect/frame") -> int:
            response = client.post(path, files={"image": red}, headers=headers)
            if response.status_code == 401:
                assert response.headers["www-authenticate"].startswith("Bearer")
                assert response.json()["code"] == "PermissionDenied"
            return response.status_code

        assert status(token()) == 200
        bad: list[dict[str, str]] = [
            {},
            {"authorization": "Basic c29tZTpvbmU="},
            {"authorization": "Bearer nonsense"},
            token(exp=time.time() - 1),
            token(exp=None),
            token(sub=None),
            token(aud="another"),
            token(aud=None),
            token(iss="https://another.example"),
            token("another secret of that many characters"),
            token("", algorithm="none"),
        ]
        assert [status(headers) for headers in bad] == [401] * len(bad)
        expired = client.post("/detect/frame", headers=token(exp=time.time() - 1))
        assert "expired" in expired.json()["message"] and 'error="invalid_token"' in expired.headers["www-authenticate"]
        assert status(token(), "/batch/detect") == 422 and status({}, "/batch/detect") == 401
        assert client.get("/health").status_code == 200
        assert client.get("/metrics").status_code == 401 and client.get("/metrics", headers=token()).status_code == 200


def test_tokens_with_a_public_key(tmp_path: Path, red: bytes) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "public.pem").write_bytes(public)
    with serve(tmp_path / "log", jwt_public_key=tmp_path / "public.pem") as server, server.client() as client:

        def status(headers: dict[str, str]) -> int:
            return client.post("/detect/frame", files={"image": red}, headers=headers).status_code

        assert status(token(private, "RS256", aud=None)) == 200
        # A token that is signed with the public key, as if that were a secret.
        head, _, body = jwt.encode({"sub": "x", "exp": time.time() + 60}, SECRET).partition(".")
        signed = f"{head}.{body.rpartition('.')[0]}"
        mac = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), hashlib.sha256)).rstrip(b"=").decode()
        assert status({"authorization": f"Bearer {signed}.{mac}"}) == 401


def test_events_need_a_token_and_end_with_it(tmp_path: Path) -> None:
    async def run(url: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, proxy=None)
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["code"] == "PermissionDenied"
        # As a browser, which has subprotocols only.
        bare = token(aud=None, exp=time.time() + 3)["authorization"].split()[1]
        async with connect(url, subprotocols=["bearer", bare], proxy=None) as socket:  # type: ignore[list-item]
            assert socket.subprotocol == "bearer"
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), 30)
        assert closed.value.rcvd and closed.value.rcvd.code == 1008

    with serve(tmp_path / "log", jwt_secret=SECRET) as server:
        asyncio.run(run(server.url.replace("http", "ws") + "/events"))


def test_each_client_has_its_rate(tmp_path: Path, red: bytes) -> None:
    with (
        serve(tmp_path / "log", jwt_secret=SECRET, rate_per_second=0.2, rate_burst=3) as server,
        server.client() as client,
    ):

        def ask(subject: str) -> httpx.Response:
            return client.post("/detect/frame", files={"image": red}, headers=token(sub=subject, aud=None))

        answers = [ask("one") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].json()["code"] == "RateLimited"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 5
        assert ask("two").status_code == 200
        # Health is asked by those who have no token, as often as they like.
        assert {client.get("/health").status_code for _ in range(10)} == {200}


def test_one_request_too_many(tmp_path: Path, model: Path, photos: list[bytes]) -> None:
    with serve(tmp_path / "log", model=model, concurrency=2) as server, server.client() as client:

        def ask(_: int) -> httpx.Response:
            return client.post("/batch/detect", files=[("images", photo) for photo in photos * 4])

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
        refused = [answer for answer in answers if answer.status_code != 200]
        assert 2 <= len(answers) - len(refused) < 8
        for answer in refused:
            assert (answer.status_code, answer.json()["code"]) == (429, "Overloaded")
            assert "2 requests are being worked on" in answer.json()["message"]
            assert int(answer.headers["retry-after"]) >= 1
        assert ask(0).status_code == 200


def test_tls(tmp_path: Path, red: bytes) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    flags = ("--ssl-keyfile", str(tmp_path / "key.pem"), "--ssl-certfile", str(tmp_path / "cert.pem"))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serve(tmp_path / "log", *flags) as server:
        assert server.url.startswith("https://")
        with server.client(verify=trusting) as client:
            assert len(client.post("/detect/frame", files={"image": red}).json()["items"]) == 1
        with server.client() as stranger, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            stranger.get("/health")


def test_settings_that_cannot_be() -> None:
    bad: list[dict[str, Any]] = [
        {"jwt_secret": "short"},
        {"jwt_secret": SECRET, "jwt_public_key": "key.pem"},
        {"jwt_audience": "somebody"},
        {"concurrency": 0},
        {"min_confidence": 2},
    ]
    for settings in bad:
        with pytest.raises(ValidationError):
            Settings(model=FIXTURE_MODEL, **settings)
    telling: list[dict[str, Any]] = [{"jwt_secret": "too short"}, {"jwt_secret": SECRET, "concurrency": 0}]
    for wrong in telling:
        with pytest.raises(ValidationError) as caught:
            Settings(model=FIXTURE_MODEL, **wrong)
        assert "too short" not in str(caught.value) and SECRET not in str(caught.value)
    assert SECRET not in str(Settings(model=FIXTURE_MODEL, jwt_secret=SECRET))  # type: ignore[arg-type]

"""A gateway whose entries reach Replicate through a proxy, and through another gateway that wants a header."""

from __future__ import annotations

from pathlib import Path

import pytest

from areplicate.local import LocalModel
from tests.gateway.config_files import SMALL, refused
from tests.gateway.process import MASTER, gateway
from tests.hostile import HostileReplicate, wants_header
from tests.proxy_servers import CREDENTIALS, http_proxy
from tests.stage import HELLO, llama

PREFIX = "/v1/account/gateway/replicate"
AIG = "Bearer aig-secret-token"


def test_every_request_of_an_entry_goes_its_road(tmp_path: Path) -> None:
    own = LocalModel(
        owner="some",
        name="body",
        official=False,
        schema={"Input": {"properties": {"prompt": {"type": "string"}, "style": {"type": "string"}}}},
    )
    with HostileReplicate([llama(), own], prefix=PREFIX) as hostile, http_proxy(auth=True) as address:
        hostile.on("*", wants_header("cf-aig-authorization", AIG))
        upstream = {
            "api_base": hostile.api_base,
            "api_key": "r8_key_of_the_company",
            "default_headers": {"cf-aig-authorization": "os.environ/CF_AIG_AUTHORIZATION"},
            "proxy": f"http://{CREDENTIALS}@{address}",
            "ssl_verify": False,
        }
        config = {
            "model_list": [
                {"model_name": "own", "litellm_params": {"model": "replicate/some/body", **upstream}},
                {"model_name": "any/*", "litellm_params": {"model": "replicate/*", **upstream}},
            ],
            "environment_variables": {"CF_AIG_AUTHORIZATION": AIG},
            "general_settings": {"master_key": MASTER},
        }
        with gateway(config, tmp_path) as running, running.http() as http:
            for asked in (
                {"model": "own", "style": "brief"},
                {"model": "own", "stream": True},
                {"model": "any/meta/meta-llama-3-8b-instruct"},
            ):
                answer = http.post("/v1/chat/completions", json={"messages": HELLO, **asked})
                assert answer.status_code == 200, answer.text
            health = http.get("/health").json()
            assert health["unhealthy_count"] == 0, health
        assert {"create", "model", "stream"} <= {seen.kind for seen in hostile.asked}
        assert all(seen.headers["cf-aig-authorization"] == AIG for seen in hostile.asked)
        styles = [seen.json()["input"].get("style") for seen in hostile.asked_for("create")]
        assert "brief" in styles


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("proxy: ftp://user:secret@host", "proxy must be the URL of a proxy"),
        ("proxy: 7", "proxy"),
        ("ssl_verify: /no/such/file", "cannot be read as certificates"),
        ("default_headers: [X-Team]", "default_headers"),
        ("default_headers: 'X-Team: secret'", "default_headers must be a mapping"),
        ("extra_headers: {X-Team: [secret]}", "extra_headers['X-Team'] must be a string"),
        ('default_headers: {"X Team": a}', "HTTP header names"),
    ],
)
def test_a_wrong_road_ends_the_start_with_its_line(
    setting: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATE_API_KEY", "r8_secret")
    said = refused(tmp_path, f"{SMALL}      {setting}\n")
    assert message in said and "config.yaml:5" in said and "secret" not in said

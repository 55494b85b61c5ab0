"""A gateway whose entries reach Replicate through a proxy, and through another gateway that wants a header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from areplicate.gateway.config.config import read_config
from areplicate.gateway.config.yaml_file import ConfigError
from areplicate.local import LocalModel
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
        road = {
            "api_base": hostile.api_base,
            "api_key": "r8_key_of_the_company",
            "default_headers": {"cf-aig-authorization": "os.environ/CF_AIG_AUTHORIZATION"},
            "proxy": f"http://{CREDENTIALS}@{address}",
            "ssl_verify": False,
        }
        config = {
            "model_list": [
                {"model_name": "own", "litellm_params": {"model": "replicate/some/body", **road}},
                {"model_name": "any/*", "litellm_params": {"model": "replicate/*", **road}},
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
        assert hostile.asked_for("create")[1].json()["input"]["style"] == "brief" or any(
            seen.json()["input"].get("style") == "brief" for seen in hostile.asked_for("create")
        )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("proxy: ftp://user:secret@host", "proxy must be the URL of a proxy"),
        ("proxy: 7", "proxy"),
        ("ssl_verify: /no/such/file", "cannot be read as certificates"),
        ("default_headers: [X-Team]", "default_headers"),
        ('default_headers: {"X Team": a}', "HTTP header names"),
    ],
)
def test_a_wrong_road_ends_the_start_with_its_line(
    setting: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATE_API_KEY", "r8_secret")
    path = tmp_path / "config.yaml"
    path.write_text(
        "model_list:\n"
        "  - model_name: llama-3\n"
        "    litellm_params:\n"
        "      model: replicate/meta/meta-llama-3-8b-instruct\n"
        f"      {setting}\n"
    )
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(path)
    assert "config.yaml:5" in str(caught.value) and "secret" not in str(caught.value)


def test_a_client_cannot_choose_the_road(tmp_path: Path) -> None:
    with HostileReplicate([llama()]) as hostile:
        entry: dict[str, Any] = {
            "model": "replicate/meta/meta-llama-3-8b-instruct",
            "api_base": hostile.api_base,
            "api_key": "r8_key_of_the_company",
        }
        config = {
            "model_list": [{"model_name": "llama-3", "litellm_params": entry}],
            "general_settings": {"master_key": MASTER},
        }
        with gateway(config, tmp_path) as running, running.http() as http:
            for chosen in (
                {"proxy": "http://attacker:3128"},
                {"ssl": False},
                {"ssl_verify": False},
                {"default_headers": {"a": "b"}},
            ):
                answer = http.post(
                    "/v1/chat/completions", json={"model": "llama-3", "messages": HELLO, **chosen}
                )
                assert answer.status_code == 400 and next(iter(chosen)) in answer.text
        assert not [seen for seen in hostile.asked if seen.kind == "create"]

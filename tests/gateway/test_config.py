"""The gateway's configuration file: what is taken, and how what is wrong is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from areplicate.gateway.config.config import read_config
from areplicate.gateway.config.prices import Price, built_in, published_price
from areplicate.gateway.config.yaml_file import ConfigError
from tests.gateway.config_files import SMALL, read, refused

PROXY_CONFIG = """\
model_list:
  - model_name: llama-3
    litellm_params:
      model: replicate/meta/meta-llama-3-8b-instruct
      api_key: os.environ/REPLICATE_API_KEY
      max_tokens: 20
      temperature: 0.5
      min_tokens: 2
      top_k: 20
  - model_name: mistral-7b # model alias
    litellm_params:
      model: "replicate/mistralai/Mistral-7B-Instruct-v0.1"
      api_key: os.environ/REPLICATE_API_KEY
      initial_prompt_value: "\\n"
      roles: {"system":{"pre_message":"<|im_start|>system\\n", "post_message":"<|im_end|>"}, \
"assistant":{"pre_message":"<|im_start|>assistant\\n","post_message":"<|im_end|>"}, \
"user":{"pre_message":"<|im_start|>user\\n","post_message":"<|im_end|>"}}
      final_prompt_value: "\\n"
      bos_token: "<s>"
      eos_token: "</s>"
      max_tokens: 4096
general_settings: {master_key: os.environ/AREPLICATE_MASTER_KEY, database_url: os.environ/DATABASE_URL}
litellm_settings: {drop_params: true, set_verbose: false, request_timeout: 600, num_retries: 3, \
fallbacks: [{"llama-3": ["mistral-7b"]}]}
router_settings: {allowed_fails: 3, cooldown_time: 30}
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_API_KEY", "r8_secret")
    monkeypatch.setenv("AREPLICATE_MASTER_KEY", "sk-master-key")
    monkeypatch.setenv("DATABASE_URL", "postgres://user:secret@db/name?sslmode=require")


def test_the_documented_file(tmp_path: Path) -> None:
    config = read(tmp_path, PROXY_CONFIG)
    assert ["is not known: its cost" in warning for warning in config.warnings] == [True], (
        "a community model's"
    )
    llama, mistral = config.models
    assert llama.params == {
        "model": "replicate/meta/meta-llama-3-8b-instruct",
        "api_base": "https://api.replicate.com/v1",
        "api_key": "r8_secret",
        "max_tokens": 20,
        "temperature": 0.5,
        "min_tokens": 2,
        "top_k": 20,
    }
    assert mistral.params["initial_prompt_value"] == "\n"
    assert mistral.params["roles"]["user"]["pre_message"] == "<|im_start|>user\n"
    assert config.general.master_key == "sk-master-key"
    assert config.accounts.database.conninfo == "postgresql://user:secret@db/name?sslmode=require"
    assert config.drop_params
    assert config.router == {
        "timeout": 600,
        "max_retries": 3,
        "allowed_fails": 3,
        "cooldown_time": 30,
        "fallbacks": [{"llama-3": ["mistral-7b"]}],
    }


def test_a_small_file_keeps_its_data_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AREPLICATE_MASTER_KEY")
    config = read(tmp_path, SMALL)
    assert config.accounts.database.file == f"{tmp_path}/areplicate.db"
    assert config.general.master_key is None
    assert config.models[0].price == published_price("meta/meta-llama-3-8b-instruct", built_in())
    assert config.models[0].price is not None
    assert config.models[0].price.output_token == pytest.approx(0.25e-6)


def test_an_unset_database_url_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    config = read(tmp_path, PROXY_CONFIG)
    assert config.accounts.database.file is not None
    assert any("DATABASE_URL is not set" in warning for warning in config.warnings)


def test_a_file_for_keys_that_cannot_be_written_ends_the_start(tmp_path: Path) -> None:
    file = f"{tmp_path}/nothing/keys.db"
    with pytest.raises(
        ConfigError, match=f":5: general_settings.database_url: .*{file}, which cannot be written"
    ):
        read(tmp_path, SMALL + f"general_settings: {{database_url: 'sqlite:///{file}'}}\n")


def test_a_folder_for_usage_that_cannot_be_written_to_is_warned_of(tmp_path: Path) -> None:
    config = read(tmp_path, SMALL + f"general_settings: {{usage_folder: {tmp_path}/nothing}}\n")
    assert (
        f":5: general_settings.usage_folder: {tmp_path}/nothing cannot be written to" in config.warnings[-1]
    )
    config = read(tmp_path, SMALL + f"general_settings: {{usage_folder: {tmp_path}}}\n")
    assert not any("usage_folder" in warning for warning in config.warnings)


def test_unknown_keys_warn_with_their_line(tmp_path: Path) -> None:
    config = read(tmp_path, SMALL + "general_settings:\n  master_kye: x\nwhatever: 1\n")
    assert [warning.replace(str(tmp_path), "") for warning in config.warnings] == [
        "/config.yaml:7: whatever: is not a known setting and is ignored.",
        "/config.yaml:6: general_settings.master_kye: is not a known setting and is ignored.",
    ]


def test_prices_are_overridden(tmp_path: Path) -> None:
    text = (
        SMALL + "    model_info: {input_cost_per_token: 1e-6, output_cost_per_token: 0.000002, mode: chat}\n"
    )
    price = read(tmp_path, text).models[0].price
    assert price == Price(1e-6, 2e-6)
    price = read(tmp_path, SMALL + "    model_info: {hardware: gpu-t4}\n").models[0].price
    assert price == Price(second=built_in().hardware["gpu-t4"])


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
"""Nine of nine of nine of ..."""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "/config.yaml: is empty: give at least a model_list."),
        ("model_list: [", "/config.yaml:1: is not YAML: "),
        ("model_list: @", "/config.yaml:1: is not YAML: found character '@' that cannot start any token"),
        ("a: " + "[" * 1000, "/config.yaml: lists and mappings are nested too deep."),
        ("a: \0", "/config.yaml: is not YAML: unacceptable character #x0000"),
        (f"{LAUGHS}{SMALL}      stop: *h\n", "/config.yaml:7: g: has aliases within aliases"),
        (
            SMALL.replace("- model_name", "- &a\n    model_name") + "      stop: *a\n",
            "has aliases within aliases",
        ),
        ("general_settings: {}", "/config.yaml:1: model_list: is missing."),
        ("model_list: []", "/config.yaml:1: model_list: must have at least 1 item."),
        ("model_list: 3", "/config.yaml:1: model_list: must be a list"),
        ("model_list:\n  - model_name: a\n", "/config.yaml:2: model_list[0].litellm_params: is missing."),
        (SMALL.replace("replicate/meta/", "gpt/4/"), "/config.yaml:4: model_list[0].litellm_params.model: "),
        (SMALL + "      rpm: 0\n", "/config.yaml:5: model_list[0].litellm_params.rpm: must be at least 1"),
        (SMALL + "      rpm: many\n", "rpm: must be a number or null, not a string."),
        (
            SMALL + "      rpm: 1\n      rpm: 2\n",
            "/config.yaml:6: model_list[0].litellm_params.rpm: is given twice",
        ),
        (
            SMALL + "      weight: 0\n",
            "/config.yaml:5: model_list[0].litellm_params.weight: must be more than 0",
        ),
        (
            SMALL + "      n: 0\n",
            "/config.yaml:5: model_list[0].litellm_params.n: n must be a whole number from 1",
        ),
        (
            SMALL + "      additional_drop_params: n\n",
            ":5: model_list[0].litellm_params.additional_drop_params: ",
        ),
        (
            SMALL + "      temperature: hot\n",
            ":3: model_list[0].litellm_params: temperature must be a number",
        ),
        (SMALL + "      top_k: x\n", ":3: model_list[0].litellm_params: top_k must be an integer"),
        (SMALL + "      rpm: .inf\n", ":5: model_list[0].litellm_params.rpm: must be at most 1000000000.0."),
        (SMALL + "      stop: !!binary aGk=\n", ":3: model_list[0].litellm_params: stop must be text"),
        (
            SMALL.replace("llama-3", '"a\\0b"'),
            ":2: model_list[0].model_name: must have printable characters only",
        ),
        (SMALL + "general_settings: {drain_seconds: .inf}\n", "drain_seconds: must be at most 1000000000.0."),
        (SMALL + "      roles: [1]\n", "/config.yaml:5: model_list[0].litellm_params.roles: "),
        (
            SMALL + "      api_base: ftp://x\n",
            "api_base: must be a URL that begins with https:// or http://, without spaces, ? and #.",
        ),
        (SMALL + "      api_base: https://api.replicate.com/v1#x\n", "without spaces, ? and #."),
        (SMALL + "      api_base: https://api.replicate.com/v1?x=1\n", "without spaces, ? and #."),
        (
            SMALL.replace("replicate/", "https://replicate.com/"),
            "is for another provider (it is not owner/name): Replicate's models are called owner/name, or",
        ),
        (
            SMALL + "      custom_llm_provider: openai\n",
            "is for another provider (openai): custom_llm_provider must be replicate if it is Replicate's, or",
        ),
        (SMALL + "      api_key: r8_a b\n", ":5: model_list[0].litellm_params.api_key: must be printable"),
        (
            SMALL + "      api_key: os.environ/NOT_SET\n",
            ":5: model_list[0].litellm_params.api_key: the environment variable 'NOT_SET' is not set or empty: set it",
        ),
        (SMALL + "general_settings: {master_key: os.environ/NOT_SET}\n", "'NOT_SET' is not set or empty"),
        (SMALL + "general_settings: {master_key: short}\n", "master_key: must have at least 8"),
        (
            SMALL + "general_settings: {database_url: mysql://x}\n",
            "database_url: must look like postgresql://",
        ),
        (
            SMALL + "general_settings: [1]\n",
            "general_settings: must be a mapping of keys to values.",
        ),
        (
            SMALL + "litellm_settings: {drop_params: maybe}\n",
            "drop_params: must be true or false, not a string.",
        ),
        (
            SMALL + "litellm_settings: {fallbacks: [{nobody: [llama-3]}]}\n",
            "model_list has no model_name 'nobody'",
        ),
        (
            SMALL + "litellm_settings: {fallbacks: [{llama-3: [nobody]}]}\n",
            "model_list has no model_name 'nobody'",
        ),
        (SMALL + "router_settings: {cooldown_time: -1}\n", "cooldown_time: must be at least 0."),
        (SMALL + "    model_info: {hardware: gpu-9}\n", "'gpu-9' is not known: use one of cpu, "),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://Chat.Example.com/", "https://chat.example.com"),
        ("https://chat.example.com:443", "https://chat.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("'http://[::1]:3000'", "http://[::1]:3000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("'*'", "*"),
    ],
)
def test_pages_are_known_as_browsers_name_them(tmp_path: Path, given: str, sent: str) -> None:
    text = SMALL + f"general_settings: {{cors_origins: [{given}]}}\n"
    assert read(tmp_path, text).general.cors_origins == (sent,)


@pytest.mark.parametrize(
    "given",
    ["chat.example.com", "https://*.example.com", "https://a.example/chat", "'null'", "https://", "'//a'"],
)
def test_what_no_browser_sends_is_refused(tmp_path: Path, given: str) -> None:
    said = refused(tmp_path, SMALL + f"general_settings: {{cors_origins: [https://a.example, {given}]}}\n")
    assert said.startswith("/config.yaml:5: general_settings.cors_origins: ") and "such as https://" in said


def test_workers_share_what_replicate_allows_the_account(tmp_path: Path) -> None:
    config = read(tmp_path, SMALL + "general_settings: {creations_per_minute: 100}\n")
    shared = config.shared_by(4).general
    assert (shared.creations_per_minute, shared.others_per_minute) == (25, 750)
    assert config.shared_by(1) == config


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_config(tmp_path / "nothing.yaml")


def test_the_line_break_that_a_secrets_file_ends_in_is_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "REPLICATE_API_KEY": "r8_own",
        "A": "r8_given",
        "M": "sk-the-master",
        "D": "postgresql://u:p@h/d",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, f"{value}\r\n")
    by_default = read(
        tmp_path, SMALL + "general_settings: {master_key: os.environ/M, database_url: os.environ/D}\n"
    )
    assert by_default.models[0].params["api_key"] == "r8_own"
    assert (by_default.general.master_key, by_default.accounts.database.conninfo) == (
        "sk-the-master",
        secrets["D"],
    )
    given = read(tmp_path, SMALL + "      api_key: os.environ/A\n      bos_token: os.environ/A\n")
    assert given.models[0].params["api_key"] == "r8_given"
    assert given.models[0].params["bos_token"] == "r8_given\r\n", "in a prompt a line break counts"
    monkeypatch.setenv("AREPLICATE_MASTER_KEY", "sk-environments\n")
    assert read(tmp_path, SMALL).general.master_key == "sk-environments"


def test_secrets_are_not_told(tmp_path: Path) -> None:
    assert "sk secret" not in refused(tmp_path, SMALL + "general_settings: {master_key: sk secret}\n")

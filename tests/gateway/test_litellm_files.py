"""LiteLLM's proxy configuration as people really write it: other providers, merges, wildcards, aliases, placeholders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from areplicate.gateway.accounts.auth import ANYBODY
from areplicate.gateway.api.model_call import fallbacks_for
from areplicate.gateway.config.backend import Backend
from areplicate.gateway.metrics import Metrics
from tests.gateway.config_files import SMALL, read, refused


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REPLICATE_API_TOKEN", "REPLICATE_API_BASE", "REPLICATE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AREPLICATE_MASTER_KEY", "LITELLM_MASTER_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REPLICATE_API_KEY", "r8_environments")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openais")


def warned(folder: Path, text: str) -> list[str]:
    return [warning.replace(f"{folder}/config.yaml:", "") for warning in read(folder, text).warnings]


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4o",
        "azure/my-deployment",
        "gpt-4o",
        "anthropic/claude-3-opus",
        "bedrock/x.y-v1",
        "claude-3",
        "gmi/deepseek-ai/DeepSeek-V3.2",
        "chatgpt/gpt-5.4",
        "us.anthropic.claude-sonnet-v1:0",
    ],
)
def test_other_providers_are_refused_by_line_or_skipped(tmp_path: Path, model: str) -> None:
    other = (
        f"  - model_name: other\n    litellm_params: {{model: {model}, api_key: os.environ/OPENAI_API_KEY}}\n"
    )
    said = refused(tmp_path, SMALL + other)
    assert said.startswith("/config.yaml:6: model_list[1].litellm_params.model: ")
    assert "unsupported_providers: skip" in said
    config = read(tmp_path, SMALL + other + "general_settings: {unsupported_providers: skip}\n")
    assert list(config.names.own) == ["llama-3"] and "is skipped" in config.warnings[0]


def test_the_provider_may_be_named_beside_the_model(tmp_path: Path) -> None:
    given = "model_list: [{model_name: a, litellm_params: {model: my/model, custom_llm_provider: %s}}]"
    assert "another provider (openai)" in refused(tmp_path, given % "openai")
    assert list(read(tmp_path, given % "replicate").names.own) == ["a"]


def test_fallbacks_to_what_is_skipped_are_left_out(tmp_path: Path) -> None:
    text = (
        SMALL
        + "  - {model_name: gpt, litellm_params: {model: openai/gpt-4o, api_key: sk-x}}\n"
        + "general_settings: {unsupported_providers: skip}\n"
        + "litellm_settings: {fallbacks: [{llama-3: [gpt]}, {gpt: [llama-3]}]}\n"
    )
    assert read(tmp_path, text).router["fallbacks"] == []


@pytest.mark.parametrize(
    "value",
    [
        *("${MY_KEY}", "{{.Values.key}}", "env:MY_KEY", "$THE_KEY", "<my-key>", "%MY_KEY%", "#{MY_KEY}#"),
        *(
            "{MY_KEY}",
            "[[MY_KEY]]",
            "__MY_KEY__",
            "@@MY_KEY@@",
            "sk-$MY_KEY",
            "$env:MY_KEY",
            "getenv(MY_KEY)",
        ),
        *("process.env.MY_KEY", "OS.ENVIRON/MY_KEY", "op://vault/my/key", "vault:secret/my#key"),
        *("ref+awsssm://my/key", "ENC[AES256_GCM,data]", "arn:aws:secretsmanager:my:key"),
        *("/run/secrets/my_key", "file:///run/secrets/my_key", "sk-your-key-here", "changeme", "sk-xxxxxxxx"),
    ],
)
@pytest.mark.parametrize("where", ["api_key", "master_key"])
def test_what_looks_like_a_placeholder_ends_the_start(tmp_path: Path, value: str, where: str) -> None:
    key = (
        f"      api_key: '{value}'\n"
        if where == "api_key"
        else f"general_settings: {{master_key: '{value}'}}\n"
    )
    text = SMALL + key
    said = refused(tmp_path, text)
    assert said.startswith("/config.yaml:5: ") and where in said


@pytest.mark.parametrize(
    "text",
    [
        SMALL + "      api_key: x\n      api_base: https://${HOST}/v1\n",
        SMALL + "general_settings: {database_url: 'postgresql://me:${PASSWORD}@db/keys'}\n",
        SMALL + "general_settings: {database_url: 'postgresql://me:{{ password }}@db/keys'}\n",
        SMALL + "      default_headers: {X-Token: 'Bearer ${TOKEN}'}\n",
        SMALL + "      proxy: http://${PROXY}:3128\n",
        SMALL + "general_settings: {cors_origins: ['https://${HOST}']}\n",
        SMALL + "general_settings: {files_dir: '{{ files }}'}\n",
    ],
)
def test_placeholders_within_an_address(tmp_path: Path, text: str) -> None:
    assert "which is not replaced here" in refused(tmp_path, text)


def test_a_key_goes_only_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = SMALL + "      api_base: https://elsewhere.example/v1\n"
    said = refused(tmp_path, elsewhere)
    assert ":5: " in said and "REPLICATE_API_KEY belongs to https://api.replicate.com" in said
    assert "r8_environments" not in said
    given = read(tmp_path, elsewhere + "      api_key: its-own\n")
    assert given.models[0].params["api_key"] == "its-own"
    monkeypatch.setenv("REPLICATE_API_BASE", "https://elsewhere.example/v1")
    assert read(tmp_path, elsewhere).models[0].params["api_key"] == "r8_environments"
    assert "belongs to https://elsewhere.example" in refused(
        tmp_path, SMALL + "      api_base: https://api.replicate.com/v1\n"
    )
    variables = (
        "environment_variables: {REPLICATE_API_BASE: https://files.example/v1, REPLICATE_API_KEY: files}\n"
    )
    params = read(tmp_path, SMALL + variables).models[0].params
    assert (params["api_base"], params["api_key"]) == ("https://files.example/v1", "files")
    wrong = "environment_variables: {REPLICATE_API_BASE: files.example}\n"
    assert "api_base: must be a URL that begins with https:// or http://" in refused(tmp_path, SMALL + wrong)


def test_replicate_gets_no_key_that_is_not_its_own(tmp_path: Path) -> None:
    foreign = SMALL + "      api_key: os.environ/OPENAI_API_KEY\n"
    said = refused(tmp_path, foreign)
    assert ":5: model_list[0].litellm_params.api_key: does not begin with r8_, as Replicate's keys do" in said
    assert "sk-openais" not in said
    told_so = read(tmp_path, foreign + "general_settings: {allow_any_api_key: true}\n")
    assert told_so.models[0].params["api_key"] == "sk-openais"


def test_an_entry_has_the_key_that_it_refers_to(tmp_path: Path) -> None:
    """And not the environment's, which is another account's."""
    named = SMALL + "      api_key:\n      litellm_credential_name: team-b\n"
    credentials = """\
credential_list:
  - credential_name: team-b
    credential_values: {api_key: r8_bs, api_base: os.environ/NOWHERE}
    credential_info: {description: B}
"""
    assert "api_base: the environment variable 'NOWHERE' is not set" in refused(tmp_path, named + credentials)
    own_base = "      api_base: https://b.example/v1\n"
    [entry] = read(tmp_path, named + own_base + credentials).models
    assert (entry.params["api_key"], entry.params["api_base"]) == ("r8_bs", "https://b.example/v1")
    assert not read(tmp_path, named + own_base + credentials).warnings
    [entry] = read(tmp_path, named + own_base.replace("api_base", "base_url") + credentials).models
    assert entry.params["api_base"] == "https://b.example/v1", "by whichever name"
    assert "litellm_credential_name: 'team-b' is not in credential_list." in refused(tmp_path, named)
    foreign = named.replace("replicate/", "") + credentials.replace("r8_bs", "sk-bs").replace(
        ", api_base: os.environ/NOWHERE", ""
    )
    assert "is for another provider (its api_key is not one of Replicate's)" in refused(tmp_path, foreign)


def test_models_in_other_files_only_are_not_there(tmp_path: Path) -> None:
    said = refused(tmp_path, "general_settings: {}\ninclude: [models.yaml]\n")
    assert said == "/config.yaml:2: include: is ignored: write what it names into this file."


def test_without_any_key_the_start_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLICATE_API_KEY")
    assert "has no api_key: give one, or set REPLICATE_API_KEY" in refused(tmp_path, SMALL)


def test_a_clear_text_base_is_warned_of(tmp_path: Path) -> None:
    def text(base: str) -> str:
        return SMALL + f"      api_key: x\n      api_base: {base}\n"

    assert "in clear text" in warned(tmp_path, text("http://models.example/v1"))[0]
    assert not warned(tmp_path, text("http://127.0.0.1:4100/v1"))
    assert not warned(tmp_path, text("https://models.example/v1"))


def test_merges_may_be_overridden(tmp_path: Path) -> None:
    text = """\
common: &common
  max_tokens: 100
  temperature: 0.5
model_list:
  - model_name: a
    litellm_params:
      <<: *common
      model: replicate/meta/meta-llama-3-8b-instruct
      temperature: 0.9
"""
    params = read(tmp_path, text).models[0].params
    assert (params["max_tokens"], params["temperature"]) == (100, 0.9)


def test_the_environment_is_read_at_any_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEFORE", "[INST]")
    text = SMALL + "      roles: {user: {pre_message: os.environ/BEFORE, post_message: os.environ/BEFORE}}\n"
    assert read(tmp_path, text).models[0].params["roles"]["user"]["pre_message"] == "[INST]"
    assert "roles.user.pre_message: the environment variable 'NONE' is not set" in refused(
        tmp_path, text.replace("pre_message: os.environ/BEFORE", "pre_message: os.environ/NONE")
    )


def test_environment_variables_of_the_file(tmp_path: Path) -> None:
    text = (
        SMALL
        + "      api_key: os.environ/OF_THE_FILE\n"
        + "environment_variables: {OF_THE_FILE: r8_files, OTHER: os.environ/OPENAI_API_KEY, NOT: os.environ/SET_NOWHERE}\n"
    )
    config = read(tmp_path, text)
    assert config.models[0].params["api_key"] == "r8_files"
    [warning] = [warning for warning in config.warnings if "environment_variables" in warning]
    assert (
        ":6: environment_variables.OTHER: is ignored: no setting that counts here says os.environ/OTHER"
        in warning
    )


def test_litellms_options_of_an_entry_do_not_reach_the_model(tmp_path: Path) -> None:
    text = (
        SMALL
        + "      tags: [free]\n      max_budget: 3\n      tpm: 1000\n      no_such_input: 1\n      top_k: 5\n"
    )
    config = read(tmp_path, text)
    assert set(config.models[0].params) == {"model", "api_base", "api_key", "top_k"}
    lines = [warning.split(":")[1] for warning in config.warnings]
    assert lines == ["5", "6", "7", "8"], "each is warned of once, by its line"


def test_nor_do_they_reach_a_model_whose_inputs_nobody_knows(tmp_path: Path) -> None:
    ignored = ("order", "tag_regex", "tpd", "otpm", "silent_model", "model_alias_map", "max_budget")
    text = "model_list:\n  - model_name: own\n    litellm_params:\n      model: replicate/acme/own\n      top_k: 5\n"
    config = read(tmp_path, text + "".join(f"      {name}: 1\n" for name in ignored))
    assert set(config.models[0].params) == {"model", "api_base", "api_key", "top_k"}


def test_stream_in_an_entry_changes_nothing(tmp_path: Path) -> None:
    config = read(tmp_path, SMALL + "      stream: true\n")
    assert "stream" not in config.models[0].params and "each request sets it for itself" in config.warnings[0]


def test_other_names_of_settings(tmp_path: Path) -> None:
    text = (
        SMALL
        + "      base_url: http://127.0.0.1:1/v1\n      api_key: x\n      max_retries: 1\n      request_timeout: '30'\n"
    )
    params = read(tmp_path, text).models[0].params
    assert (params["api_base"], params["num_retries"], params["timeout"]) == (
        "http://127.0.0.1:1/v1",
        1,
        30.0,
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pattern", "model", "asked", "called"),
    [
        ("replicate/*", "replicate/*", "replicate/acme/chat", "replicate/acme/chat"),
        ("*", "*", "acme/chat", "acme/chat"),
        ("*", "replicate/*", "acme/chat", "replicate/acme/chat"),
        ("llama-*", "replicate/meta/llama-*", "llama-2-7b", "replicate/meta/llama-2-7b"),
        ("replicate/*", "replicate/*", "acme/chat", None),
        ("*", "*", "cog/http://evil.example:5000", None),
        ("replicate/*", "replicate/*", "replicate/cog/http://evil.example", None),
        ("*", "*", "http://evil.example/v1", None),
        ("*", "*", "../../files", None),
        ("replicate/*", "replicate/*", f"replicate/acme/{'x' * 100}", f"replicate/acme/{'x' * 100}"),
        ("replicate/*", "replicate/*", f"replicate/acme/{'x' * 101}", None),
        ("replicate/*", "replicate/*", "replicate/acme/chat\n", None),
    ],
)
async def test_wildcards(tmp_path: Path, pattern: str, model: str, asked: str, called: str | None) -> None:
    text = f"model_list: [{{model_name: '{pattern}', litellm_params: {{model: '{model}', max_tokens: 7}}}}]"
    backend = Backend(read(tmp_path, text), Metrics())
    target = backend.target(asked)
    assert (target.entries[0].model if target else None) == called
    if target:
        assert target.name == pattern, "figures are counted under the configuration's name"
        own = {"api_base": "https://api.replicate.com/v1", "api_key": "r8_environments", "max_tokens": 7}
        assert target.entries[0].params == {"model": called, **own}
    await backend.close()


WILDCARD = "  - {model_name: 'replicate/*', litellm_params: {model: 'replicate/*'}}\n"
SKIPPED = (
    "  - {model_name: 'openai/*', litellm_params: {model: 'openai/*', api_key: sk-x}}\n"
    "general_settings: {unsupported_providers: skip}\n"
)


@pytest.mark.parametrize(
    ("settings", "fallbacks"),
    [
        ("fallbacks: [{'replicate/*': [llama-3]}]", [{"replicate/*": ["llama-3"]}]),
        ("fallbacks: [{replicate/acme/chat: [llama-3]}]", [{"replicate/acme/chat": ["llama-3"]}]),
        ("fallbacks: [{llama-3: [replicate/acme/chat]}]", [{"llama-3": ["replicate/acme/chat"]}]),
        ("default_fallbacks: [llama-3]", [{"replicate/*": ["llama-3"]}]),
        ("fallbacks: [{llama-3: [openai/gpt-4o]}, {openai/gpt-4o: [llama-3]}]", []),
    ],
)
def test_wildcards_may_have_fallbacks_and_be_some(
    tmp_path: Path, settings: str, fallbacks: list[Any]
) -> None:
    text = SMALL + WILDCARD + SKIPPED + f"litellm_settings: {{{settings}}}\n"
    assert read(tmp_path, text).router["fallbacks"] == fallbacks


def test_a_fallback_is_one_model(tmp_path: Path) -> None:
    text = SMALL + WILDCARD + "litellm_settings: {fallbacks: [{llama-3: ['replicate/*']}]}\n"
    said = refused(tmp_path, text)
    assert ":6: litellm_settings.fallbacks[0].llama-3[0]: 'replicate/*' must be the name of one model" in said
    assert "has no model_name 'x'" in refused(tmp_path, text.replace("'replicate/*']}]", "x]}]"))


@pytest.mark.anyio
async def test_aliases_of_aliases_of_wildcards_and_of_what_is_skipped(tmp_path: Path) -> None:
    aliases = "gpt-4: replicate/acme/chat, gpt-4o: gpt-4, gpt-5: openai/gpt-5"
    text = (
        SMALL
        + WILDCARD
        + SKIPPED
        + f"router_settings: {{model_group_alias: {{{aliases}}}, fallbacks: [{{'replicate/*': [llama-3]}}]}}\n"
    )
    backend = Backend(read(tmp_path, text), Metrics())
    assert backend.names == ["llama-3", "gpt-4", "gpt-4o"]
    target = backend.target("gpt-4o")
    assert target is not None and (target.name, target.model) == ("gpt-4o", "replicate/acme/chat")
    assert fallbacks_for(backend, ANYBODY, target) == ["llama-3"]
    await backend.close()


@pytest.mark.anyio
async def test_aliases(tmp_path: Path) -> None:
    text = (
        SMALL
        + "router_settings: {model_group_alias: {gpt-4: llama-3, secret: {model: llama-3, hidden: true}}}\n"
    )
    backend = Backend(read(tmp_path, text), Metrics())
    assert backend.names == ["llama-3", "gpt-4"]
    for name in ("gpt-4", "secret"):
        target = backend.target(name)
        assert target is not None and (target.name, target.model) == (name, "llama-3")
    await backend.close()
    assert "model_list has no model_name 'nobody'" in refused(
        tmp_path, SMALL + "router_settings: {model_group_alias: {gpt-4: nobody}}\n"
    )


def test_a_key_of_the_environment_counts_as_master_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_MASTER_KEY", "sk-litellms-key")
    config = read(tmp_path, SMALL)
    assert config.general.master_key == "sk-litellms-key"
    assert config.notices == ("the master key is that of the environment variable LITELLM_MASTER_KEY",)
    monkeypatch.setenv("DATABASE_URL", "postgresql://a/b")
    notices = read(tmp_path, SMALL).notices
    assert "database_url: os.environ/DATABASE_URL" in notices[0] and notices[1:] == config.notices
    url = "general_settings: {database_url: os.environ/DATABASE_URL}\n"
    assert read(tmp_path, SMALL + url).notices == config.notices
    monkeypatch.setenv("AREPLICATE_MASTER_KEY", "sk-our-own-key")
    assert read(tmp_path, SMALL).general.master_key == "sk-our-own-key"
    assert (
        read(tmp_path, SMALL + "general_settings: {master_key: sk-of-the-file}\n").general.master_key
        == "sk-of-the-file"
    )


def test_default_fallbacks(tmp_path: Path) -> None:
    text = SMALL + "  - {model_name: b, litellm_params: {model: replicate/acme/chat}}\n"
    for settings in ("default_fallbacks: [b]", "fallbacks: [{'*': [b]}]"):
        assert read(tmp_path, text + f"litellm_settings: {{{settings}}}\n").router["fallbacks"] == [
            {"llama-3": ["b"]}
        ]

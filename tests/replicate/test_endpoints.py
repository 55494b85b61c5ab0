"""A model's name becomes the path and the version of its creations."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate import BadRequestError
from areplicate.replicate.endpoints import DeploymentEndpoint, ModelEndpoint, VersionEndpoint, parse_model

HASH = "2796ee9483c3fd7aa2e171d38f4ca12251a30609463dcfd4cd76703f22e96cdf"


@pytest.mark.parametrize(
    ("model", "path", "version"),
    [
        (
            "replicate/meta/meta-llama-3-8b-instruct",
            "/models/meta/meta-llama-3-8b-instruct/predictions",
            None,
        ),
        (f"replicate/llama-2-70b-chat:{HASH}", "/predictions", HASH),
        (f"replicate/a16z-infra/llama-2-13b-chat:{HASH}", "/predictions", HASH),
        (f"replicate/vicuna-13b:{HASH}", "/predictions", HASH),
        (f"replicate/daanelson/flan-t5-large:{HASH}", "/predictions", HASH),
        ("replicate/custom-llm-version-id", "/predictions", "custom-llm-version-id"),
        (HASH, "/predictions", HASH),
        (f"replicate/{HASH}", "/predictions", HASH),
        (
            "replicate/deployments/ishaan-jaff/ishaan-mistral",
            "/deployments/ishaan-jaff/ishaan-mistral/predictions",
            None,
        ),
        ("replicate/replicate/gpt-j-6b", "/models/replicate/gpt-j-6b/predictions", None),
    ],
)
def test_each_spelling_reaches_its_endpoint(model: str, path: str, version: str | None) -> None:
    endpoint = parse_model(model)
    assert endpoint.path == path
    assert endpoint.beside == ({"version": version} if version else {})


@pytest.mark.parametrize(
    "model",
    [
        "",
        "   ",
        "gpt-4",
        "a/b/c",
        "a/../b",
        "../../x",
        "a/b?x=1",
        "a b/c",
        "replicate/",
        "deployments/a",
        "a/b:",
    ],
)
def test_what_names_no_model_is_refused_with_advice(model: str) -> None:
    with pytest.raises(BadRequestError, match="owner/name|64 hex digits"):
        parse_model(model)


@pytest.mark.parametrize("length", [1, 40, 63, 65])
def test_a_hash_of_the_wrong_length_is_named(length: int) -> None:
    with pytest.raises(BadRequestError, match=f"has {length} characters; a version is 64 hex digits"):
        parse_model(f"meta/llama:{'a' * length}")


names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?", fullmatch=True)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(owner=names.filter(lambda name: name not in ("deployments", "replicate")), name=names, version=hashes)
def test_the_prefix_never_matters_for_whole_names(owner: str, name: str, version: str) -> None:
    assert (
        parse_model(f"replicate/{owner}/{name}")
        == parse_model(f"{owner}/{name}")
        == ModelEndpoint(owner, name)
    )
    versioned = f"{owner}/{name}:{version}"
    assert parse_model(f"replicate/{versioned}") == parse_model(versioned)
    assert parse_model(versioned) == VersionEndpoint(version, f"{owner}/{name}")
    assert parse_model(f"deployments/{owner}/{name}") == DeploymentEndpoint(owner, name)


@given(st.text(string.printable + "äß\u2028", max_size=80))
def test_no_string_gets_past_with_a_path_of_its_own(model: str) -> None:
    try:
        path = parse_model(model).path
    except BadRequestError:
        return
    assert re.fullmatch(r"(/[\w.-]+){1,4}", path, re.ASCII)
    assert ".." not in path.split("/")

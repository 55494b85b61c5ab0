"""Configuration files, as tests write and read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from areplicate.gateway.config.config import Config, read_config
from areplicate.gateway.config.yaml_file import ConfigError

SMALL = """\
model_list:
  - model_name: llama-3
    litellm_params:
      model: replicate/meta/meta-llama-3-8b-instruct
"""


def read(folder: Path, text: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(text)
    return read_config(path)


def refused(folder: Path, text: str) -> str:
    """The error that ends the start."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return str(caught.value).replace(str(folder), "")

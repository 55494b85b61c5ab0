"""The state of the stand-in, apart from HTTP: its models, its deployments, and every prediction made."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import msgspec

from .clock import Clock
from .models import LocalDeployment, LocalModel
from .predictions import LocalPrediction, Machine
from .refusals import invalid_version, not_found
from .schemas import check_input


class StoredFile(msgspec.Struct, frozen=True):
    """A file that a token's account uploaded, and the instant from which it is gone."""

    token: str
    content: bytes
    expires: float
    facts: dict[str, Any]


class Service:
    def __init__(
        self,
        models: Iterable[LocalModel],
        deployments: Iterable[LocalDeployment],
        *,
        stream_timeout: float = 30.0,
    ) -> None:
        self.clock = Clock()
        self.versions = {model.version: model for model in models}
        self.models = {model.full_name: model for model in self.versions.values()}
        self.deployments = {deployment.full_name: deployment for deployment in deployments}
        self.predictions: dict[str, LocalPrediction] = {}
        self.in_order: list[LocalPrediction] = []
        self.files: dict[str, StoredFile] = {}
        self.stream_timeout = stream_timeout
        self._machines: dict[str, Machine] = {}
        for deployment in self.deployments.values():
            if deployment.model not in self.models:
                raise ValueError(f"deployment {deployment.full_name}: no model {deployment.model}")

    def model(self, full_name: str) -> LocalModel:
        """The newest version of that model; raises the 404."""
        if (model := self.models.get(full_name)) is None:
            raise not_found()
        return model

    def deployment(self, full_name: str) -> LocalDeployment:
        """That deployment; raises the 404."""
        if (deployment := self.deployments.get(full_name)) is None:
            raise not_found()
        return deployment

    def version(self, spelled: str) -> LocalModel:
        """`POST /predictions` takes 64 hex digits, `owner/name:64hex`, or an official model's name."""
        name, _, digits = spelled.rpartition(":")
        model = self.versions.get(digits)
        if model is not None and name in ("", model.full_name):
            return model
        named = self.models.get(spelled)
        if named is None or not named.official:
            raise invalid_version()
        return named

    def create(
        self,
        model: LocalModel,
        input: dict[str, Any],
        token: str,
        *,
        deployment: str | None = None,
        cancel_after: float | None = None,
    ) -> LocalPrediction:
        """A new prediction; raises the 422 if the model does not take that input."""
        check_input(model, input)
        place = model.version if deployment is None else f"deployments/{deployment}"
        machine = self._machines.get(place)
        if machine is None:
            machine = self._machines[place] = Machine(model)
        prediction = machine.begin(self.clock, self.new_id(), token, input, deployment, cancel_after)
        self.predictions[prediction.id] = prediction
        self.in_order.append(prediction)
        return prediction

    def prediction(self, id: str, token: str) -> LocalPrediction:
        """That prediction, if it belongs to the token's account; raises the 404."""
        prediction = self.predictions.get(id)
        if prediction is None or prediction.token != token:
            raise not_found()
        return prediction

    def running(self) -> list[LocalPrediction]:
        """The predictions that have not ended."""
        now = self.clock.now()
        return [prediction for prediction in list(self.in_order) if not prediction.state_at(now).terminal]

    def new_id(self) -> str:
        """26 letters and digits, as Replicate's ids are; a server that is restarted uses none again."""
        return secrets.token_hex(13)

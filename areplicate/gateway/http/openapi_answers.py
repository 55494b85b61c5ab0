"""The schemas of the gateway's answers, for its OpenAPI document."""

from __future__ import annotations

from typing import Any

ERRORS = {
    400: "The request is wrong; the message says where",
    401: "No key, or one that is not known or has expired",
    402: "The gateway's account at Replicate has no credit",
    403: "The key may not do this",
    404: "There is no such thing, or not for this key",
    408: "The body or the model's answer did not come in time",
    413: "The body is too large",
    429: "A limit of the key or of Replicate; Retry-After says when it passes",
    500: "The model failed, or the gateway did",
    502: "Replicate failed, could not be reached, or refused the gateway's key",
    503: "The gateway's database or Replicate is not available",
}

Schema = dict[str, Any]


def _object(**properties: Schema) -> Schema:
    """An object that has all of these, and perhaps more."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_FLAG: Schema = {"type": "boolean"}
_USAGE = _object(prompt_tokens=_WHOLE, completion_tokens=_WHOLE, total_tokens=_WHOLE)
_KEY: dict[str, Schema] = {
    "key_id": _TEXT,
    "key_name": _TEXT,
    "key_alias": _or_null("string"),
    "models": _list(_TEXT),
    "created_at": _WHOLE,
    "expires_at": _or_null("integer"),
    "rpm_limit": _or_null("integer"),
    "max_parallel_requests": _or_null("integer"),
    "max_budget": _or_null("number"),
    "spend": _NUMBER,
    "blocked": _FLAG,
    "metadata": {"type": "object"},
}
_SUMS: dict[str, Schema] = {
    "requests": _WHOLE,
    "prompt_tokens": _WHOLE,
    "completion_tokens": _WHOLE,
    "run_s": _NUMBER,
    "cost": _NUMBER,
}

ANSWERS: dict[str, Schema] = {
    "Error": _object(
        error=_object(message=_TEXT, type=_TEXT, param=_or_null("string"), code=_or_null("string"))
    ),
    "ChatCompletion": _object(
        id=_TEXT,
        object={"const": "chat.completion"},
        created=_WHOLE,
        model=_TEXT,
        choices=_list(_object(index=_WHOLE, message={"type": "object"}, finish_reason=_TEXT)),
        usage=_USAGE,
    ),
    "Completion": _object(
        id=_TEXT,
        object={"const": "text_completion"},
        created=_WHOLE,
        model=_TEXT,
        choices=_list(_object(index=_WHOLE, text=_TEXT, finish_reason=_TEXT)),
        usage=_USAGE,
    ),
    "Response": _object(
        id=_TEXT,
        object={"const": "response"},
        created_at=_NUMBER,
        status=_TEXT,
        model=_TEXT,
        output=_list({"type": "object"}),
    ),
    "Model": _object(id=_TEXT, object={"const": "model"}, created=_WHOLE, owned_by=_TEXT),
    "ModelList": _object(object={"const": "list"}, data=_list(_ref("Model"))),
    "Key": _object(**_KEY),
    "NewKeyAnswer": _object(key=_TEXT, **_KEY),
    "KeyList": _object(keys=_list(_ref("Key")), total=_WHOLE, page=_WHOLE, size=_WHOLE),
    "DeletedKeys": _object(deleted_keys=_list(_TEXT)),
    "SpendByKey": _object(data=_list(_object(key_id=_or_null("string"), **_SUMS))),
    "SpendByModel": _object(data=_list(_object(model=_or_null("string"), **_SUMS))),
    "SpendLogs": _object(
        data=_list(
            _object(
                request_id=_TEXT,
                at=_NUMBER,
                key_id=_or_null("string"),
                endpoint=_TEXT,
                model=_or_null("string"),
                upstream_model=_or_null("string"),
                prediction_id=_or_null("string"),
                streamed=_FLAG,
                status=_WHOLE,
                seconds=_NUMBER,
                prompt_tokens=_WHOLE,
                completion_tokens=_WHOLE,
                queue_s=_NUMBER,
                boot_s=_NUMBER,
                run_s=_NUMBER,
                cost=_NUMBER,
            )
        )
    ),
    "Health": _object(
        healthy_endpoints=_list({"type": "object"}),
        unhealthy_endpoints=_list({"type": "object"}),
        healthy_count=_WHOLE,
        unhealthy_count=_WHOLE,
    ),
    "Status": _object(status=_TEXT),
}

"""Replicate's API as values: which hosts see the key, headers, uploads, and what is broken."""

from __future__ import annotations

import email
import json
from email.message import Message
from typing import Any

import pytest

from areplicate.errors import APIConnectionError
from areplicate.replicate.credentials import Credentials
from areplicate.replicate.protocol import decoding
from areplicate.replicate.protocol.decoding import decoded, has_too_many_parts, lenient
from areplicate.replicate.protocol.events import LONGEST_LINE, Event, EventParser
from areplicate.replicate.protocol.files import file_upload
from areplicate.replicate.protocol.models import MOST_PUBLISHED, decode_model, decode_version
from areplicate.replicate.protocol.platform_failures import LARGEST_INPUT, worth_asking_again
from areplicate.replicate.protocol.predictions import (
    Prediction,
    PredictionMetrics,
    URLs,
    decode_page,
    decode_prediction,
    decoder_of,
)
from areplicate.replicate.protocol.requests import merged, origin, prefer_wait

BASE = "https://api.replicate.com/v1"


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://api.replicate.com:443/x", True),
        ("HTTPS://API.Replicate.com/x", True),
        ("https://api.replicate.com:444/x", False),
        ("http://api.replicate.com/x", False),
        ("https://api.replicate.com.evil.example/x", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, same: bool) -> None:
    assert (origin(url) == origin(BASE)) is same


def test_ports_are_those_of_the_scheme_unless_told() -> None:
    assert origin("http://a/") == ("http", "a", 80)
    assert origin("https://a/") == ("https", "a", 443)
    assert origin("http://a:8080/") == ("http", "a", 8080)
    assert origin("ftp:///") == ("ftp", "", None)


def may_see_token(url: str, base: str, trusted_hosts: tuple[str, ...] = ()) -> bool:
    try:
        return "Authorization" in Credentials(base, "r8_key", {}, trusted_hosts).headers_for(url)
    except APIConnectionError:
        return False


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://stream.replicate.com/x", True),
        ("https://replicate.com/x", True),
        ("https://replicate.net/x", True),
        ("https://streaming-api.svc.rno2.c.replicate.net/x", True),
        ("http://stream.replicate.com/x", False),
        ("https://evilreplicate.com/x", False),
        ("https://replicate.com.evil.example/x", False),
        ("https://replicate.delivery/x", False),
        ("https://api.replicate.com@evil.example/x", False),
        ("https://evil.example/https://api.replicate.com", False),
        ("https://named.example/x", True),
        ("http://named.example/x", True),
        ("https://sub.named.example/x", False),
        ("https://api.replicate.com:port/x", False),
        ("https://[broken/x", False),
        ("", False),
    ],
)
def test_the_token_goes_to_replicate_and_to_hosts_that_were_named(url: str, may: bool) -> None:
    assert may_see_token(url, BASE, ("named.example",)) is may


def test_the_token_goes_to_the_base_that_was_configured_also_without_tls() -> None:
    assert may_see_token("http://127.0.0.1:4100/v1/x", "http://127.0.0.1:4100/v1")
    assert not may_see_token("http://127.0.0.1:4101/v1/x", "http://127.0.0.1:4100/v1")
    assert not may_see_token("https://anything.example/x", "http://127.0.0.1:4100/v1")


def test_a_creation_is_held_for_1_to_60_seconds() -> None:
    asked = (-5.0, 0.2, 1.0, 59.9, 60.0, 1e9)
    assert [prefer_wait(seconds) for seconds in asked] == [
        "wait=1",
        "wait=1",
        "wait=1",
        "wait=59",
        "wait=60",
        "wait=60",
    ]


def parsed(headers: dict[str, str], body: bytes) -> Message:
    assert headers.keys() == {"Content-Type"}
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    [part] = [part for part in email.message_from_bytes(head + body).walk() if not part.is_multipart()]
    return part


def test_a_file_is_uploaded_as_the_only_part_of_a_form() -> None:
    content = b"\x00\r\n--not the boundary--\r\n\xff" * 10
    headers, body = file_upload(content, "a b.png", "image/png")
    part = parsed(headers, body)
    assert part.get_payload(decode=True) == content
    assert part.get_content_type() == "image/png"
    assert part.get_filename() == "a b.png"
    assert part.get_param("name", header="content-disposition") == "content"
    assert part.get_content_disposition() == "form-data"
    assert body.endswith(b"--\r\n")


def test_a_file_name_adds_no_header_and_closes_no_quote() -> None:
    headers, body = file_upload(b"x", 'a"; b="\r\nX-Evil: 1\r\n\r\n.png', "image/png")
    assert body.count(b"\r\n\r\n") == 1
    assert b"\r\nX-Evil" not in body
    assert b'filename="a%22; b=%22X-Evil: 1.png"' in body
    assert parsed(headers, body).get_payload(decode=True) == b"x"


def test_every_upload_has_a_boundary_of_its_own_of_32_digits() -> None:
    boundaries = {
        file_upload(b"", "a", "b/c")[0]["Content-Type"].partition("boundary=")[2] for _ in range(20)
    }
    assert len(boundaries) == 20 and {len(boundary) for boundary in boundaries} == {32}


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "truncated"), (b"{", "truncated"), (b"\xff", "malformed"), (b"[]", "Expected `object`")],
)
def test_what_is_broken_is_a_value_error_in_words(body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        decoded(decode_prediction, body)
    assert caught.value.__suppress_context__ and type(caught.value) is ValueError


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"a \ude00b\n", "a \ufffdb\n"),
        (rb"\ud83d\ude00 \ud83d\ud83d\uDE00", "\U0001f600 \ufffd\U0001f600"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (b"a\xff \xf0\x9f\x98", "a\ufffd \ufffd"),
    ],
)
def test_half_of_a_character_spoils_no_answer(written: bytes, read: str) -> None:
    body = b'{"id": "p1", "status": "succeeded", "output": "' + written + b'"}'
    assert decoded(decode_prediction, body).output == read
    page = decoded(decode_page, b'{"results": [' + body + b"]}")
    assert [row.output for row in page.results] == [read]


def test_a_byte_order_mark_of_a_proxy_is_no_part_of_an_answer() -> None:
    body = b'\xef\xbb\xbf{"id": "p1", "status": "succeeded"}'
    assert decoded(decode_prediction, body).id == "p1"


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"output": ["a"], "metrics": "many", "model": 3}, (["a"], None, None, None)),
        (
            {"metrics": {"predict_time": 1.5}, "created_at": 5},
            (None, PredictionMetrics(predict_time=1.5), None, None),
        ),
        (
            {"metrics": {"predict_time": -1, "total_time": 2, "output_token_count": "3"}},
            (None, PredictionMetrics(total_time=2), None, None),
        ),
        ({"urls": {"get": 7, "stream": "https://s"}}, (None, None, None, URLs(stream="https://s"))),
        ({"urls": [], "model": "a/b", "new": {"b": []}}, (None, None, "a/b", None)),
    ],
)
def test_a_field_of_another_type_hides_none_of_the_others(
    fields: dict[str, Any], read: tuple[Any, ...]
) -> None:
    body = json.dumps({"id": "p1", "status": "succeeded", **fields}).encode()
    prediction = lenient(Prediction)(body)
    assert (prediction.output, prediction.metrics, prediction.model, prediction.urls) == read
    assert (prediction.id, prediction.status, prediction.created_at) == ("p1", "succeeded", None)


@pytest.mark.parametrize(
    "body", ['{"id": "../account"}', '{"id": "a"}', '{"id": 7, "status": "failed"}', "[]"]
)
def test_what_has_no_id_and_status_is_no_prediction(body: str) -> None:
    with pytest.raises(ValueError, match="Expected|missing required field"):
        decoded(lenient(Prediction), body.encode())


def test_a_row_that_is_no_prediction_hides_no_other() -> None:
    rows = [
        {"id": "p1", "status": "succeeded", "input": {"a": 1}},
        {"id": "../account", "status": "succeeded"},
        None,
        {"id": "p2", "status": "processing", "error": ["?"], "deadline": 60, "input": []},
    ]
    page = decode_page(json.dumps({"results": rows, "next": "https://a/?cursor=b"}).encode())
    assert [(row.id, bytes(row.input), row.deadline) for row in page.results] == [
        ("p1", b'{"a": 1}', None),
        ("p2", b"[]", None),
    ]
    assert page.next == "https://a/?cursor=b"
    assert decode_page(b'{"results": [], "next": 7}').next is None


def test_no_header_is_sent_twice_however_it_is_spelled() -> None:
    both = merged({"Authorization": "a", "X-Mine": "b"}, {"AUTHORIZATION": "c", "last-event-id": "d"})
    assert sorted(both.items()) == [("AUTHORIZATION", "c"), ("X-Mine", "b"), ("last-event-id", "d")]


@pytest.mark.parametrize(
    ("status", "error", "size", "worth"),
    [
        ("failed", "Prediction interrupted; please retry (code: PA)", 1, True),
        ("failed", {"detail": "E9828"}, 1, True),
        ("failed", "E98281", 1, False),
        ("failed", None, 1, False),
        ("canceled", "E9828", 1, False),
        ("failed", "E9828", LARGEST_INPUT, True),
        ("failed", "E9828", LARGEST_INPUT + 1, False),
    ],
)
def test_what_the_platform_has_failed_at_is_worth_asking_again(
    status: str, error: Any, size: int, worth: bool
) -> None:
    failed = Prediction("p1", status, error=error)
    assert worth_asking_again(failed, {"a": "x" * (size - len('{"a":""}'))}) is worth


@pytest.mark.parametrize(
    ("url", "reads"),
    [
        ("https://stream.replicate.com/x", True),
        ("http://127.0.0.1:4100/x", True),
        ("ftp://stream.replicate.com/x", False),
        ("/v1/stream/x", False),
        ("https:///x", False),
        ("https://[broken/x", False),
    ],
)
def test_a_stream_is_where_http_reaches_it(url: str, reads: bool) -> None:
    assert Prediction("p1", "starting", urls=URLs(url)).stream_url == (url if reads else None)
    assert Prediction("p1", "starting").stream_url is None


def test_an_answer_about_another_prediction_is_not_believed() -> None:
    body = b'{"id": "p1", "status": "succeeded"}'
    assert decoder_of("p1")(body).id == "p1"
    with pytest.raises(ValueError, match="^it is about prediction p1$"):
        decoder_of("p2")(body)


@pytest.mark.parametrize(
    ("body", "too_many"),
    [
        (b"[[],[],[],[]]", False),
        (b"[[],[],[],[],[]]", True),
        (b'["a","b",",,"]', False),
        (b'["a","b","c","d"]', True),
        (b'["a,b,c,d,e,f,g"]', False),
        (rb'["\\", ",,,,,\",,,,"]', False),
        (rb'["\\",1,2,3,4]', True),
    ],
)
def test_the_parts_of_an_answer_are_counted_and_commas_in_texts_are_none(
    body: bytes, too_many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MOST_PARTS", 3)
    assert has_too_many_parts(body) is too_many


def test_an_error_without_words_is_told_by_its_name() -> None:
    def decode(body: bytes) -> None:
        raise RecursionError

    with pytest.raises(ValueError, match="^RecursionError$"):
        decoded(decode, b"")


@pytest.mark.parametrize(
    "schema",
    ["null", "{}", '{"components": null}', '{"components": {}}', '{"components": {"schemas": null}}'],
)
def test_a_version_may_publish_no_schemas(schema: str) -> None:
    assert decode_version(f'{{"id": "a", "openapi_schema": {schema}}}'.encode()).schemas() == {}


@pytest.mark.parametrize("schemas", ["[]", '"Input"', '{"a": "' + "x" * MOST_PUBLISHED + '"}'])
def test_what_is_no_schemas_is_refused(schemas: str) -> None:
    version = decode_version(
        f'{{"id": "a", "openapi_schema": {{"components": {{"schemas": {schemas}}}}}}}'.encode()
    )
    with pytest.raises(ValueError, match="^Expected `object.*|more than 1 MB of them$"):
        version.schemas()


@pytest.mark.parametrize(
    ("example", "inputs"),
    [
        ("null", {}),
        ("{}", {}),
        ('{"input": ["a"]}', {}),
        ('{"input": {"prompt": "Hi"}}', {"prompt": "Hi"}),
        ('{"input": {"prompt": "' + "x" * MOST_PUBLISHED + '"}}', {}),
    ],
)
def test_a_models_example_is_read_where_it_has_one(example: str, inputs: dict[str, Any]) -> None:
    assert decode_model(f'{{"default_example": {example}}}'.encode()).example() == inputs


def test_an_id_holds_until_the_next() -> None:
    parser = EventParser()
    assert parser.feed(b"id: 5:3\ndata: a\n\n") == [Event("message", "a", "5:3")]
    assert parser.feed(b"") == []
    assert parser.feed(b"data: b\n\n") == [Event("message", "b", "5:3")]
    assert parser.feed(b"id: 5:4\n\ndata: c\n\n") == [Event("message", "c", "5:4")]


def test_lines_and_events_are_bounded_each() -> None:
    longest = b"data:" + b"x" * (LONGEST_LINE - 5)
    assert len(EventParser().feed(longest + b"\n\n")) == 1
    parser = EventParser()
    assert parser.feed(longest) == []
    with pytest.raises(ValueError, match="^a line of more than 16 MiB$"):
        EventParser().feed(longest + b"x")
    half = b"data:" + b"x" * (LONGEST_LINE // 2) + b"\n"
    parser = EventParser()
    assert parser.feed(half + half) == []
    with pytest.raises(ValueError, match="^an event of more than 16 MiB$"):
        parser.feed(b"data: x\n")
    parser = EventParser()
    for _ in range(3):  # each event is counted by itself
        assert len(parser.feed(half + b"\n")) == 1


def test_bytes_that_are_no_text_are_replaced_and_end_no_stream() -> None:
    assert EventParser().feed(b"data: a\xffb\n\n") == [Event("message", "a\ufffdb")]


def test_a_type_that_was_named_holds_for_one_event() -> None:
    assert EventParser().feed(b"event: output\ndata: a\n\ndata: b\n\n") == [
        Event("output", "a"),
        Event("message", "b"),
    ]

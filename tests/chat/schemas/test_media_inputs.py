"""Where images, sounds, films and files go among a model's inputs."""

from __future__ import annotations

from typing import Any

import pytest

from areplicate.chat.plan import context_tokens
from areplicate.chat.schemas.media_inputs import MediaFields, media_fields, place_media
from areplicate.chat.schemas.schema import Field

URI, TEXT, TEXTS = Field("string", media=True), Field("string"), Field("array", "string")


@pytest.mark.parametrize(
    ("media", "count", "places"),
    [
        (MediaFields({"image": ("image",)}), 1, [("image", None)]),
        (MediaFields({"image": ("image",)}), 2, None),
        (MediaFields({"image": ("a1", "a2", "a3")}), 2, [("a1", None), ("a2", None)]),
        (MediaFields({}, {"image": "images"}), 2, [("images", 0), ("images", 1)]),
        (MediaFields({"image": ("image",)}, {"image": "images"}), 1, [("image", None)]),
        (MediaFields({"image": ("image",)}, {"image": "images"}), 2, [("images", 0), ("images", 1)]),
        (MediaFields({"image": ("a1", "a2")}, {"image": "images"}), 2, [("images", 0), ("images", 1)]),
        (MediaFields({"audio": ("audio",)}), 1, None),
        (MediaFields(), 1, None),
    ],
)
def test_each_goes_into_an_input_or_all_into_a_list(media: MediaFields, count: int, places: Any) -> None:
    assert place_media(media, "image", count) == places


def test_an_input_takes_media_or_does_not() -> None:
    media = MediaFields({"image": ("image1", "image2")}, {"audio": "sounds"})
    assert [media.has(name) for name in ("image1", "image2", "sounds", "image", "audio")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert media.any and MediaFields({}, {"audio": "sounds"}).any and not MediaFields().any


@pytest.mark.parametrize(
    ("fields", "single", "lists"),
    [
        ({"images": TEXTS, "image": URI}, {"image": ("image",)}, {"image": "images"}),
        ({"images": TEXTS, "pictures": TEXTS, "img_urls": TEXTS}, {}, {"image": "images"}),
        ({"image": URI, "img": URI}, {"image": ("image",)}, {}),
        ({"image": URI, "style_photo": URI}, {"image": ("image",)}, {}),
        ({"images": Field("array", "any")}, {}, {"image": "images"}),
        ({"images": Field("array", "integer")}, {}, {}),
        ({"image": Field("integer")}, {}, {}),
        ({"speech": URI, "film_url": TEXT}, {"audio": ("speech",), "video": ("film_url",)}, {}),
        ({"pdf": URI, "document_urls": TEXTS}, {"file": ("pdf",)}, {"file": "document_urls"}),
        ({"media": TEXT}, {}, {}),
        (
            {"inputs": Field("array", "string", True)},
            {},
            dict.fromkeys(("image", "audio", "video", "file"), "inputs"),
        ),
        (
            {"image": URI, "input_file": URI},
            {
                "image": ("image",),
                "audio": ("input_file",),
                "video": ("input_file",),
                "file": ("input_file",),
            },
            {},
        ),
        ({"my_photo": TEXT}, {}, {}),
    ],
)
def test_inputs_are_known_by_their_names_and_types(fields: dict[str, Field], single: Any, lists: Any) -> None:
    found = media_fields(fields)
    assert (found.single, found.lists) == (single, lists)


@pytest.mark.parametrize(
    ("fields", "names", "tokens"),
    [
        *(
            ({name: Field("integer", default=2048)}, ("a/b-4k",), 2048)
            for name in (
                *("n_ctx", "num_ctx", "ctx_size", "context_length", "context_size", "context_window"),
                *("max_context_length", "max_model_len", "max_seq_len", "max_sequence_length"),
            )
        ),
        ({"n_ctx": Field("integer", maximum=4096)}, (), 4096),
        ({"n_ctx": Field("integer", default=1024, maximum=4096)}, (), 1024),
        ({"n_ctx": Field("integer", default=0, maximum=4096)}, (), 4096),
        ({"n_ctx": Field("integer")}, ("a/b-8k",), 8192),
        ({"n_ctx": Field("integer", default=-1)}, (), None),
        ({"n_ctx": Field("integer", default="auto")}, (), None),
        ({"max_tokens": Field("integer", default=512)}, (), None),
        ({}, ("a/b", "a/b-32K-chat"), 32768),
        ({}, ("a/b-16kcontext",), 16384),
        ({}, ("a/b-1.58k", "a/b-4kg", "a/b:8k", "a/b-20000k"), None),
        ({}, (), None),
    ],
)
def test_how_much_a_model_reads_at_once(
    fields: dict[str, Field], names: tuple[str, ...], tokens: int | None
) -> None:
    assert context_tokens(fields, names) == tokens

"""Images and other media: from content parts to a model's inputs, read and uploaded on the way."""

from __future__ import annotations

import base64
import io
import mimetypes
import re
from pathlib import Path
from typing import Any

import pytest

from areplicate.calls.attachments import attach
from areplicate.chat.inputs import ModelInput, build_input
from areplicate.chat.media import INLINE_LIMIT, decode_data_uri
from areplicate.chat.schemas import catalogue
from areplicate.chat.schemas.schema import ModelSchema, from_openapi
from areplicate.errors import BadRequestError

STRING = {"type": "string"}
URI = {"type": "string", "format": "uri"}
URIS = {"type": "array", "items": URI}
PNG = b"\x89PNG\r\n\x1a\n"
SMALL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
URL = "https://example.com/a.png"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def schema(**properties: Any) -> ModelSchema:
    return from_openapi({"Input": {"properties": {"prompt": STRING, **properties}}})


def ask(known: ModelSchema | None, *sources: Any, kind: str = "image", files: bool = False) -> ModelInput:
    parts: list[dict[str, Any]] = [{"type": "text", "text": "Look"}]
    parts += [{"type": f"{kind}_url", f"{kind}_url": {"url": source}} for source in sources]
    messages = [{"role": "user", "content": parts}]
    return build_input(messages, {}, model="x/y", schema=known, allow_files=files)


class Uploads:
    def __init__(self) -> None:
        self.files: list[tuple[bytes, str, str]] = []

    async def __call__(self, content: bytes, filename: str, mime: str) -> str:
        self.files.append((content, filename, mime))
        return f"https://api.replicate.com/v1/files/{len(self.files)}"


class TestPlaces:
    @pytest.mark.parametrize("name", ["image", "image_url", "input_image", "image_file", "media"])
    def test_one_image(self, name: str) -> None:
        assert ask(schema(**{name: URI}), URL).fields == {"prompt": "Look", name: URL}

    @pytest.mark.parametrize("url", ["http://e.com/a.png", "HTTPS://e.com/a.png"])
    def test_any_web_address(self, url: str) -> None:
        assert ask(schema(image=URI), url).fields == {"prompt": "Look", "image": url}

    @pytest.mark.parametrize("name", ["images", "image_input", "image_urls"])
    def test_several_images(self, name: str) -> None:
        assert ask(schema(**{name: URIS}), URL, SMALL).fields == {"prompt": "Look", name: [URL, SMALL]}

    def test_numbered_inputs_are_filled_in_order(self) -> None:
        fields = ask(schema(image1=URI, image2=URI), URL, SMALL).fields
        assert fields == {"prompt": "Look", "image1": URL, "image2": SMALL}

    def test_a_list_takes_several_where_a_single_input_takes_one(self) -> None:
        both = schema(image=URI, images=URIS)
        assert ask(both, URL).fields == {"prompt": "Look", "image": URL}
        assert ask(both, URL, SMALL).fields == {"prompt": "Look", "images": [URL, SMALL]}

    def test_sound_and_film(self) -> None:
        known = schema(audio=URI, videos=URIS)
        parts = [
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        ]
        fields = build_input([{"role": "user", "content": parts}], {}, model="x/y", schema=known).fields
        assert fields == {
            "prompt": "",
            "audio": "data:audio/wav;base64,UklGRg==",
            "videos": ["https://example.com/a.mp4"],
        }

    def test_images_of_all_messages_in_order(self) -> None:
        def turn(url: str) -> dict[str, Any]:
            return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}

        messages = [
            turn("https://e.com/1"),
            {"role": "assistant", "content": "Nice."},
            turn("https://e.com/2"),
        ]
        known = catalogue.find("google/gemini-2.5-flash")
        fields = build_input(messages, {}, model="google/gemini-2.5-flash", schema=known).fields
        assert fields["images"] == ["https://e.com/1", "https://e.com/2"]

    def test_without_a_schema_one_image_goes_where_most_models_take_it(self) -> None:
        assert ask(None, URL).fields == {"prompt": "Look", "image": URL}
        with pytest.raises(BadRequestError):
            ask(None, URL, URL)

    @pytest.mark.parametrize(
        ("known", "sources", "kind", "complaint"),
        [
            (schema(), [URL], "image", "^x/y has no input for images: leave them out, or choose a model"),
            (schema(image=URI), [URL], "video", "^x/y has no input for video"),
            (
                schema(image=URI),
                [URL, URL],
                "image",
                r"The messages have 2 images, and x/y takes 1 \(image\)",
            ),
            (schema(image1=URI, image2=URI), [URL] * 3, "image", r"and x/y takes 2 \(image1, image2\)\.$"),
            (
                None,
                [URL, URL],
                "image",
                r"^The inputs of x/y are not known, so only one image can be sent\.$",
            ),
        ],
    )
    def test_what_the_model_does_not_take_is_refused(
        self, known: ModelSchema | None, sources: list[str], kind: str, complaint: str
    ) -> None:
        with pytest.raises(BadRequestError) as caught:
            ask(known, *sources, kind=kind)
        assert re.search(complaint, caught.value.message) and caught.value.model == "x/y"

    @pytest.mark.parametrize(
        ("known", "sent"),
        [
            (schema(image=URI), {"image": "https://e.com/3"}),
            (schema(image1=URI, image2=URI), {"image1": "https://e.com/2", "image2": "https://e.com/3"}),
            (
                schema(images={"type": "array", "items": URI}),
                {"images": [f"https://e.com/{n}" for n in (1, 2, 3)]},
            ),
        ],
    )
    def test_images_of_earlier_messages_make_way_where_misfits_are_dropped(
        self, known: ModelSchema, sent: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        def turn(*urls: str) -> dict[str, Any]:
            parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            return {"role": "user", "content": [{"type": "text", "text": "Look"}, *parts]}

        messages = [turn(f"https://e.com/{n}") for n in (1, 2, 3)]
        fields = build_input(messages, {}, model="x/y", schema=known, drop_params=True).fields
        assert {name: value for name, value in fields.items() if name != "prompt"} == sent
        left_out = 3 - (len(sent["images"]) if "images" in sent else len(sent))
        assert (f"the first {left_out} are left out" in caplog.text) == bool(left_out)
        if left_out:
            with pytest.raises(BadRequestError, match="The messages have 3 images"):
                build_input(messages, {}, model="x/y", schema=known)
            with pytest.raises(BadRequestError, match="The messages have 3 images"):
                at_once = [turn(*[f"https://e.com/{n}" for n in (1, 2, 3)])]
                build_input(at_once, {}, model="x/y", schema=known, drop_params=True)

    @pytest.mark.parametrize("source", ["ftp://e.com/a.png", "javascript:alert(1)", "data:image/png"])
    def test_what_is_no_source_is_refused(self, source: str) -> None:
        with pytest.raises(BadRequestError):
            ask(schema(image=URI), source, files=True)


class TestFiles:
    @pytest.mark.parametrize("source", ["/etc/passwd", "file:///etc/passwd", "../secret.png", "C:\\a.png"])
    def test_files_are_read_for_nobody_who_does_not_own_the_machine(self, source: str) -> None:
        with pytest.raises(BadRequestError, match="files are not read here"):
            ask(schema(image=URI), source)
        with pytest.raises(BadRequestError):
            messages = [{"role": "user", "content": "Look"}]
            build_input(messages, {"image": Path(source)}, model="x/y", schema=schema(image=URI))

    @pytest.mark.anyio
    async def test_a_small_file_goes_inside_the_input(self, tmp_path: Path) -> None:
        path = tmp_path / "a 100%25 cat #1?.png"
        path.write_bytes(PNG)
        uploads = Uploads()
        for source in (str(path), path, path.as_uri()):
            made = ask(schema(image=URI), source, files=True)
            assert await attach(made, uploads) == {"prompt": "Look", "image": SMALL}
        assert uploads.files == []

    @pytest.mark.anyio
    async def test_a_large_file_is_uploaded(self, tmp_path: Path) -> None:
        path = tmp_path / "cat.png"
        path.write_bytes(b"x" * (INLINE_LIMIT + 1))
        uploads = Uploads()
        fields = await attach(ask(schema(images=URIS), URL, str(path), files=True), uploads)
        assert fields["images"] == [URL, "https://api.replicate.com/v1/files/1"]
        assert [(len(content), name, mime) for content, name, mime in uploads.files] == [
            (INLINE_LIMIT + 1, "cat.png", "image/png")
        ]

    @pytest.mark.anyio
    async def test_large_data_is_uploaded(self) -> None:
        data = base64.b64encode(b"y" * (INLINE_LIMIT + 100)).decode()
        uploads = Uploads()
        made = ask(schema(image=URI), f"data:image/jpeg;base64,{data}")
        assert made.media
        fields = await attach(made, uploads)
        assert fields["image"] == "https://api.replicate.com/v1/files/1"
        assert uploads.files[0][1:] == ("input.jpg", "image/jpeg")
        assert made.fields["image"] == "", "the input that was built stays as it was"
        part = {"type": "file", "file": {"file_data": data, "filename": "a.pdf"}}
        asked: Any = [{"role": "user", "content": [part]}]
        await attach(build_input(asked, {}, model="x/y", schema=schema(file=URI)), uploads)
        assert uploads.files[1][1:] == ("a.pdf", "application/octet-stream")

    @pytest.mark.anyio
    async def test_a_webp_is_an_image_on_every_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mimetypes, "_db", mimetypes.MimeTypes())  # as without the system's list
        (tmp_path / "cat.webp").write_bytes(b"x")
        known, path = schema(image=URI), str(tmp_path / "cat.webp")
        messages = [{"role": "user", "content": "Look"}]
        made = build_input(messages, {"image": path}, model="x/y", schema=known, allow_files=True)
        for each in (made, ask(known, path, files=True)):
            assert (await attach(each, Uploads()))["image"].startswith("data:image/webp;base64,")

    @pytest.mark.anyio
    async def test_a_path_can_be_given_by_the_input_s_name(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(PNG)
        made = build_input(
            [{"role": "user", "content": "Look"}],
            {"image": path},
            model="x/y",
            schema=schema(image=URI),
            allow_files=True,
        )
        assert (await attach(made, Uploads()))["image"] == SMALL

    @pytest.mark.anyio
    @pytest.mark.parametrize("name", ["missing.png", "."])
    async def test_a_file_that_cannot_be_read_is_an_error(self, tmp_path: Path, name: str) -> None:
        made = ask(schema(image=URI), str(tmp_path / name), files=True)
        with pytest.raises(BadRequestError, match="does not exist"):
            await attach(made, Uploads())

    @pytest.mark.anyio
    async def test_a_file_of_more_than_100_mb_is_an_error_before_it_is_read(self, tmp_path: Path) -> None:
        large = tmp_path / "large.png"
        with large.open("wb") as file:
            file.truncate(100 * 1024 * 1024 + 1)  # a hole, which takes no room
        made = ask(schema(image=URI), str(large), files=True)
        with pytest.raises(BadRequestError, match=r"has 104,857,601 bytes; Replicate takes 104,857,600\."):
            await attach(made, Uploads())

    @pytest.mark.anyio
    async def test_broken_base64_is_an_error_before_it_is_uploaded(self) -> None:
        made = ask(schema(image=URI), "data:image/png;base64," + "?" * (2 * INLINE_LIMIT))
        with pytest.raises(BadRequestError, match="not valid base64"):
            await attach(made, Uploads())


def test_up_to_256_kb_go_inside_the_input() -> None:
    def of(size: int) -> ModelInput:
        data = base64.b64encode(bytes(size)).decode()
        return ask(schema(images=URIS), URL, f"data:image/png;base64,{data}")

    assert not of(256 * 1024).media
    [slot] = of(256 * 1024 + 100).media
    assert (slot.field, slot.index) == ("images", 1) and slot.data_uri is not None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("data:image/png;base64", "The data URI data:image/png;base64... has no comma before its data."),
        (
            "ftp://e.com/a.png",
            "'ftp://e.com/a.png' cannot be read: give an http(s) URL, a data URI or a path.",
        ),
        (
            "a.png",
            "'a.png' is not a URL: give an http(s) URL or a data URI; files are not read here.",
        ),
    ],
)
def test_what_is_no_source_is_told(source: str, message: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(schema(image=URI), source)
    assert (caught.value.message, caught.value.model) == (message, "x/y")


def test_an_open_file_keeps_its_place_and_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    with (tmp_path / "a.png").open("rb") as file:
        made = ask(schema(images=URIS), URL, file, files=True)
    [slot] = made.media
    assert (slot.field, slot.index, slot.filename, slot.file) == ("images", 1, "a.png", file)


def test_data_uris() -> None:
    assert decode_data_uri(SMALL) == (PNG, "image/png")
    assert decode_data_uri("data:,a%20b,c") == (b"a b,c", "text/plain")
    assert decode_data_uri("data:text/html;charset=utf-8,<p>") == (b"<p>", "text/html")
    assert decode_data_uri("data:;base64,AAAA") == (b"\0\0\0", "application/octet-stream")
    assert decode_data_uri("data:text/plain;charset=utf-8;base64,YSBi") == (b"a b", "text/plain")


class TestFilesAsInputs:
    """A model's own input, given by its name, as other clients' users give it."""

    KNOWN = schema(image=URI, images=URIS, system_prompt=STRING)

    def named(self, known: ModelSchema | None = KNOWN, **inputs: Any) -> ModelInput:
        return build_input(
            [{"role": "user", "content": "Look"}], inputs, model="x/y", schema=known, allow_files=True
        )

    @pytest.fixture
    def png(self, tmp_path: Path) -> Path:
        path = tmp_path / "cat.png"
        path.write_bytes(PNG)
        return path

    @pytest.mark.parametrize("known", [KNOWN, None], ids=["schema", "no schema"])
    @pytest.mark.anyio
    async def test_in_any_form(self, known: ModelSchema | None, png: Path) -> None:
        with png.open("rb") as file:
            for given in (file, PNG, str(png), png, f"file://{png}", io.BytesIO(PNG), SMALL):
                fields = await attach(self.named(known, image=given), Uploads())
                assert fields["image"] == SMALL, given
                fields = await attach(ask(known or self.KNOWN, given, files=True), Uploads())
                assert (fields.get("image") or fields["images"][0]) == SMALL, given
        fields = await attach(self.named(images=[PNG, URL, png]), Uploads())
        assert fields["images"] == [SMALL, URL, SMALL]

    @pytest.mark.parametrize(
        ("known", "name"),
        [(schema(reference=URI), "reference"), (schema(image=STRING), "image"), (None, "input_image")],
    )
    def test_which_takes_files_by_its_type_or_its_name(
        self, known: ModelSchema | None, name: str, png: Path
    ) -> None:
        [slot] = self.named(known, **{name: str(png)}).media
        assert (slot.field, slot.path) == (name, str(png))
        assert self.named(known, note=str(png)).fields["note"] == str(png)

    def test_for_several_inputs(self, png: Path) -> None:
        seen = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": str(png)}}]}
        given = {"reference": png, "images": [png, png]}
        known = schema(image=URI, images=URIS, reference=URI)
        made = build_input([seen], given, model="x/y", schema=known, allow_files=True)
        assert [slot.field for slot in made.media] == ["image", "reference", "images", "images"]

    @pytest.mark.anyio
    async def test_large_content_is_uploaded_with_its_name_and_type(self, tmp_path: Path) -> None:
        uploads = Uploads()
        path = tmp_path / "film.mp4"
        path.write_bytes(content := b"\0\0\0\x18ftypmp42" + bytes(2 * INLINE_LIMIT))
        with path.open("rb") as file:
            await attach(self.named(image=file), uploads)
        await attach(self.named(image=content), uploads)
        assert [(name, mime) for _, name, mime in uploads.files] == [
            ("film.mp4", "video/mp4"),
            ("input.mp4", "video/mp4"),
        ]
        assert {sent for sent, _, _ in uploads.files} == {content}

    @pytest.mark.anyio
    async def test_an_open_file_may_be_asked_about_twice(self, png: Path) -> None:
        with png.open("rb") as file:
            for _ in range(2):
                assert (await attach(self.named(image=file), Uploads()))["image"] == SMALL

    @pytest.mark.parametrize(
        ("inputs", "complaint"),
        [
            ({"system_prompt": b"Be brief."}, "system_prompt must be text"),
            ({"system_prompt": io.BytesIO(b"x")}, "system_prompt must be text"),
            ({"top_k": b"3"}, "top_k must be text"),
            ({"image": io.StringIO("x")}, "gives text: open it in binary mode"),
            ({"image": "/nowhere/cat.png"}, "The file '/nowhere/cat.png' does not exist"),
        ],
    )
    @pytest.mark.anyio
    async def test_what_cannot_be_meant_is_refused_with_what_to_do(
        self, inputs: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(BadRequestError, match=complaint):
            await attach(self.named(**inputs), Uploads())

    def test_a_text_that_is_no_path_stays(self) -> None:
        for text in (URL, SMALL, "iVBORw0KGgo=", "a cat"):
            assert self.named(image=text).fields["image"] == text
            assert not self.named(image=text).media

    def test_a_gateway_reads_no_files(self) -> None:
        asked = build_input(
            [{"role": "user", "content": "Look"}], {"image": "/etc/a.png"}, model="x/y", schema=self.KNOWN
        )
        assert not asked.media and asked.fields["image"] == "/etc/a.png"

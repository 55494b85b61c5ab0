"""What lies in tests/data, the outputs' texts and the models' prompts, held to the recorded material itself.

The material has texts of others and is not part of the repository: where it does not lie beside the
checkout, this file is skipped as a whole.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from areplicate.chat.formats.decision import server_of
from areplicate.chat.formats.families import FAMILIES
from areplicate.chat.inputs import build_input
from areplicate.chat.outputs import output_text
from areplicate.chat.plan import Plan, plan_for
from areplicate.chat.schemas.schema import ModelSchema, from_openapi
from tests.recorded import DATA, recorded_material
from tests.test_facts import facts

MATERIAL = recorded_material()
SCRIPT = Path(__file__).parents[1] / "scripts" / "build_facts.py"
SYSTEM, QUESTION = "Be brief.", "Who left Troy?"
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]


def recorded_models() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (MATERIAL / "models.jsonl").read_text().splitlines()]


def schema_of(entry: dict[str, Any]) -> ModelSchema:
    enums = {name: {"type": "string", "enum": values} for name, values in entry["enums"].items()}
    return from_openapi(
        {"Input": entry["input"], "Output": entry["output"], **enums},
        model=entry["model"],
        version=entry["version"],
        example=(entry["example"] or {}).get("input"),
    )


def sent(entry: dict[str, Any], schema: ModelSchema, plan: Plan, messages: Any) -> dict[str, Any]:
    some = {"boolean": True, "integer": 1, "number": 1.0}
    others = [name for name in schema.required if name not in (plan.prompt, plan.messages)]
    needed = {name: some.get(schema.fields[name].type, "https://example.com/a.png") for name in others}
    return build_input(messages, needed, model=entry["model"], schema=schema, drop_params=True).fields


def effective(fields: dict[str, Any], plan: Plan, template: str | None) -> str:
    """What the model reads: the prompt, put through the server's template where that is left on."""
    prompt, name = str(fields[plan.prompt or ""]), plan.format.switch_off
    if name is None or template is None or fields.get(name) == "{prompt}":
        return prompt
    return template.replace("{system_prompt}", str(fields.get(plan.system or "", ""))).replace(
        "{prompt}", prompt
    )


def judged(entry: dict[str, Any]) -> bool | None:
    """Whether a model reads what is right for it; None where that cannot be known from here."""
    schema = schema_of(entry)
    plan = plan_for(schema, entry["model"])
    properties = entry["input"]["properties"]
    if plan.messages is not None:
        return True
    if plan.prompt is None:
        return None
    folded = plan.format.wraps and plan.system is None  # the system text stands in the question
    fields = sent(entry, schema, plan, MESSAGES)
    if server := server_of(entry["model"]):
        whole = FAMILIES[server.family].template.render(MESSAGES)
        return bool(fields[plan.prompt] == (f"{SYSTEM}\n\n{QUESTION}" if server.wraps else whole))
    template = properties.get(plan.format.switch_off or "", {}).get("default")
    if isinstance(template, str) and "{prompt}" in template and template.strip() != "{prompt}":
        fields = sent(entry, schema, plan, MESSAGES[1:]) if folded else fields
        return agrees(effective(fields, plan, template), template)
    shown = properties.get("prompt", {}).get("default")
    example = (entry["example"] or {}).get("input", {}).get("prompt")
    for text in (shown, example):
        if isinstance(text, str) and plan.format.by in ("its default prompt", "its example"):
            if squeezed(text).endswith(squeezed(tags_at_the_end(effective(fields, plan, None)))):
                return True
            assert not ends_with_a_tag(text), text[-80:]
            return None  # the example is cut off, or leaves the tags of its answer away
    if plan.format.family in ("plain", "closed"):
        return None if plan.format.wraps or plan.format.family == "closed" else SYSTEM in fields[plan.prompt]
    if plan.format.wraps:
        return fields[plan.prompt] in (QUESTION, f"{SYSTEM}\n\n{QUESTION}")
    return bool(fields[plan.prompt] == FAMILIES[plan.format.family].template.render(MESSAGES))


def agrees(text: str, template: str) -> bool:
    """Whether a text is what a template makes of the question, system text aside."""
    asked = template.replace("{prompt}", QUESTION).rstrip()
    before = template.partition("{prompt}")[0].rpartition("{system_prompt}")[2]
    label = before.rstrip("\n").rpartition("\n")[2] + before[len(before.rstrip("\n")) :]
    end = label + asked.partition(QUESTION)[2].join((QUESTION, "")) if QUESTION in asked else asked
    return text.rstrip().endswith(end.rstrip())


def ends_with_a_tag(text: str) -> bool:
    tag = r"(<\|?[^>\n]+>|\[/INST\]|### \w+:|ASSISTANT:|答：|<bot>:)\s*\S{0,12}$"  # noqa: RUF001 - Chinese
    return bool(re.search(tag, text.rstrip()))


def squeezed(text: str) -> str:
    return "".join(text.split())


def tags_at_the_end(text: str) -> str:
    """What stands after the question, up to the answer."""
    return text.rpartition(QUESTION)[2].strip()


def test_every_recorded_model_that_can_be_known_reads_what_is_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdicts = {entry["model"]: judged(entry) for entry in recorded_models()}
    known = {model: right for model, right in verdicts.items() if right is not None}
    wrong = [model for model, right in known.items() if not right]
    with capsys.disabled():
        print(
            f"\nrecorded models that read what is right: {len(known) - len(wrong)} of {len(known)} ", end=""
        )
        print(f"that can be known, of {len(verdicts)}")
    assert not wrong


def test_the_recorded_outputs_are_their_chunks_joined() -> None:
    for entry in recorded_models():
        output = (entry["example"] or {}).get("output")
        text = output_text(output)
        if isinstance(output, dict):  # one model gives a message of OpenAI's
            output = output["content"]
        assert text == ("".join(output) if isinstance(output, list) else output or "")


def test_the_script_makes_tests_data_from_it(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(MATERIAL), "--to", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=SCRIPT.parents[1])
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.json*")}
    assert made == {path.relative_to(DATA): path.read_bytes() for path in facts()}
    assert json.loads((tmp_path / "contract.json").read_bytes())["openapi"] == "3.1.0"

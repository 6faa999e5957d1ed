"""Answers held to JSON, schemas and calls of tools."""
import json
from typing import Literal

import jsonschema
from pydantic import BaseModel, Field

from harness import case, client, model, user

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "kind": {"enum": ["cat", "dog", "bird"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
        "home": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {
            "zip": {"type": "string", "pattern": "^[0-9]{5}$"}}, "required": ["zip"],
            "additionalProperties": False}]},
    },
    "required": ["name", "age", "kind", "tags", "home"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema",
          "json_schema": {"name": "pet", "strict": True, "schema": SCHEMA}}
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "of a town",
    "parameters": {"type": "object", "properties": {
        "town": {"type": "string", "maxLength": 10}, "days": {"type": "integer", "minimum": 1,
                                                               "maximum": 9}},
        "required": ["town", "days"], "additionalProperties": False}}}
CLOCK = {"type": "function", "function": {
    "name": "clock", "parameters": {"type": "object", "properties": {
        "zone": {"enum": ["UTC", "CET"]}}, "required": ["zone"],
        "additionalProperties": False}}}
PARAMETERS = {tool["function"]["name"]: tool["function"]["parameters"]
              for tool in (WEATHER, CLOCK)}


def chat(**fields):
    return client().chat.completions.create(
        model=model(), messages=user("What about it?"),
        **({"max_tokens": 400, "temperature": 1} | fields))


def check_calls(calls, names):
    assert calls, "no call"
    assert len({call.id for call in calls}) == len(calls)
    for call in calls:
        assert call.type == "function" and call.function.name in names
        jsonschema.validate(json.loads(call.function.arguments), PARAMETERS[call.function.name])


@case
def json_objects():
    whole = 0
    for seed in range(6):
        answer = chat(response_format={"type": "json_object"}, seed=seed).choices[0]
        if answer.finish_reason == "stop":
            assert isinstance(json.loads(answer.message.content), dict)
            whole += 1
        else:
            assert answer.message.content.lstrip().startswith("{")
    assert whole > 0, "none of six came to its end"


@case
def json_schemas_hold():
    for seed in range(8):
        answer = chat(response_format=FORMAT, seed=seed).choices[0]
        assert answer.finish_reason == "stop"
        jsonschema.validate(json.loads(answer.message.content), SCHEMA)


@case
def streamed_json_is_the_whole_one():
    whole = chat(response_format=FORMAT, seed=3).choices[0].message.content
    chunks = chat(response_format=FORMAT, seed=3, stream=True)
    text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    assert text == whole
    jsonschema.validate(json.loads(text), SCHEMA)


@case
def completions_take_schemas_too():
    answer = client().completions.create(model=model(), prompt="a pet:", max_tokens=400, seed=1,
                                         temperature=1, extra_body={"response_format": FORMAT})
    jsonschema.validate(json.loads(answer.choices[0].text), SCHEMA)
    guided = client().completions.create(model=model(), prompt="a pet:", max_tokens=400, seed=1,
                                         temperature=1, extra_body={"guided_json": SCHEMA})
    assert guided.choices[0].text == answer.choices[0].text


class Leaf(BaseModel):
    kind: Literal["leaf"]
    size: int = Field(ge=1, le=99)


class Tree(BaseModel):
    name: str = Field(max_length=8)
    leaves: list[Leaf] = Field(max_length=3)
    height: float | None


@case
def the_parse_helper_gives_objects():
    for seed in range(4):
        answer = client().chat.completions.parse(
            model=model(), messages=user("a tree"), response_format=Tree, max_tokens=500,
            temperature=1, seed=seed)
        tree = answer.choices[0].message.parsed
        assert isinstance(tree, Tree) and len(tree.name) <= 8 and len(tree.leaves) <= 3


@case
def required_tools_are_called():
    names = set()
    for seed in range(16):
        answer = chat(tools=[WEATHER, CLOCK], tool_choice="required", seed=seed, temperature=2,
                      parallel_tool_calls=False).choices[0]
        assert answer.finish_reason == "tool_calls"
        assert len(answer.message.tool_calls) == 1
        check_calls(answer.message.tool_calls, {"weather", "clock"})
        names.add(answer.message.tool_calls[0].function.name)
    assert names == {"weather", "clock"}


@case
def a_named_tool_is_called():
    choice = {"type": "function", "function": {"name": "clock"}}
    for seed in range(3):
        answer = chat(tools=[WEATHER, CLOCK], tool_choice=choice, seed=seed).choices[0]
        check_calls(answer.message.tool_calls, {"clock"})
        assert not answer.message.content


@case
def several_calls_may_come():
    whole = 0
    for seed in range(4):
        answer = chat(tools=[CLOCK], tool_choice="required", seed=seed, max_tokens=900,
                      extra_body={"min_tokens": 120}).choices[0]
        if answer.finish_reason == "tool_calls":
            check_calls(answer.message.tool_calls, {"clock"})
            assert len(answer.message.tool_calls) > 1
            whole += 1
    assert whole > 0, "none of four came to its end"


@case
def streamed_calls_are_the_whole_ones():
    for seed in range(3):
        fields = {"tools": [WEATHER, CLOCK], "tool_choice": "required", "seed": seed,
                  "parallel_tool_calls": False}
        whole = chat(**fields).choices[0].message.tool_calls[0].function
        names, arguments, ids, end = {}, {}, {}, None
        for chunk in chat(stream=True, **fields):
            for choice in chunk.choices:
                end = choice.finish_reason or end
                for call in choice.delta.tool_calls or []:
                    if call.id:
                        ids[call.index] = call.id
                    if call.function.name:
                        names[call.index] = call.function.name
                    arguments[call.index] = (arguments.get(call.index, "")
                                             + (call.function.arguments or ""))
        assert names == {0: whole.name} and arguments == {0: whole.arguments}
        assert ids[0] and end == "tool_calls"


@case
def the_stream_helper_gathers_calls():
    with client().chat.completions.stream(
            model=model(), messages=user("now"), tools=[CLOCK], tool_choice="required",
            parallel_tool_calls=False, max_tokens=200, temperature=1, seed=4) as stream:
        kinds = {event.type for event in stream}
        message = stream.get_final_completion().choices[0].message
    assert "tool_calls.function.arguments.done" in kinds
    check_calls(message.tool_calls, {"clock"})


@case
def tools_left_to_the_model():
    for choice in ("auto", "none"):
        answer = chat(tools=[WEATHER], tool_choice=choice, max_tokens=20).choices[0]
        assert answer.message.content and answer.message.tool_calls is None
    described = chat(tools=[WEATHER], max_tokens=1).usage.prompt_tokens
    assert described > chat(max_tokens=1).usage.prompt_tokens + 20, "the template shows the tools"


@case
def results_of_tools_go_back():
    call = chat(tools=[CLOCK], tool_choice="required", parallel_tool_calls=False,
                seed=1).choices[0].message
    messages = user("What time is it?") + [
        call, {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "noon"}]
    answer = client().chat.completions.create(model=model(), messages=messages, tools=[CLOCK],
                                              max_tokens=8)
    assert answer.choices[0].message.role == "assistant"

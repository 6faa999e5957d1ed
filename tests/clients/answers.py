"""Chats and completions: whole and streamed, how they end, how tokens are chosen."""
import asyncio
import json

import openai

from harness import case, client, http, model, user

GREEDY = {"temperature": 0}


def chat(text="Tell me a story", server="main", **fields):
    return client(server).chat.completions.create(
        model=model(server), messages=user(text), **({"max_tokens": 24} | fields))


def complete(prompt="Once upon a time", server="main", **fields):
    return client(server).completions.create(
        model=model(server), prompt=prompt, **({"max_tokens": 24} | fields))


@case
def chat_answers_whole():
    answer = chat(**GREEDY)
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    assert answer.model == model() and answer.created > 1_600_000_000
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("length", "stop") and choice.message.tool_calls is None
    usage = answer.usage
    assert usage.prompt_tokens > 0 and 1 <= usage.completion_tokens <= 24
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert answer._request_id


@case
def chat_takes_every_role_and_text_parts():
    messages = [
        {"role": "developer", "content": "Be brief"},
        {"role": "user", "content": [{"type": "text", "text": "one"},
                                     {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function",
             "function": {"name": "look", "arguments": "{\"at\": 1}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "nothing"},
        {"role": "assistant", "content": "so be it", "name": "me"},
        {"role": "user", "content": "go on", "name": "you"},
    ]
    answer = client().chat.completions.create(model=model(), messages=messages, max_tokens=4)
    assert answer.usage.completion_tokens >= 1


@case
def completion_of_a_string():
    answer = complete(**GREEDY)
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-")
    assert answer.choices[0].text and answer.choices[0].index == 0
    assert answer.choices[0].logprobs is None


@case
def completion_of_tokens_is_that_of_their_text():
    text = "Once upon a time there was"
    tokens = json.loads(http("/tokenize", {"prompt": text})[2])["tokens"]
    by_text = complete(text, **GREEDY)
    by_tokens = complete(tokens, **GREEDY)
    assert by_text.choices[0].text == by_tokens.choices[0].text
    assert by_tokens.usage.prompt_tokens == len(tokens)


@case
def completions_of_several_prompts_keep_their_order():
    prompts = ["first of all", "then", "at last"]
    alone = [complete(p, **GREEDY).choices[0].text for p in prompts]
    together = complete(prompts, **GREEDY)
    assert [c.text for c in together.choices] == alone
    assert [c.index for c in together.choices] == [0, 1, 2]
    lists = complete([[65, 66, 67], [68, 69]], n=2, **GREEDY)
    assert [c.index for c in lists.choices] == [0, 1, 2, 3]
    assert lists.choices[0].text == lists.choices[1].text
    assert lists.usage.prompt_tokens == 5


def check_stream(chunks, with_usage):
    assert len({c.id for c in chunks}) == 1
    ends = [c for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert len(ends) == 1
    usages = [c for c in chunks if c.usage is not None]
    assert len(usages) == (1 if with_usage else 0)
    if with_usage:
        assert usages[0] is chunks[-1] and usages[0].choices == []
    else:
        assert all(c.choices for c in chunks)
    return ends[0].finish_reason


@case
def streamed_chat_is_the_whole_one():
    whole = chat(max_tokens=64, **GREEDY)
    for with_usage in (False, True):
        options = {"stream_options": {"include_usage": True}} if with_usage else {}
        chunks = list(chat(max_tokens=64, stream=True, **options, **GREEDY))
        assert chunks[0].choices[0].delta.role == "assistant"
        text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
        assert text == whole.choices[0].message.content
        assert check_stream(chunks, with_usage) == whole.choices[0].finish_reason
        if with_usage:
            assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
            assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens
    assert len(chunks) > 8, "in parts, not at once"


@case
def streamed_completion_is_the_whole_one():
    whole = complete(max_tokens=64, **GREEDY)
    for with_usage in (False, True):
        options = {"stream_options": {"include_usage": True}} if with_usage else {}
        chunks = list(complete(max_tokens=64, stream=True, **options, **GREEDY))
        text = "".join(c.text for chunk in chunks for c in chunk.choices)
        assert text == whole.choices[0].text
        check_stream(chunks, with_usage)
        if with_usage:
            assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


@case
def the_stream_helper_gathers_the_answer():
    text = chat(**GREEDY).choices[0].message.content
    stop = next(c for c in text[4:] if c != "\ufffd")  # the helper takes no answer cut by length
    whole = chat(stop=stop, **GREEDY)
    with client().chat.completions.stream(model=model(), messages=user("Tell me a story"),
                                          max_tokens=24, temperature=0, stop=stop) as stream:
        kinds = {event.type for event in stream}
        gathered = stream.get_final_completion()
    assert "content.delta" in kinds and "content.done" in kinds
    assert gathered.choices[0].message.content == whole.choices[0].message.content


@case
def streams_of_several_choices():
    whole = chat(n=3, seed=11, temperature=1)
    texts, ends = {}, {}
    for chunk in chat(n=3, seed=11, temperature=1, stream=True):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                ends[choice.index] = choice.finish_reason
    assert [texts[i] for i in range(3)] == [c.message.content for c in whole.choices]
    assert sorted(ends) == [0, 1, 2]


@case
def stop_strings_end_the_answer_before_them():
    whole = complete(max_tokens=48, **GREEDY).choices[0].text
    stop = next(whole[i:i + 3] for i in range(8, len(whole) - 3)
                if "\ufffd" not in whole[i:i + 3])
    cut = whole[:whole.index(stop)]
    for stops in (stop, [stop, "\x01 never \x01"]):
        answer = complete(max_tokens=48, stop=stops, **GREEDY).choices[0]
        assert answer.text == cut and answer.finish_reason == "stop"
        assert answer.stop_reason == stop
        chunks = list(complete(max_tokens=48, stop=stops, stream=True, **GREEDY))
        assert "".join(c.text for chunk in chunks for c in chunk.choices) == cut
    kept = complete(max_tokens=48, stop=stop, extra_body={"include_stop_str_in_output": True},
                    **GREEDY).choices[0]
    assert kept.text == cut + stop


@case
def n_choices_differ_and_count_the_prompt_once():
    one, four = chat(temperature=1), chat(n=4, temperature=1)
    assert [c.index for c in four.choices] == [0, 1, 2, 3]
    assert len({c.message.content for c in four.choices}) > 1
    assert four.usage.prompt_tokens == one.usage.prompt_tokens
    assert four.usage.completion_tokens > 24


@case
def a_seed_makes_it_reproducible():
    def text(seed, **fields):
        return [c.message.content for c in chat(seed=seed, temperature=1, **fields).choices]
    assert text(5) == text(5)
    assert text(5) != text(6)
    assert text(5, n=2) == text(5) + text(6)
    assert chat(temperature=1).choices[0].message.content != \
        chat(temperature=1).choices[0].message.content


@case
def chat_logprobs():
    answer = chat(logprobs=True, top_logprobs=4, **GREEDY)
    content = answer.choices[0].logprobs.content
    assert len(content) == 24
    said = b"".join(bytes(entry.bytes) for entry in content).decode(errors="replace")
    assert said == answer.choices[0].message.content
    for entry in content:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 4
        values = [top.logprob for top in entry.top_logprobs]
        assert values == sorted(values, reverse=True) and values[0] == entry.logprob
    chunks = chat(logprobs=True, top_logprobs=4, stream=True, **GREEDY)
    streamed = [entry for chunk in chunks for c in chunk.choices
                if c.logprobs for entry in c.logprobs.content]
    assert streamed == content
    bare = chat(logprobs=True, **GREEDY).choices[0].logprobs.content
    assert [e.logprob for e in bare] == [e.logprob for e in content]
    assert all(e.top_logprobs == [] for e in bare)
    assert chat(**GREEDY).choices[0].logprobs is None


@case
def completion_logprobs():
    answer = complete(logprobs=3, **GREEDY).choices[0]
    shape = answer.logprobs
    assert len(shape.tokens) == len(shape.token_logprobs) == len(shape.text_offset) == 24
    assert all(1 <= len(top) <= 4 for top in shape.top_logprobs)
    assert shape.text_offset[0] == 0 and shape.text_offset == sorted(shape.text_offset)
    streamed = [c.logprobs for chunk in complete(logprobs=3, stream=True, **GREEDY)
                for c in chunk.choices if c.logprobs]
    assert [t for part in streamed for t in part.tokens] == shape.tokens
    assert [t for part in streamed for t in part.token_logprobs] == shape.token_logprobs
    assert [t for part in streamed for t in part.text_offset] == shape.text_offset


@case
def logit_bias_forces_and_bans():
    forced = complete([65, 66], logit_bias={"70": 100}, logprobs=0, **GREEDY).choices[0]
    assert len(set(forced.logprobs.tokens)) == 1
    free = complete(max_tokens=1, logprobs=1, **GREEDY).choices[0].text
    token = json.loads(http("/tokenize", {"prompt": free})[2])["tokens"]
    if len(token) == 1:  # else it was the part of a character
        banned = complete(max_tokens=8, logit_bias={str(token[0]): -100}, **GREEDY)
        assert free not in banned.choices[0].text


@case
def lengths_are_kept():
    assert chat(max_completion_tokens=7, max_tokens=9, **GREEDY).usage.completion_tokens <= 7
    answer = chat(max_tokens=9, extra_body={"ignore_eos": True}, temperature=1)
    assert answer.usage.completion_tokens == 9 and answer.choices[0].finish_reason == "length"
    least = chat(max_tokens=40, temperature=1.5, seed=2, extra_body={"min_tokens": 30})
    assert least.usage.completion_tokens >= 30


@case
def sampling_options_are_taken():
    greedy = chat(**GREEDY).choices[0].message.content
    for fields in ({"extra_body": {"top_k": 1}}, {"top_p": 1e-6}, {"extra_body": {"min_p": 1}}):
        assert chat(temperature=1, **fields).choices[0].message.content == greedy, fields
    chat(temperature=1, presence_penalty=1.5, frequency_penalty=-1.5, user="me",
         extra_body={"repetition_penalty": 1.2, "priority": -3})


@case
def the_asynchronous_client_runs_many_at_once():
    alone = [complete(f"number {i}", **GREEDY).choices[0].text for i in range(12)]

    async def ask():
        async with openai.AsyncOpenAI(base_url=client().base_url, api_key="x",
                                      max_retries=0) as many:
            answers = await asyncio.gather(*(
                many.completions.create(model=model(), prompt=f"number {i}", max_tokens=24,
                                        temperature=0) for i in range(12)))
            return [a.choices[0].text for a in answers]
    assert asyncio.run(ask()) == alone

// The Node suite: the official openai client against running servers, started by run.py.
// Usage: suite.mjs [PART OF A CASE'S NAME ...]
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import {zodFunction, zodResponseFormat} from 'openai/helpers/zod';
import {z} from 'zod';

import {addresses, client, fails, main, metric, model, test, waitUntil} from './harness.mjs';

const user = (content) => [{role: 'user', content}];
const chat = (fields = {}, server = 'main', options = {}) =>
  client(server).chat.completions.create(
    {model: model(server), messages: user('Tell me a story'), max_tokens: 24, ...fields},
    options);
const complete = (fields = {}) =>
  client().completions.create(
    {model: model(), prompt: 'Once upon a time', max_tokens: 24, ...fields});
const greedy = {temperature: 0};
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: {
      type: 'object',
      properties: {town: {type: 'string', maxLength: 10}, days: {type: 'integer', minimum: 1}},
      required: ['town', 'days'],
      additionalProperties: false,
    },
  },
};

async function isIdle(server = 'main') {
  const names = ['num_requests_running', 'num_requests_waiting', 'kv_cache_usage_perc'];
  const values = await Promise.all(names.map((name) => metric(`vllm:${name}`, server)));
  return values.every((value) => value === 0);
}

test('chatAnswersWhole', async () => {
  const answer = await chat(greedy);
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.choices[0].message.role, 'assistant');
  assert.ok(answer.choices[0].message.content.length > 0);
  assert.ok(answer._request_id);
  const {prompt_tokens, completion_tokens, total_tokens} = answer.usage;
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
});

test('completionsOfEveryKindOfPrompt', async () => {
  const one = await complete(greedy);
  assert.equal(one.object, 'text_completion');
  const several = await complete({prompt: ['Once upon a time', 'then'], ...greedy});
  assert.equal(several.choices.length, 2);
  assert.equal(several.choices[0].text, one.choices[0].text);
  const tokens = await complete({prompt: [[65, 66], [67]], n: 2, ...greedy});
  assert.deepEqual(tokens.choices.map((choice) => choice.index), [0, 1, 2, 3]);
});

test('streamedChatIsTheWholeOne', async () => {
  const whole = await chat({max_tokens: 64, ...greedy});
  for (const include_usage of [false, true]) {
    let text = '';
    const usages = [];
    const ends = [];
    const stream = await chat(
      {max_tokens: 64, stream: true, stream_options: {include_usage}, ...greedy});
    for await (const chunk of stream) {
      for (const choice of chunk.choices) {
        text += choice.delta.content ?? '';
        if (choice.finish_reason) ends.push(choice.finish_reason);
      }
      if (chunk.usage) usages.push(chunk.usage);
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.deepEqual(ends, [whole.choices[0].finish_reason]);
    assert.equal(usages.length, include_usage ? 1 : 0);
    if (include_usage) assert.equal(usages[0].total_tokens, whole.usage.total_tokens);
  }
});

test('streamedCompletionIsTheWholeOne', async () => {
  const whole = await complete({max_tokens: 64, ...greedy});
  let text = '';
  for await (const chunk of await complete({max_tokens: 64, stream: true, ...greedy})) {
    text += chunk.choices.map((choice) => choice.text).join('');
  }
  assert.equal(text, whole.choices[0].text);
});

test('theStreamHelperGathersTheAnswer', async () => {
  const whole = await chat(greedy);
  const stream = client().chat.completions.stream(
    {model: model(), messages: user('Tell me a story'), max_tokens: 24, ...greedy});
  let heard = '';
  stream.on('content', (delta) => { heard += delta; });
  assert.equal(await stream.finalContent(), whole.choices[0].message.content);
  assert.equal(heard, whole.choices[0].message.content);
});

test('stopStringsEndTheAnswerBeforeThem', async () => {
  const whole = (await complete(greedy)).choices[0].text;
  const stop = /[^\ufffd]{3}/.exec(whole.slice(6))[0];
  const cut = whole.slice(0, whole.indexOf(stop));
  const answer = await complete({stop: [stop, '\u0001never'], ...greedy});
  assert.equal(answer.choices[0].text, cut);
  assert.equal(answer.choices[0].finish_reason, 'stop');
});

test('choicesAndSeeds', async () => {
  const texts = async (fields) =>
    (await chat({temperature: 1, ...fields})).choices.map((choice) => choice.message.content);
  const [first] = await texts({seed: 7});
  assert.deepEqual(await texts({seed: 7}), [first]);
  assert.deepEqual(await texts({seed: 7, n: 2}), [first, (await texts({seed: 8}))[0]]);
});

test('logprobsInBothShapes', async () => {
  const {content} = (await chat({logprobs: true, top_logprobs: 3, ...greedy})).choices[0].logprobs;
  assert.equal(content.length, 24);
  for (const entry of content) {
    assert.equal(entry.top_logprobs.length, 3);
    assert.equal(entry.top_logprobs[0].logprob, entry.logprob);
  }
  const {logprobs} = (await complete({logprobs: 2, ...greedy})).choices[0];
  assert.equal(logprobs.tokens.length, 24);
  assert.equal(logprobs.token_logprobs.length, 24);
  assert.equal(logprobs.text_offset[0], 0);
});

test('logitBiasForcesAToken', async () => {
  const {logprobs} = (await complete({logit_bias: {70: 100}, logprobs: 1, ...greedy})).choices[0];
  assert.equal(new Set(logprobs.tokens).size, 1);
});

test('lengthsAreKept', async () => {
  const answer = await chat({max_completion_tokens: 5, max_tokens: 9, ignore_eos: true});
  assert.equal(answer.usage.completion_tokens, 5);
  assert.equal(answer.choices[0].finish_reason, 'length');
});

const Pet = z.object({
  name: z.string().max(8),
  age: z.number().int().min(0).max(40),
  kind: z.enum(['cat', 'dog']),
  friends: z.array(z.string().max(4)).max(2),
});

test('theParseHelperGivesObjects', async () => {
  for (let seed = 0; seed < 4; ++seed) {
    const answer = await client().chat.completions.parse({
      model: model(), messages: user('a pet'), response_format: zodResponseFormat(Pet, 'pet'),
      max_tokens: 400, temperature: 1, seed,
    });
    assert.deepEqual(Pet.parse(answer.choices[0].message.parsed),
                     answer.choices[0].message.parsed);
  }
});

test('streamedJsonParses', async () => {
  const stream = client().chat.completions.stream({
    model: model(), messages: user('a pet'), response_format: zodResponseFormat(Pet, 'pet'),
    max_tokens: 400, temperature: 1, seed: 2,
  });
  const final = await stream.finalChatCompletion();
  Pet.parse(final.choices[0].message.parsed);
  const object = await chat(
    {response_format: {type: 'json_object'}, max_tokens: 400, temperature: 1, seed: 1});
  if (object.choices[0].finish_reason === 'stop') JSON.parse(object.choices[0].message.content);
});

test('toolsAreCalled', async () => {
  for (const tool_choice of ['required', {type: 'function', function: {name: 'weather'}}]) {
    const answer = await chat({tools: [weather], tool_choice, parallel_tool_calls: false,
                               max_tokens: 300, temperature: 1, seed: 3});
    const {finish_reason, message} = answer.choices[0];
    assert.equal(message.tool_calls.length, 1);
    assert.equal(message.tool_calls[0].function.name, 'weather');
    assert.ok(JSON.parse(message.tool_calls[0].function.arguments).days >= 1);
    assert.ok(['tool_calls', 'stop'].includes(finish_reason), finish_reason);
  }
  for (const tool_choice of ['auto', 'none']) {
    const {message} = (await chat({tools: [weather], tool_choice})).choices[0];
    assert.ok(message.content && !message.tool_calls);
  }
});

test('toolsRunByTheClient', async () => {
  const seen = [];
  const Town = z.object({town: z.string().max(10)});
  const runner = client().chat.completions.runTools({
    model: model(), messages: user('How is it?'), temperature: 1, seed: 5, max_tokens: 200,
    tool_choice: {type: 'function', function: {name: 'weather'}},
    tools: [zodFunction({name: 'weather', parameters: Town,
                         function: ({town}) => { seen.push(town); return 'fine'; }})],
  });
  await runner.done();
  assert.equal(seen.length, 1);
  assert.equal(runner.messages.at(-1).role, 'tool');
});

test('streamedCallsAreTheWholeOnes', async () => {
  const fields = {tools: [weather], tool_choice: 'required', parallel_tool_calls: false,
                  max_tokens: 300, temperature: 1, seed: 9};
  const whole = (await chat(fields)).choices[0].message.tool_calls[0].function;
  const stream = client().chat.completions.stream(
    {model: model(), messages: user('Tell me a story'), ...fields});
  const final = await stream.finalChatCompletion();
  const call = final.choices[0].message.tool_calls[0].function;
  assert.equal(call.name, whole.name);
  assert.equal(call.arguments, whole.arguments);
});

test('errorsAreTheClientsOwn', async () => {
  const wrongKey = client('keyed', {apiKey: 'another'});
  await fails(OpenAI.AuthenticationError, () => wrongKey.models.list());
  await fails(OpenAI.NotFoundError, () => chat({model: 'gpt-none'}));
  await fails(OpenAI.NotFoundError, () => client().responses.create({model: 'x', input: 'y'}));
  const bad = await fails(OpenAI.BadRequestError, () => chat({temperature: 'hot'}));
  assert.equal(bad.param, 'temperature');
  assert.equal(bad.type, 'invalid_request_error');
  const long = await fails(OpenAI.BadRequestError, () => chat({max_tokens: 10_000_000}));
  assert.equal(long.code, 'context_length_exceeded');
});

test('aFullQueueIsRateLimited', async () => {
  const many = Array.from({length: 12}, () =>
    chat({max_tokens: 1000, ignore_eos: true}, 'narrow').catch((error) => error));
  const refused = (await Promise.all(many)).filter((end) => end instanceof OpenAI.RateLimitError);
  assert.ok(refused.length >= 1 && refused.length < 12, String(refused.length));
  assert.equal(refused[0].headers.get('retry-after'), '1');
  await waitUntil(() => isIdle('narrow'), 2000, 'narrow is idle');
});

test('aStreamThatIsAbortedIsCancelled', async () => {
  const stream = await chat({stream: true, max_tokens: 30_000, ignore_eos: true});
  let chunks = 0;
  for await (const chunk of stream) {
    assert.ok(chunk.choices);
    if (++chunks === 3) break;
  }
  await waitUntil(isIdle, 2000, 'running 0, blocks free');
  const control = new AbortController();
  const whole = chat({max_tokens: 30_000, ignore_eos: true}, 'main', {signal: control.signal});
  setTimeout(() => control.abort(), 100);
  await fails(OpenAI.APIUserAbortError, () => whole);
  await waitUntil(isIdle, 2000, 'running 0, blocks free');
});

test('modelsAreListedAndFound', async () => {
  for (const server of ['main', 'drafts']) {
    const ids = [];
    for await (const {id} of client(server).models.list()) ids.push(id);
    assert.deepEqual(ids, [model(server)]);
    assert.equal((await client(server).models.retrieve(model(server))).id, model(server));
  }
});

test('idsOfRequestsComeBack', async () => {
  const {response, request_id} = await client().models.list(
    {headers: {'X-Request-Id': 'mine'}}).withResponse();
  assert.equal(response.headers.get('x-request-id'), 'mine');
  assert.equal(request_id, 'mine');
  assert.equal((await fetch(addresses.main.url + '/health')).status, 200);
});

await main();

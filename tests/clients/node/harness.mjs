// Cases of the Node suite, run in order and reported as GoogleTest reports, so that
// tools/count_tests.awk counts them.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

export const addresses = JSON.parse(process.env.WEFT_CLIENTS);
const cases = [];

export function test(name, body) {
  cases.push({name: `NodeClient.${name}`, body});
}

// A client of one server that does not try again by itself.
export function client(server = 'main', options = {}) {
  return new OpenAI({
    baseURL: addresses[server].url + '/v1',
    apiKey: 'a key of the tests',
    maxRetries: 0,
    timeout: 120_000,
    ...options,
  });
}

export function model(server = 'main') {
  return addresses[server].model;
}

// The error of that very class that the call ends in.
export async function fails(kind, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.constructor.name, kind.name, String(error));
    return error;
  }
  assert.fail(`expected ${kind.name}, nothing was thrown`);
}

export async function metric(name, server = 'main') {
  const text = await (await fetch(addresses[server].url + '/metrics')).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name + '{'));
  assert.ok(lines.length > 0, name);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

export async function waitUntil(condition, limit, what) {
  const deadline = Date.now() + limit;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `not within ${limit} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export async function main() {
  const wanted = process.argv.slice(2);
  const chosen = cases.filter(
    ({name}) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
  console.log(`[==========] Running ${chosen.length} tests from the Node suite.`);
  let failed = 0;
  for (const {name, body} of chosen) {
    console.log(`[ RUN      ] ${name}`);
    const start = Date.now();
    let end = '[       OK ]';
    try {
      await body();
    } catch (error) {
      console.log(error.stack ?? error);
      end = '[  FAILED  ]';
      ++failed;
    }
    console.log(`${end} ${name} (${Date.now() - start} ms)`);
  }
  process.exit(failed > 0 ? 1 : 0);
}

// How these programs speak with the test that runs them: one JSON object in, one out. One Node runs them all, one after another, each afresh,
// so that the libraries are read once.
import { webcrypto } from 'node:crypto';
import { createInterface } from 'node:readline';

let asked, answered, runs = 0;

export function given() {
  return asked;
}

export function answer(document) {
  answered = document;
}

export async function serve() {
  for await (const line of createInterface({ input: process.stdin })) {
    const { program, ...rest } = JSON.parse(line);
    [asked, answered, runs] = [rest.given, undefined, runs + 1];
    let failed;
    try {
      await import(`./${program}.mjs?${runs}`);
    } catch (error) {
      failed = error?.stack ?? String(error);
    }
    process.stdout.write(`${JSON.stringify({ failed, answered })}\n`);
  }
}

const ES256 = { name: 'ECDSA', namedCurve: 'P-256' };

export async function privateKey({ kid, ...jwk }) {
  return { key: await webcrypto.subtle.importKey('jwk', jwk, ES256, false, ['sign']), kid };
}


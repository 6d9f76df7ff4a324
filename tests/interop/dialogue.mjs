// How these programs speak with the test that runs them: one JSON object in, one out.
import { webcrypto } from 'node:crypto';
import { text } from 'node:stream/consumers';

export async function given() {
  return JSON.parse(await text(process.stdin));
}

export function answer(document) {
  process.stdout.write(JSON.stringify(document));
}

const ES256 = { name: 'ECDSA', namedCurve: 'P-256' };

export async function privateKey({ kid, ...jwk }) {
  return { key: await webcrypto.subtle.importKey('jwk', jwk, ES256, false, ['sign']), kid };
}


// A receiver of shared signals: finds the transmitter, makes a stream, asks for a verification and polls it, each event checked by jose.
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { answer, given } from './dialogue.mjs';

const asked = await given();
const transmitter = await (await fetch(`${asked.issuer}/.well-known/ssf-configuration`)).json();
const keys = createRemoteJWKSet(new URL(transmitter.jwks_uri));
const headers = { authorization: `Bearer ${asked.token}`, 'content-type': 'application/json' };

async function send(url, body) {
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.status === 204 ? undefined : response.json();
}

const stream = await send(transmitter.configuration_endpoint, { events_requested: asked.events });
await send(transmitter.verification_endpoint, { stream_id: stream.stream_id, state: asked.state });
const { sets } = await send(stream.delivery.endpoint_url, { returnImmediately: true });
const heard = [];
for (const set of Object.values(sets)) {
  const { payload } = await jwtVerify(set, keys, { issuer: transmitter.issuer, audience: stream.aud, typ: 'secevent+jwt' });
  heard.push({ ...payload, alg: decodeProtectedHeader(set).alg });
}
const after = await send(stream.delivery.endpoint_url, { ack: Object.keys(sets), returnImmediately: true });
answer({ stream, heard, left: Object.keys(after.sets).length });

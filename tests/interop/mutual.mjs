// A system as openid-client makes one that proves itself by the certificate of its connection, through Node's own TLS.
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import * as client from 'openid-client';
import { answer, given } from './dialogue.mjs';

const asked = await given();
const tls = { cert: readFileSync(asked.cert), key: readFileSync(asked.key), ca: readFileSync(asked.ca) };

function overTls(url, { method, headers, body }) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: Object.fromEntries(new Headers(headers)), ...tls }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      const kept = Object.entries(response.headers).map(([name, value]) => [name, String(value)]);
      resolve(new Response(Buffer.concat(chunks), { status: response.statusCode, headers: kept }));
    });
    sent.on('error', reject);
    sent.end(body ? String(body) : undefined);
  });
}

const config = new client.Configuration(asked.metadata, asked.client_id, { use_mtls_endpoint_aliases: true }, client.TlsClientAuth());
config[client.customFetch] = overTls;
const tokens = await client.clientCredentialsGrant(config, { scope: asked.scope });
const shown = await client.fetchProtectedResource(config, tokens.access_token, new URL(asked.resource), 'GET', null, undefined);
answer({ token_type: tokens.token_type, access_token: tokens.access_token, status: shown.status });

// What openid-client does with tokens: for a resource and with details, asked about (plain and signed), given back. Reads one JSON object.
import * as jose from 'jose';
import * as client from 'openid-client';
import { answer, given, privateKey } from './dialogue.mjs';

const asked = await given();
const config = await client.discovery(
  new URL(asked.issuer),
  asked.client_id,
  { introspection_signed_response_alg: asked.signed ? 'ES256' : undefined },
  client.PrivateKeyJwt(await privateKey(asked.jwk)),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);

const tokens = await client.clientCredentialsGrant(config, {
  scope: asked.scope,
  resource: asked.resource,
  ...(asked.details ? { authorization_details: JSON.stringify(asked.details) } : {}),
});
const before = await client.tokenIntrospection(config, tokens.access_token, { token_type_hint: 'access_token' });

async function byHand() {
  const form = new URLSearchParams({ token: tokens.access_token, ...asked.proof });
  const headers = { accept: 'application/token-introspection+jwt' };
  const response = await fetch(config.serverMetadata().introspection_endpoint, { method: 'POST', body: form, headers });
  const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const { payload, protectedHeader } = await jose.jwtVerify(await response.text(), keys, {
    issuer: asked.issuer,
    audience: asked.client_id,
    typ: 'token-introspection+jwt',
  });
  return { type: response.headers.get('content-type'), typ: protectedHeader.typ, told: payload.token_introspection };
}

const signed = asked.proof ? await byHand() : undefined;
const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
const verified = await jose.jwtVerify(tokens.access_token, keys, { issuer: asked.issuer, audience: asked.resource, typ: 'at+jwt' });
await client.tokenRevocation(config, tokens.access_token);
const after = await client.tokenIntrospection(config, tokens.access_token);
answer({ response: tokens, claims: verified.payload, before, signed, after });

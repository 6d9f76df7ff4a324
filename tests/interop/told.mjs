// A portal that has its answers signed and encrypted as it registered, as openid-client reads them; `jose` verifies them once more by itself.
import { webcrypto } from 'node:crypto';
import { compactDecrypt, createRemoteJWKSet, decodeProtectedHeader, importJWK, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { answer, given, privateKey } from './dialogue.mjs';

const asked = await given();
const config = await client.discovery(
  new URL(asked.issuer),
  asked.client_id,
  asked.metadata,
  client.PrivateKeyJwt(await privateKey(asked.jwk)),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);
const RSA = { name: 'RSA-OAEP', hash: 'SHA-256' };
const P256 = { name: 'ECDH', namedCurve: 'P-256' };
if (asked.decryption_jwk) {
  const { kid, ...jwk } = asked.decryption_jwk;
  const [algorithm, usages] = jwk.kty === 'RSA' ? [RSA, ['decrypt']] : [P256, ['deriveBits']];
  const key = await webcrypto.subtle.importKey('jwk', jwk, algorithm, false, usages);
  client.enableDecryptingResponses(config, [asked.enc], { key, kid });
}

async function begin() {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: asked.redirect_uri,
    scope: asked.scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    ...(asked.more ?? {}),
  });
  return { url: url.href, verifier, state };
}

// Open and verify a token without openid-client's help.
async function again(token, alg) {
  let signed = token;
  if (token.split('.').length === 5) {
    const key = await importJWK(asked.decryption_jwk, decodeProtectedHeader(token).alg);
    signed = new TextDecoder().decode((await compactDecrypt(token, key)).plaintext);
  }
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const { payload } = await jwtVerify(signed, keys, { issuer: asked.issuer, audience: asked.client_id, algorithms: [alg] });
  return payload;
}

async function finish() {
  const tokens = await client.authorizationCodeGrant(config, new URL(asked.callback), {
    pkceCodeVerifier: asked.verifier,
    expectedState: asked.state,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  const told = await fetch(config.serverMetadata().userinfo_endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  return {
    claims,
    userinfo,
    verified: (await again(tokens.id_token, asked.metadata.id_token_signed_response_alg)).sub,
    told: await again(await told.text(), asked.metadata.userinfo_signed_response_alg),
    parts: tokens.id_token.split('.').length,
  };
}

answer(await { begin, finish }[asked.step]());

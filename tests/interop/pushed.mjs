// A portal that pushes its request, signs it, or both, and one under FAPI 2.0 Message Signing. `way` is "par", "jar", "par+jar" or "fapi".
import { webcrypto } from 'node:crypto';
import * as client from 'openid-client';
import { answer, given, privateKey } from './dialogue.mjs';

const asked = await given();
const key = await privateKey(asked.jwk);
const isFapi = asked.way === 'fapi';
const config = await client.discovery(
  new URL(asked.issuer),
  asked.client_id,
  { id_token_signed_response_alg: 'ES256', authorization_signed_response_alg: 'ES256' },
  client.PrivateKeyJwt(key),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks, ...(isFapi ? [client.useJwtResponseMode] : [])] },
);
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };

async function dpop() {
  if (!isFapi) return undefined;
  const [publicKey, secret] = await Promise.all(
    [asked.dpop.public, asked.dpop.private].map((jwk, place) => webcrypto.subtle.importKey('jwk', jwk, ALGORITHM, true, [place ? 'sign' : 'verify'])),
  );
  return client.getDPoPHandle(config, { publicKey, privateKey: secret });
}

async function newKeys() {
  const pair = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const [open, secret] = await Promise.all([pair.publicKey, pair.privateKey].map((one) => webcrypto.subtle.exportKey('jwk', one)));
  return { public: open, private: secret };
}

async function begin() {
  asked.dpop = await newKeys();
  const handle = await dpop();
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const parameters = {
    redirect_uri: asked.redirect_uri,
    scope: asked.scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  };
  const plain = asked.way === 'par' ? parameters : Object.fromEntries((await client.buildAuthorizationUrlWithJAR(config, parameters, key)).searchParams);
  const url =
    asked.way === 'jar'
      ? client.buildAuthorizationUrl(config, plain)
      : await client.buildAuthorizationUrlWithPAR(config, plain, handle && { DPoP: handle });
  return { url: url.href, verifier, state, nonce, dpop: asked.dpop };
}

async function finish() {
  const handle = await dpop();
  const tokens = await client.authorizationCodeGrant(
    config,
    new URL(asked.callback),
    { pkceCodeVerifier: asked.verifier, expectedState: asked.state, expectedNonce: asked.nonce, idTokenExpected: true },
    undefined,
    handle && { DPoP: handle },
  );
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, handle && { DPoP: handle });
  return { claims: tokens.claims(), token_type: tokens.token_type, userinfo };
}

answer(await { begin, finish }[asked.step]());

// A portal as openid-client makes one. Reads one JSON object; `step` is "begin" (where to send the browser) or "finish" (what came back).
import { createHash } from 'node:crypto';
import * as client from 'openid-client';
import { answer, given, privateKey } from './dialogue.mjs';

const asked = await given();
const config = await client.discovery(
  new URL(asked.issuer),
  asked.client_id,
  { id_token_signed_response_alg: 'ES256' },
  client.PrivateKeyJwt(await privateKey(asked.jwk)),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);

async function begin() {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: asked.redirect_uri,
    scope: asked.scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...(asked.more ?? {}),
  });
  return { url: url.href, verifier, state, nonce };
}

function halfHash(text) {
  return createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');
}

async function finish() {
  const tokens = await client.authorizationCodeGrant(config, new URL(asked.callback), {
    pkceCodeVerifier: asked.verifier,
    expectedState: asked.state,
    expectedNonce: asked.nonce,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  const refreshed = tokens.refresh_token ? await client.refreshTokenGrant(config, tokens.refresh_token) : undefined;
  return {
    claims,
    at_hash_is_right: claims.at_hash === halfHash(tokens.access_token),
    scope: tokens.scope,
    userinfo,
    has_refresh_token: tokens.refresh_token !== undefined,
    refreshed: refreshed && { sub: refreshed.claims()?.sub, is_another: refreshed.access_token !== tokens.access_token },
    access_token: tokens.access_token,
    logout_url: client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: asked.post_logout_redirect_uri,
      state: asked.state,
    }).href,
    server: config.serverMetadata(),
  };
}

answer(await { begin, finish }[asked.step]());

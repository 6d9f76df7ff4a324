// A portal that wants its answers as JWTs, or posted to it. `step` is "begin" or "finish"; `jarm` asks for JWTs, `posted` is what a form brought.
import * as client from 'openid-client';
import { answer, given, privateKey } from './dialogue.mjs';

const asked = await given();
const metadata = { id_token_signed_response_alg: 'ES256', authorization_signed_response_alg: 'ES256' };
const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks, ...(asked.jarm ? [client.useJwtResponseMode] : [])];
const config = await client.discovery(new URL(asked.issuer), asked.client_id, metadata, client.PrivateKeyJwt(await privateKey(asked.jwk)), { execute });

async function begin() {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: asked.redirect_uri,
    scope: 'openid profile',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    ...(asked.more ?? {}),
  });
  return { url: url.href, verifier, state };
}

async function finish() {
  const back = asked.posted
    ? new Request(asked.redirect_uri, { method: 'POST', body: new URLSearchParams(asked.posted) })
    : new URL(asked.callback);
  try {
    const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: asked.verifier, expectedState: asked.state });
    return { claims: tokens.claims() };
  } catch (error) {
    if (!(error instanceof client.AuthorizationResponseError)) throw error;
    return { error: error.error };
  }
}

answer(await { begin, finish }[asked.step]());

// A portal that registers itself as openid-client does it. `step` is "begin" (register, then where to send the browser) or "finish".
import * as client from 'openid-client';
import { answer, given } from './dialogue.mjs';

const asked = await given();
const insecure = [client.allowInsecureRequests];

async function begin() {
  const config = await client.dynamicClientRegistration(new URL(asked.issuer), asked.metadata, undefined, {
    initialAccessToken: asked.token,
    execute: insecure,
  });
  const registered = config.clientMetadata();
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: asked.metadata.redirect_uris[0],
    scope: 'openid profile',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  });
  return { registered, url: url.href, verifier, state, nonce };
}

async function finish() {
  const config = await client.discovery(
    new URL(asked.issuer),
    asked.registered.client_id,
    asked.registered,
    client.ClientSecretBasic(asked.registered.client_secret),
    { execute: insecure },
  );
  const tokens = await client.authorizationCodeGrant(config, new URL(asked.callback), {
    pkceCodeVerifier: asked.verifier,
    expectedState: asked.state,
    expectedNonce: asked.nonce,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  return { claims, userinfo: await client.fetchUserInfo(config, tokens.access_token, claims.sub) };
}

answer(await { begin, finish }[asked.step]());

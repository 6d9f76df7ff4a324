// A terminal and a counter as openid-client makes them. Reads one JSON object; `step` names what is to be done.
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

function told(tokens) {
  return { claims: tokens.claims(), scope: tokens.scope, has_refresh_token: tokens.refresh_token !== undefined };
}

async function attempt(work) {
  try {
    return told(await work());
  } catch (error) {
    return { error: error.error ?? error.cause?.error ?? String(error), code: error.code };
  }
}

const steps = {
  device: () => client.initiateDeviceAuthorization(config, { scope: asked.scope }),
  device_tokens: () => attempt(() => client.pollDeviceAuthorizationGrant(config, asked.begun)),
  backchannel: () => client.initiateBackchannelAuthentication(config, { scope: asked.scope, ...asked.more }),
  backchannel_tokens: () => attempt(() => client.pollBackchannelAuthenticationGrant(config, asked.begun)),
};

answer(await steps[asked.step]());

// Clients as openid-client makes them that bind their tokens by DPoP, or prove themselves by a secret.
import * as client from 'openid-client';
import { answer, given, privateKey } from './dialogue.mjs';

const asked = await given();
const ways = {
  private_key_jwt: async () => client.PrivateKeyJwt(await privateKey(asked.jwk)),
  client_secret_basic: async () => client.ClientSecretBasic(asked.secret),
  client_secret_post: async () => client.ClientSecretPost(asked.secret),
  client_secret_jwt: async () => client.ClientSecretJwt(asked.secret),
};
const config = await client.discovery(new URL(asked.issuer), asked.client_id, {}, await ways[asked.method](), {
  execute: [client.allowInsecureRequests],
});
const DPoP = asked.dpop ? client.getDPoPHandle(config, await client.randomDPoPKeyPair(asked.dpop)) : undefined;

async function statusOf(act) {
  try {
    return (await act()).status;
  } catch (error) {
    return { refused: error.code, cause: error.cause?.[0]?.parameters?.error ?? error.status ?? String(error.cause) };
  }
}

const tokens = await client.clientCredentialsGrant(config, { scope: asked.scope }, { DPoP });
const resource = new URL(asked.resource);
answer({
  token_type: tokens.token_type,
  access_token: tokens.access_token,
  thumbprint: DPoP && (await DPoP.calculateThumbprint()),
  status: await statusOf(() => client.fetchProtectedResource(config, tokens.access_token, resource, 'GET', null, undefined, { DPoP })),
  again: await statusOf(() => client.fetchProtectedResource(config, tokens.access_token, resource, 'GET', null, undefined, { DPoP })),
  as_bearer: (await fetch(resource, { headers: { Authorization: `Bearer ${tokens.access_token}` } })).status,
});

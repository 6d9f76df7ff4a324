// A department's system as openid-client makes one: a token in its own name, by a signed proof.
import * as client from 'openid-client';
import { answer, given, privateKey } from './dialogue.mjs';

const asked = await given();
const config = await client.discovery(new URL(asked.issuer), asked.client_id, {}, client.PrivateKeyJwt(await privateKey(asked.jwk)), {
  execute: [client.allowInsecureRequests],
});
try {
  const tokens = await client.clientCredentialsGrant(config, { scope: asked.scope });
  answer({ access_token: tokens.access_token, token_type: tokens.token_type, expires_in: tokens.expires_in, scope: tokens.scope });
} catch (error) {
  answer({ refused: error.error ?? error.code, status: error.status });
}

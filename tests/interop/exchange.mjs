// A department's system as openid-client makes one: whatever grant it is told to use, by a signed proof.
import * as client from 'openid-client';
import { answer, given, privateKey } from './dialogue.mjs';

const asked = await given();
const config = await client.discovery(new URL(asked.issuer), asked.client_id, {}, client.PrivateKeyJwt(await privateKey(asked.jwk)), {
  execute: [client.allowInsecureRequests],
});
try {
  answer({ ...(await client.genericGrantRequest(config, asked.grant_type, asked.parameters)) });
} catch (error) {
  answer({ refused: error.error ?? error.code, status: error.status });
}

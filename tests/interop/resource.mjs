// What oauth4webapi does with nothing but the address of an API, a name and a key: from the refusal to the resource's metadata, from there to
// the server's, from there to a token, and back to the API. Reads one JSON object.
import * as oauth from 'oauth4webapi';
import { answer, given, privateKey } from './dialogue.mjs';

const asked = await given();
const plain = { [oauth.allowInsecureRequests]: true };
const api = new URL(asked.api);

async function refused() {
  try {
    await oauth.protectedResourceRequest('none', 'GET', api, undefined, undefined, plain);
  } catch (error) {
    return error.cause;
  }
}

const challenges = await refused();
const at = new URL(challenges.find(({ scheme }) => scheme === 'bearer').parameters.resource_metadata);
const name = new URL(at.href.replace('/.well-known/oauth-protected-resource', ''));
const resource = await oauth.processResourceDiscoveryResponse(name, await oauth.resourceDiscoveryRequest(name, plain));

const issuer = new URL(resource.authorization_servers[0]);
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain }));
const client = { client_id: asked.client_id };
const proof = oauth.PrivateKeyJwt(await privateKey(asked.jwk));
const wanted = { scope: asked.scope, resource: resource.resource };
const granted = await oauth.clientCredentialsGrantRequest(server, client, proof, wanted, plain);
const { access_token } = await oauth.processClientCredentialsResponse(server, client, granted);
const opened = await oauth.protectedResourceRequest(access_token, 'GET', api, undefined, undefined, plain);
answer({ schemes: challenges.map(({ scheme }) => scheme), resource, listed: server.protected_resources, status: opened.status });

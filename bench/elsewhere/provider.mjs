// oidc-provider with everything in memory, set up to do what is measured of ours: signed access tokens by ES256, to clients that prove themselves by
// a signed assertion or by a secret; refresh with rotation; introspection. Reads one JSON object; prints one, and serves until it is ended.
import { text } from 'node:stream/consumers';
import { Provider } from 'oidc-provider';

// Theirs forgets all but the newest thousand things, and with them the grants that are refreshed; this one forgets nothing.
class Kept {
  static all = new Map();

  constructor(kind) {
    this.kind = kind;
  }

  key(id) {
    return `${this.kind}:${id}`;
  }

  async upsert(id, payload) {
    Kept.all.set(this.key(id), payload);
  }

  async find(id) {
    return Kept.all.get(this.key(id));
  }

  async consume(id) {
    Kept.all.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    Kept.all.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const [key, { grantId: its }] of Kept.all) if (its === grantId) Kept.all.delete(key);
  }
}

const asked = JSON.parse(await text(process.stdin));
const [scope, resource] = ['verifications', 'urn:bench:api'];
const system = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'], id_token_signed_response_alg: 'ES256' };
const provider = new Provider(asked.issuer, {
  adapter: Kept,
  clients: [
    { client_id: 'by-key', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', jwks: asked.client_jwks, ...system },
    { client_id: 'by-secret', client_secret: asked.secret, token_endpoint_auth_method: 'client_secret_basic', ...system },
    { client_id: 'opaque', client_secret: asked.secret, token_endpoint_auth_method: 'client_secret_basic', ...system },
    {
      client_id: 'portal',
      client_secret: asked.secret,
      token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: ['https://portal.example/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: { keys: [asked.jwk] },
  scopes: ['openid', 'offline_access', scope],
  rotateRefreshToken: true,
  ttl: { AccessToken: 600, ClientCredentials: 600, IdToken: 600, RefreshToken: 86400, Grant: 86400 },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, __, client) => ({
        scope,
        audience: resource,
        accessTokenTTL: 600,
        accessTokenFormat: client.clientId === 'opaque' ? 'opaque' : 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});

async function refreshToken(accountId) {
  const client = await provider.Client.find('portal');
  const grant = new provider.Grant({ accountId, clientId: 'portal' });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(resource, scope);
  const grantId = await grant.save();
  const said = { accountId, client, grantId, gty: 'authorization_code', scope: `openid offline_access ${scope}`, claims: {}, authTime: 1, resource, rotations: 0 };
  return new provider.RefreshToken(said).save();
}

const refresh = await Promise.all(Array.from({ length: asked.portals }, (_, number) => refreshToken(`person-${number}`)));
const { port } = new URL(asked.issuer);
provider.listen(Number(port), '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ refresh })}\n`));

// A wallet made with @openid4vc/openid4vp: it is asked by a link, resolves and verifies the request, shows what it holds by @sd-jwt/sd-jwt-vc,
// @owf/mdoc or did-jwt-vc, and answers as the request wants it. JWTs, JWEs and the trust in the root are done by jose and node:crypto, as the library leaves them.
import { X509Certificate, createHash, createPrivateKey, sign } from 'node:crypto';
import { setGlobalConfig } from '@openid4vc/oauth2';
import { Openid4vpClient } from '@openid4vc/openid4vp';
import { CoseKey, DeviceRequest, DocRequest, Holder, IssuerSigned, ItemsRequest, SessionTranscript } from '@owf/mdoc';
import { digest, ES256 } from '@sd-jwt/crypto-nodejs';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';
import { CompactEncrypt, calculateJwkThumbprint, exportJWK, importJWK, importX509, jwtVerify } from 'jose';
import { answer, given } from './dialogue.mjs';
import { presentW3c, satisfies } from './w3c_holder.mjs';

setGlobalConfig({ allowInsecureUrls: true });
const asked = await given();
const root = new X509Certificate(asked.root);
const { kid: _, ...jwk } = asked.jwk;

const hash = (data, alg) => createHash(alg.replace('-', '').toLowerCase()).update(data).digest();
const callbacks = {
  hash,
  fetch,
  async verifyJwt(signer, { compact }) {
    const leaf = new X509Certificate(Buffer.from(signer.x5c[0], 'base64'));
    if (!leaf.checkIssued(root) || !leaf.verify(root.publicKey)) return { verified: false };
    const key = await importX509(leaf.toString(), signer.alg);
    await jwtVerify(compact, key);
    return { verified: true, signerJwk: await exportJWK(key) };
  },
  async encryptJwe({ publicJwk, alg, enc }, data) {
    const header = { alg, enc, kid: publicJwk.kid };
    const jwe = await new CompactEncrypt(Buffer.from(data)).setProtectedHeader(header).encrypt(await importJWK(publicJwk, alg));
    return { jwe, encryptionJwk: publicJwk };
  },
  getX509CertificateMetadata: (encoded) => {
    const names = (new X509Certificate(Buffer.from(encoded, 'base64')).subjectAltName ?? '').split(', ');
    const of = (kind) => names.filter((one) => one.startsWith(kind)).map((one) => one.slice(kind.length));
    return { sanDnsNames: of('DNS:'), sanUriNames: of('URI:') };
  },
};

async function presentSdJwt(request, fields) {
  const holder = new SDJwtVcInstance({
    hasher: digest,
    hashAlg: 'sha-256',
    kbSigner: await ES256.getSigner(jwk),
    kbSignAlg: 'ES256',
  });
  const acts = request.transaction_data?.map((one) => hash(one, 'sha-256').toString('base64url'));
  const payload = {
    iat: Math.floor(Date.now() / 1000),
    aud: request.client_id,
    nonce: request.nonce,
    ...(acts ? { transaction_data_hashes: acts, transaction_data_hashes_alg: 'sha-256' } : {}),
  };
  return holder.present(asked.credential, Object.fromEntries(fields.map((name) => [name, true])), { kb: { payload } });
}

async function presentMdoc(request, fields) {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const context = {
    crypto: { digest: ({ digestAlgorithm, bytes }) => hash(bytes, digestAlgorithm) },
    cose: { sign1: { sign: ({ toBeSigned }) => sign('sha256', toBeSigned, { key, dsaEncoding: 'ieee-p1363' }) } },
  };
  const encryption = request.client_metadata.jwks?.keys[0];
  const sessionTranscript = await SessionTranscript.forOid4Vp(
    {
      clientId: request.client_id,
      nonce: request.nonce,
      responseUri: request.response_uri,
      jwkThumbprint: encryption && Buffer.from(await calculateJwkThumbprint(encryption), 'base64url'),
    },
    context,
  );
  const elements = Object.fromEntries(fields.map((name) => [name, false]));
  const itemsRequest = ItemsRequest.create({ docType: asked.doctype, namespaces: { [asked.doctype]: elements } });
  const response = await Holder.createDeviceResponseForDeviceRequest(
    {
      deviceRequest: DeviceRequest.create({ docRequests: [DocRequest.create({ itemsRequest })] }),
      sessionTranscript,
      issuerSigned: [IssuerSigned.fromEncodedForOid4Vci(asked.credential)],
      signature: { signingKey: CoseKey.fromJwk({ ...jwk, alg: 'ES256' }) },
    },
    context,
  );
  return response.encodedForOid4Vp;
}

const client = new Openid4vpClient({ callbacks });
const parsed = client.parseOpenid4vpAuthorizationRequest({ authorizationRequest: asked.link });
const resolved = await client.resolveOpenId4vpAuthorizationRequest({ authorizationRequestPayload: parsed.params });
const request = resolved.authorizationRequestPayload;
const [query] = resolved.dcql.query.credentials;
const fields = query.claims.map(({ path }) => path.at(-1)).filter((name) => !(asked.leave_out ?? []).includes(name));
const showing = { mso_mdoc: presentMdoc, 'dc+sd-jwt': presentSdJwt, jwt_vc_json: () => presentW3c(asked, jwk, request) };
const presentation = await showing[query.format](request, fields);
const encrypted = {
  encryption: {},
  serverMetadata: {
    authorization_encryption_alg_values_supported: ['ECDH-ES'],
    authorization_encryption_enc_values_supported: [asked.enc ?? 'A256GCM'],
  },
};
const made = await client.createOpenid4vpAuthorizationResponse({
  authorizationRequestPayload: request,
  authorizationResponsePayload: { vp_token: { [query.id]: [presentation] } },
  ...(request.response_mode === 'direct_post.jwt' ? { jarm: encrypted } : {}),
});
const sent = await client.submitOpenid4vpAuthorizationResponse({
  authorizationRequestPayload: request,
  authorizationResponsePayload: made.authorizationResponsePayload,
  ...(made.jarm ? { jarm: made.jarm } : {}),
});
answer({
  status: sent.response.status,
  told: await sent.response.json(),
  prefix: resolved.client.prefix,
  version: resolved.version,
  acts: (resolved.transactionData ?? []).map((one) => one.transactionData.text),
  encrypted: Boolean(made.jarm),
  ...(query.format === 'jwt_vc_json' ? { satisfies: satisfies(resolved.dcql.query, asked.credential) } : {}),
});

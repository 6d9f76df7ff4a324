// W3C credentials and presentations in hands that are not ours: did-jwt-vc makes and reads the presentation, dcql says whether a credential satisfies a
// query. A holder goes by did:jwk, which is resolved here, for it leads nowhere.
import { createPrivateKey, sign } from 'node:crypto';
import { DcqlQuery } from 'dcql';
import { createVerifiablePresentationJwt } from 'did-jwt-vc';
import { decodeJwt } from 'jose';

const CONTEXT = 'https://www.w3.org/2018/credentials/v1';

export function didOf({ kty, crv, x, y }) {
  return `did:jwk:${Buffer.from(JSON.stringify({ kty, crv, x, y })).toString('base64url')}`;
}

export const resolver = {
  async resolve(did) {
    const publicKeyJwk = JSON.parse(Buffer.from(did.replace('did:jwk:', ''), 'base64url').toString());
    const method = { id: `${did}#0`, type: 'JsonWebKey2020', controller: did, publicKeyJwk };
    const didDocument = { id: did, verificationMethod: [method], authentication: [method.id], assertionMethod: [method.id] };
    return { didDocument, didDocumentMetadata: {}, didResolutionMetadata: { contentType: 'application/did+json' } };
  },
};

// `claims` and `audience` are what a wallet may write that is wrong.
export function presentW3c({ credential, claims = {}, audience }, jwk, request) {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const signer = async (data) => sign('sha256', Buffer.from(data), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  const vp = { '@context': [CONTEXT], type: ['VerifiablePresentation'], verifiableCredential: [credential].flat() };
  const options = { domain: audience ?? request.client_id, challenge: request.nonce };
  return createVerifiablePresentationJwt({ vp, ...claims }, { did: didOf(jwk), signer, alg: 'ES256' }, options);
}

export function satisfies(query, credential) {
  const { vc } = decodeJwt([credential].flat()[0]);
  const held = { credential_format: 'jwt_vc_json', type: vc.type, claims: vc, cryptographic_holder_binding: true };
  const parsed = DcqlQuery.parse(query);
  DcqlQuery.validate(parsed);
  return DcqlQuery.query(parsed, [held]).can_be_satisfied;
}

// A verifier that knows of us nothing but the root certificate: @sd-jwt/sd-jwt-vc with the key of the leaf in x5c, the holder's key in cnf,
// and the status list behind the credential's address, by @sd-jwt/jwt-status-list.
import { X509Certificate } from 'node:crypto';
import { digest, ES256 } from '@sd-jwt/crypto-nodejs';
import { getListFromStatusListJWT, getStatusListFromJWT } from '@sd-jwt/jwt-status-list';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';
import { decodeProtectedHeader, importX509, jwtVerify } from 'jose';
import { answer, given } from './dialogue.mjs';

const asked = await given();
const root = new X509Certificate(asked.root);

async function byLeaf(data, signature) {
  const { x5c, alg } = decodeProtectedHeader(`${data}.${signature}`);
  const leaf = new X509Certificate(Buffer.from(x5c[0], 'base64'));
  if (alg !== 'ES256' || !leaf.checkIssued(root) || !leaf.verify(root.publicKey)) throw new Error('the leaf is not under the root');
  return (await ES256.getVerifier(leaf.publicKey.export({ format: 'jwk' })))(data, signature);
}

async function byHolder(data, signature, payload) {
  return (await ES256.getVerifier(payload.cnf.jwk))(data, signature);
}

async function statusOf(credential) {
  const { uri, idx } = getStatusListFromJWT(credential.split('~')[0]);
  const response = await fetch(uri, { headers: { Accept: 'application/statuslist+jwt' } });
  const token = await response.text();
  const header = decodeProtectedHeader(token);
  const { payload } = await jwtVerify(token, await importX509(pem(header.x5c[0]), header.alg), { typ: 'statuslist+jwt', subject: uri });
  return { status: getListFromStatusListJWT(token).getStatus(idx), content_type: response.headers.get('content-type'), claims: payload };
}

function pem(encoded) {
  return `-----BEGIN CERTIFICATE-----\n${encoded.match(/.{1,64}/g).join('\n')}\n-----END CERTIFICATE-----`;
}

const verifier = new SDJwtVcInstance({
  hasher: digest,
  verifier: byLeaf,
  kbVerifier: byHolder,
  statusVerifier: byLeaf,
  loadTypeMetadataFormat: asked.load_type ?? false,
});
try {
  const options = { requiredClaimKeys: asked.required, keyBindingNonce: asked.nonce };
  const { payload, header, kb, typeMetadata } = await verifier.verify(asked.presented, options);
  answer({ payload, header, kb, type: typeMetadata, status: asked.status && (await statusOf(asked.presented)) });
} catch (error) {
  answer({ refused: error.message, status: asked.status && (await statusOf(asked.presented)) });
}

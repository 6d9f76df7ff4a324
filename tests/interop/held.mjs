// What a wallet got, looked at by @sd-jwt/sd-jwt-vc: every credential is under the root that it is told of, with all of its claims.
import { X509Certificate } from 'node:crypto';
import { digest, ES256 } from '@sd-jwt/crypto-nodejs';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';
import { decodeProtectedHeader } from 'jose';
import { answer, given } from './dialogue.mjs';

const asked = await given();
const root = new X509Certificate(asked.root);

async function byLeaf(data, signature) {
  const { x5c } = decodeProtectedHeader(`${data}.${signature}`);
  const leaf = new X509Certificate(Buffer.from(x5c[0], 'base64'));
  if (!leaf.checkIssued(root) || !leaf.verify(root.publicKey)) throw new Error('the leaf is not under the root');
  return (await ES256.getVerifier(leaf.publicKey.export({ format: 'jwk' })))(data, signature);
}

const verifier = new SDJwtVcInstance({ hasher: digest, verifier: byLeaf });
const claims = [];
for (const credential of asked.credentials) {
  claims.push((await verifier.verify(credential)).payload);
}
answer({ claims });

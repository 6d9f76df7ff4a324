// A verifier of W3C presentations that is not ours: did-jwt-vc verifies what the holder signed, jose what the issuer did, under the root alone, and dcql
// whether it is what was asked for. That the key is the holder's, the issuer says by `cnf`.
import { X509Certificate } from 'node:crypto';
import { verifyPresentation } from 'did-jwt-vc';
import { decodeProtectedHeader, importX509, jwtVerify } from 'jose';
import { answer, given } from './dialogue.mjs';
import { resolver, satisfies } from './w3c_holder.mjs';

const asked = await given();
try {
  const policies = asked.at ? { policies: { now: asked.at } } : {};
  const shown = await verifyPresentation(asked.presented, resolver, { domain: asked.client_id, challenge: asked.nonce, ...policies });
  const [credential] = shown.payload.vp.verifiableCredential;
  const leaf = new X509Certificate(Buffer.from(decodeProtectedHeader(credential).x5c[0], 'base64'));
  const root = new X509Certificate(asked.root);
  if (!leaf.checkIssued(root) || !leaf.verify(root.publicKey)) throw new Error('of another root');
  const { payload } = await jwtVerify(credential, await importX509(leaf.toString(), 'ES256'), { typ: 'JWT' });
  const { publicKeyJwk } = shown.signer;
  if (publicKeyJwk.x !== payload.cnf.jwk.x || publicKeyJwk.y !== payload.cnf.jwk.y) throw new Error('of another holder');
  answer({ subject: payload.vc.credentialSubject, holder: shown.verifiablePresentation.holder, satisfies: satisfies(asked.query, credential) });
} catch (error) {
  answer({ refused: error.message });
}

// An issuer and a holder that are not ours: an SD-JWT VC and its presentation, made by @sd-jwt/sd-jwt-vc.
import { digest, ES256, generateSalt } from '@sd-jwt/crypto-nodejs';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';
import { answer, given } from './dialogue.mjs';

const asked = await given();
const [issuer, holder] = [await ES256.generateKeyPair(), await ES256.generateKeyPair()];
const instance = new SDJwtVcInstance({
  signer: await ES256.getSigner(asked.jwk ?? issuer.privateKey),
  signAlg: 'ES256',
  hasher: digest,
  hashAlg: 'sha-256',
  saltGenerator: generateSalt,
  kbSigner: await ES256.getSigner(holder.privateKey),
  kbSignAlg: 'ES256',
});
const { kty, crv, x, y } = holder.publicKey;
const claims = { ...asked.claims, cnf: { jwk: { kty, crv, x, y } } };
const credential = await instance.issue(claims, asked.frame, { header: asked.header ?? {} });
const presentation = await instance.present(credential, asked.shown, { kb: { payload: asked.binding } });
answer({ credential, presentation });

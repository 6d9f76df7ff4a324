// A reader of W3C credentials that is not ours: jose, with the issuer's keys from its metadata (JWT VC Issuer Metadata), and the type's schema.
import { createRemoteJWKSet, createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import { answer, given } from './dialogue.mjs';

const asked = await given();
try {
  const { iss } = decodeJwt(asked.credential);
  const issuer = new URL(iss);
  const metadata = await (await fetch(`${issuer.origin}/.well-known/jwt-vc-issuer${issuer.pathname}`)).json();
  if (metadata.issuer !== iss) throw new Error('the metadata is of another issuer');
  const keys = metadata.jwks ? createLocalJWKSet(metadata.jwks) : createRemoteJWKSet(new URL(metadata.jwks_uri));
  const { payload, protectedHeader } = await jwtVerify(asked.credential, keys, { typ: asked.typ, issuer: iss });
  const schema = payload.credentialSchema && (await (await fetch(payload.credentialSchema.id)).json());
  answer({ payload, header: protectedHeader, schema });
} catch (error) {
  answer({ refused: error.message });
}

// Reads a status list of ours, and makes one of its own, with @sd-jwt/jwt-status-list.
import { createHeaderAndPayload, getListFromStatusListJWT, StatusList } from '@sd-jwt/jwt-status-list';
import { importJWK, SignJWT } from 'jose';
import { answer, given } from './dialogue.mjs';

const asked = await given();
if (asked.token) {
  const list = getListFromStatusListJWT(asked.token);
  answer({ bits: list.getBitsPerStatus(), statuses: asked.indices.map((index) => list.getStatus(index)) });
} else {
  const list = new StatusList(new Array(asked.size).fill(0), asked.bits);
  for (const [index, status] of asked.statuses) list.setStatus(index, status);
  const claims = { iss: asked.issuer, sub: asked.uri, iat: asked.issued, exp: asked.issued + 3600, ttl: 60 };
  const { header, payload } = createHeaderAndPayload(list, claims, { alg: 'ES256', typ: 'statuslist+jwt' });
  const key = await importJWK(asked.key, 'ES256');
  answer({ token: await new SignJWT(payload).setProtectedHeader({ ...header, x5c: asked.x5c }).sign(key) });
}

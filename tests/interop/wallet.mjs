// A wallet made with @openid4vc/openid4vci: it takes up offers, has tokens by each flow, proves keys, and fetches, awaits and acknowledges
// credentials. JWTs, JWEs and the trust in the issuer's root are done by jose and node:crypto, as the library leaves them to its users.
import { X509Certificate, createHash, randomBytes } from 'node:crypto';
import { clientAuthenticationAnonymous, clientAuthenticationClientAttestationJwt, clientAuthenticationNone, setGlobalConfig } from '@openid4vc/oauth2';
import { Openid4vciClient } from '@openid4vc/openid4vci';
import { CompactEncrypt, SignJWT, compactDecrypt, exportJWK, generateKeyPair, importJWK, importX509, jwtVerify } from 'jose';
import { answer, given } from './dialogue.mjs';

setGlobalConfig({ allowInsecureUrls: true });
const asked = await given();
const root = asked.root && new X509Certificate(asked.root);
const secrets = new Map();
const seen = { encrypted: 0, signed_metadata: false };

async function newKey() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  secrets.set(publicJwk.x, await exportJWK(privateKey));
  return publicJwk;
}

async function signJwt(signer, { header, payload }) {
  const jwk = signer.publicJwk;
  const jwt = await new SignJWT(payload).setProtectedHeader(header).sign(await importJWK(secrets.get(jwk.x), 'ES256'));
  return { jwt, signerJwk: jwk };
}

async function verifyJwt(signer, { compact }) {
  const leaf = new X509Certificate(Buffer.from(signer.x5c[0], 'base64'));
  if (!leaf.checkIssued(root) || !leaf.verify(root.publicKey)) return { verified: false };
  const key = await importX509(leaf.toString(), signer.alg);
  await jwtVerify(compact, key);
  seen.signed_metadata = true;
  return { verified: true, signerJwk: await exportJWK(key) };
}

// The library (0.4.6) takes a deferred response for malformed that has credentials and a notification_id, as section 9.2 of OpenID4VCI 1.0 has it:
// the id is kept from it, and given back when the wallet notifies.
async function ourFetch(url, init) {
  const response = await encryptedFetch(url, init);
  if (!String(url).endsWith('/deferred') || !response.ok) return response;
  const { notification_id: id, ...rest } = await response.json();
  seen.notification_id = id;
  return new Response(JSON.stringify(rest), { status: response.status, headers: { 'Content-Type': 'application/json' } });
}

async function encryptedFetch(url, init) {
  // and it takes signed metadata, but leaves it to its users to ask for it
  if (String(url).includes('/.well-known/openid-credential-issuer')) return fetch(url, { ...init, headers: { Accept: root ? 'application/jwt' : '*/*' } });
  if (!asked.encrypt || !/\/(credential|deferred)$/.test(String(url))) return fetch(url, init);
  const { credential_request_encryption: ours } = (await (await fetch(`${asked.issuer}/.well-known/openid-credential-issuer`)).json());
  const jwk = ours.jwks.keys.find((one) => one.kty === 'EC');
  const { publicKey, privateKey } = await generateKeyPair('ECDH-ES', { extractable: true });
  const answerKey = { ...(await exportJWK(publicKey)), kid: 'answer', alg: 'ECDH-ES', use: 'enc' };
  const body = { ...JSON.parse(init.body), credential_response_encryption: { jwk: answerKey, enc: 'A256GCM' } };
  const request = await new CompactEncrypt(Buffer.from(JSON.stringify(body)))
    .setProtectedHeader({ alg: jwk.alg, enc: 'A128GCM', kid: jwk.kid })
    .encrypt(await importJWK(jwk, jwk.alg));
  const headers = new Headers(init.headers);
  headers.set('Content-Type', 'application/jwt');
  const response = await fetch(url, { ...init, headers, body: request });
  if (!response.headers.get('Content-Type').startsWith('application/jwt')) return response;
  const opened = await compactDecrypt(await response.text(), privateKey);
  seen.encrypted += 1;
  return new Response(opened.plaintext, { status: response.status, headers: { 'Content-Type': 'application/json' } });
}

const callbacks = {
  fetch: ourFetch,
  hash: (data, alg) => createHash(alg.replace('-', '')).update(data).digest(),
  generateRandom: (length) => randomBytes(length),
  signJwt,
  ...(root ? { verifyJwt } : {}),
};
callbacks.clientAuthentication = asked.client_attestation
  ? clientAuthenticationClientAttestationJwt({ clientAttestationJwt: asked.client_attestation, callbacks })
  : asked.client_id
    ? clientAuthenticationNone({ clientId: asked.client_id })
    : clientAuthenticationAnonymous();
if (asked.instance) secrets.set(asked.instance.x, asked.instance);
const client = new Openid4vciClient({ callbacks });

async function tokensByCode(offer, metadata, dpop) {
  return client.retrieveAuthorizationCodeAccessTokenFromOffer({
    credentialOffer: offer,
    issuerMetadata: metadata,
    authorizationCode: asked.code,
    pkceCodeVerifier: asked.verifier,
    redirectUri: asked.redirect_uri,
    dpop,
  });
}

async function tokensByOffer(offer, metadata, dpop) {
  return client.retrievePreAuthorizedCodeAccessTokenFromOffer({ credentialOffer: offer, issuerMetadata: metadata, txCode: asked.tx_code, dpop });
}

async function open() {
  const offer = asked.offer ? await client.resolveCredentialOffer(asked.offer) : asked.offer_object;
  return { offer, metadata: await client.resolveIssuerMetadata(offer.credential_issuer) };
}

async function begin() {
  const { offer, metadata } = await open();
  const configuration = metadata.credentialIssuer.credential_configurations_supported[asked.configuration];
  const started = await client.initiateAuthorization({
    credentialOffer: offer,
    issuerMetadata: metadata,
    clientId: asked.client_id,
    redirectUri: asked.redirect_uri,
    scope: asked.by_details ? undefined : configuration.scope,
    additionalRequestPayload: {
      ...(asked.by_details ? { authorization_details: JSON.stringify([{ type: 'openid_credential', credential_configuration_id: asked.configuration }]) } : {}),
    },
  });
  return { url: started.authorizationRequestUrl, verifier: started.pkce.codeVerifier, offer_object: offer };
}

async function proofsOf(metadata, nonce, dpopKey) {
  const keys = await Promise.all(Array.from({ length: asked.count ?? 1 }, newKey));
  if (asked.maker) {
    const maker = await importJWK(asked.maker.jwk, 'ES256');
    const attestation = await new SignJWT({ iss: asked.maker.issuer, attested_keys: keys, nonce: nonce.c_nonce })
      .setProtectedHeader({ alg: 'ES256', typ: 'key-attestation+jwt', x5c: asked.maker.x5c })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(maker);
    return { keys, proofs: { attestation: [attestation] } };
  }
  const jwts = [];
  for (const publicJwk of keys) {
    const { jwt } = await client.createCredentialRequestJwtProof({
      issuerMetadata: metadata,
      credentialConfigurationId: asked.configuration,
      nonce: nonce.c_nonce,
      signer: { method: 'jwk', alg: 'ES256', publicJwk },
      ...(asked.client_id ? { clientId: asked.client_id } : {}),
    });
    jwts.push(jwt);
  }
  return { keys, proofs: { jwt: jwts } };
}

async function finish() {
  const { offer, metadata } = await open();
  let dpop = asked.dpop ? { signer: { method: 'jwk', alg: 'ES256', publicJwk: await newKey() } } : undefined;
  const got = await (asked.code ? tokensByCode : tokensByOffer)(offer, metadata, dpop);
  dpop = got.dpop ?? dpop;
  const accessToken = got.accessTokenResponse.access_token;
  const nonce = await client.requestNonce({ issuerMetadata: metadata });
  const { keys, proofs } = await proofsOf(metadata, nonce, dpop);
  const common = { issuerMetadata: metadata, accessToken, dpop };
  const first = await client.retrieveCredentials({ ...common, credentialConfigurationId: asked.configuration, proofs });
  let response = first.credentialResponse;
  const deferred = response.transaction_id;
  if (deferred && asked.await_at) {
    await fetch(asked.await_at, { method: 'POST' });
    response = (await client.retrieveDeferredCredentials({ ...common, transactionId: deferred })).deferredCredentialResponse;
  }
  const notificationId = response.notification_id ?? seen.notification_id;
  if (notificationId) {
    await client.sendNotification({ ...common, notification: { notificationId, event: 'credential_accepted' } });
  }
  return {
    ...seen,
    token_type: got.accessTokenResponse.token_type,
    details: got.accessTokenResponse.authorization_details,
    refresh_token: Boolean(got.accessTokenResponse.refresh_token),
    deferred: Boolean(deferred),
    credentials: (response.credentials ?? []).map((one) => one.credential),
    thumbprints: keys.map((jwk) => jwk.x),
  };
}

answer(await { begin, finish }[asked.step]());

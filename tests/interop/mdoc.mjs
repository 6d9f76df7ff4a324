// A reader of mobile documents that is not ours: @owf/mdoc over Node's own cryptography. Knows of us nothing but the root certificate.
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { CoseKey, DeviceResponse, IssuerSigned, SessionTranscript } from '@owf/mdoc';
import { answer, given } from './dialogue.mjs';

const asked = await given();
const root = new X509Certificate(asked.root);
const read = (certificate) => new X509Certificate(Buffer.from(certificate));

const cryptography = {
  crypto: { digest: ({ digestAlgorithm, bytes }) => createHash(digestAlgorithm.replace('-', '').toLowerCase()).update(bytes).digest() },
  cose: {
    sign1: {
      verify: ({ key, sign1 }) => {
        const publicKey = createPublicKey({ key: key.jwk, format: 'jwk' });
        return verify('sha256', sign1.toBeSigned, { key: publicKey, dsaEncoding: 'ieee-p1363' }, sign1.signature);
      },
    },
  },
  x509: {
    getIssuerNameField: ({ certificate, field }) =>
      read(certificate).issuer.split('\n').filter((one) => one.startsWith(`${field}=`)).map((one) => one.slice(field.length + 1)),
    getPublicKey: ({ certificate }) => CoseKey.fromJwk(read(certificate).publicKey.export({ format: 'jwk' })),
    verifyCertificateChain: ({ trustedCertificates, x5chain }) => {
      const [leaf, trusted] = [read(x5chain[0]), read(trustedCertificates[0])];
      if (!leaf.checkIssued(trusted) || !leaf.verify(trusted.publicKey)) throw new Error('the leaf is not under the root');
    },
    getCertificateData: ({ certificate }) => {
      const found = read(certificate);
      return { notBefore: new Date(found.validFrom), notAfter: new Date(found.validTo), subjectName: found.subject, issuerName: found.issuer };
    },
  },
};

// What a wallet answered, under the session that this reader computes itself (OpenID4VP 1.0 B.2.6).
async function readResponse() {
  const response = DeviceResponse.fromEncodedForOid4Vp(asked.response);
  const { client_id: clientId, nonce, response_uri: responseUri, thumbprint } = asked.session;
  const jwkThumbprint = thumbprint ? Buffer.from(thumbprint, 'base64url') : undefined;
  const sessionTranscript = await SessionTranscript.forOid4Vp({ clientId, nonce, responseUri, jwkThumbprint }, cryptography);
  const failed = [];
  const onCheck = (one) => {
    if (one.status === 'FAILED') failed.push(`${one.check}: ${one.reason ?? ''}`);
  };
  await response.verify({ sessionTranscript, trustedCertificates: [root.raw], onCheck }, cryptography);
  if (failed.length > 0) throw new Error(failed.join('; '));
  const [document] = response.documents;
  answer({ doctype: document.docType, claims: document.issuerSigned.getPrettyClaims(asked.namespace) });
}

async function readIssued() {
  const signed = IssuerSigned.fromEncodedForOid4Vci(asked.mdoc);
  const failed = [];
  await signed.verify(
    {
      trustedCertificates: [root.raw],
      verificationCallback: (one) => {
        if (one.status === 'FAILED') failed.push(`${one.check}: ${one.reason ?? ''}`);
      },
    },
    cryptography,
  );
  if (failed.length > 0) throw new Error(failed.join('; '));
  const told = signed.issuerAuth.mobileSecurityObject;
  answer({ doctype: told.docType, claims: signed.getPrettyClaims(asked.namespace), device_key: told.deviceKeyInfo.deviceKey.jwk });
}

try {
  await (asked.response ? readResponse() : readIssued());
} catch (error) {
  answer({ refused: error.message || String(error) });
}

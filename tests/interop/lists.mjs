// Reads a list of trusted entities of ours with @owf/eudi-lote, by the schema of ETSI TS 119 602, and verifies its signature with jose.
import { validateLoTE } from '@owf/eudi-lote';
import { compactVerify, decodeProtectedHeader, importX509 } from 'jose';
import { answer, given } from './dialogue.mjs';

const { token } = await given();
const header = decodeProtectedHeader(token);
const pem = `-----BEGIN CERTIFICATE-----\n${header.x5c[0]}\n-----END CERTIFICATE-----`;
const { payload } = await compactVerify(token, await importX509(pem, header.alg));
answer(validateLoTE(JSON.parse(new TextDecoder().decode(payload))));

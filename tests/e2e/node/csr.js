// A request made by Node alone: `node csr.js ec|rsa|ed25519 NAME...` prints {"key", "csr"}.
// Node's crypto signs but does not write requests, so the DER is written here.
'use strict';
const crypto = require('crypto');

function tlv(tag, ...parts) {
	const body = Buffer.concat(parts);
	const size = [];
	for (let n = body.length; n > 0; n = Math.floor(n / 256))
		size.unshift(n & 255);
	const head = body.length < 128 ? [body.length] : [0x80 | size.length, ...size];
	return Buffer.concat([Buffer.from([tag, ...head]), body]);
}

const sequence = (...parts) => tlv(0x30, ...parts);
const set = (...parts) => tlv(0x31, ...parts);
const oid = (hex) => tlv(0x06, Buffer.from(hex, 'hex'));
const COMMON_NAME = oid('550403');
const EXTENSION_REQUEST = oid('2a864886f70d01090e');
const SUBJECT_ALT_NAME = oid('551d11');

const KINDS = {
	ec: { make: ['ec', { namedCurve: 'P-256' }], hash: 'sha256', algorithm: sequence(oid('2a8648ce3d040302')) },
	rsa: {
		make: ['rsa', { modulusLength: 2048 }], hash: 'sha256',
		algorithm: sequence(oid('2a864886f70d01010b'), tlv(0x05)),
	},
	ed25519: { make: ['ed25519', {}], hash: null, algorithm: sequence(oid('2b6570')) },
};

function request(kind, names) {
	const { privateKey, publicKey } = crypto.generateKeyPairSync(...KINDS[kind].make);
	const subject = sequence(set(sequence(COMMON_NAME, tlv(0x0c, Buffer.from(names[0])))));
	const san = sequence(...names.map((name) => tlv(0x82, Buffer.from(name))));
	const extensions = sequence(sequence(SUBJECT_ALT_NAME, tlv(0x04, san)));
	const info = sequence(tlv(0x02, Buffer.from([0])), subject,
		publicKey.export({ type: 'spki', format: 'der' }),
		tlv(0xa0, sequence(EXTENSION_REQUEST, set(extensions))));
	const signature = crypto.sign(KINDS[kind].hash, info, privateKey);
	const der = sequence(info, KINDS[kind].algorithm, tlv(0x03, Buffer.from([0]), signature));
	const text = der.toString('base64').replace(/.{1,64}/g, '$&\n');
	return {
		key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
		csr: `-----BEGIN CERTIFICATE REQUEST-----\n${text}-----END CERTIFICATE REQUEST-----\n`,
	};
}

const [kind, ...names] = process.argv.slice(2);
console.log(JSON.stringify(request(kind, names)));

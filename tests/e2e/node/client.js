// One GET, trusting one root alone: node client.js URL ROOT|- [FOLDER [CRL...]]
// Prints status and body; or "refused: CODE" with status 1.
'use strict';
const fs = require('fs');
const https = require('https');
const path = require('path');

const [url, root, folder, ...crls] = process.argv.slice(2);
const options = { agent: false, timeout: 10000 };
if (root !== '-')
	options.ca = fs.readFileSync(root);
if (folder) {
	options.cert = fs.readFileSync(path.join(folder, 'fullchain.pem'));
	options.key = fs.readFileSync(path.join(folder, 'key.pem'));
}
if (crls.length > 0)
	options.crl = crls.map((file) => fs.readFileSync(file));

https.get(url, options, (response) => {
	let body = '';
	response.on('data', (chunk) => { body += chunk; });
	response.on('end', () => console.log(`${response.statusCode} ${body.trim()}`));
}).on('error', (error) => {
	console.log(`refused: ${error.code || error.message}`);
	process.exitCode = 1;
});

// An HTTPS server that admits only clients of our CA that are not revoked:
// node server.js PORT FOLDER ROOT CRL...
'use strict';
const fs = require('fs');
const https = require('https');
const path = require('path');

const [port, folder, root, ...crls] = process.argv.slice(2);
const options = {
	key: fs.readFileSync(path.join(folder, 'key.pem')),
	cert: fs.readFileSync(path.join(folder, 'fullchain.pem')),
	ca: fs.readFileSync(root),
	crl: crls.map((file) => fs.readFileSync(file)),
	requestCert: true,
	rejectUnauthorized: true,
};
function answer(request, response) {
	const who = request.socket.getPeerCertificate();
	response.end(`served by node for ${who.subject && who.subject.CN}\n`);
}
// Both addresses that localhost may stand for; a machine without IPv6 has the first alone.
for (const address of ['127.0.0.1', '::1']) {
	const server = https.createServer(options, answer);
	server.on('tlsClientError', (error) => console.error(`refused: ${error.code || error.message}`));
	server.on('error', (error) => {
		if (address === '127.0.0.1' || error.code !== 'EADDRNOTAVAIL')
			throw error;
	});
	server.listen(Number(port), address);
}

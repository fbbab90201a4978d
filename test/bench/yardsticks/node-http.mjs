// Yardstick (a): node:http that reads a body, parses it and answers. No router, no schema, no token, no storage.

import { createServer } from 'node:http';
import { incidentOf } from './incident.mjs';

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = JSON.stringify(incidentOf(JSON.parse(Buffer.concat(chunks).toString())));
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
  });
});
server.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));

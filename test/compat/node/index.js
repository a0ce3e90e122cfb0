// A function as templates for of-watchdog have it: a server on all addresses.
const http = require('http');

const server = http.createServer((req, res) => {
  let body = '';
  req.on('data', (piece) => { body += piece; });
  req.on('end', () => { res.end(`${req.headers['x-auth-subject']} says ${body}`); });
});

server.listen(3000);

// A server of Node's own library that answers every upload at once with 413, and prints "port N".
const http = require('http');

const server = http.createServer((request, response) => {
    response.writeHead(413, { 'Connection': 'close', 'Content-Length': 10 });
    response.end('too large\n');
});
server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));

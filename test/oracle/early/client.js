// client.js PORT BYTES: uploads with Node's http; prints the status that it got, or the error.
const http = require('http');

const size = Number(process.argv[3]);
const block = Buffer.alloc(65536);
let sent = 0;

function done(what) {
    console.log(what);
    process.exit(0);
}

const options = { host: '127.0.0.1', port: Number(process.argv[2]), method: 'POST', headers: { 'Content-Length': size } };
const request = http.request(options, (response) => {
    response.on('error', (error) => done(error.code));
    response.on('data', () => {});
    response.on('end', () => done(response.statusCode));
});
request.on('error', (error) => done(error.code));

function write() {
    while (sent < size) {
        const part = block.subarray(0, Math.min(block.length, size - sent));
        sent += part.length;
        if (!request.write(part)) {
            request.once('drain', write);
            return;
        }
    }
    request.end();
}
write();

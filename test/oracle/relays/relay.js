// a.pipe(b), both ways: PORT BACKEND.
const net = require('net');
const [port, backend] = process.argv.slice(2).map(Number);
net.createServer({ allowHalfOpen: true }, (a) => {
    const b = net.connect({ port: backend, host: '127.0.0.1', allowHalfOpen: true });
    a.pipe(b);
    b.pipe(a);
    a.on('error', () => b.destroy());
    b.on('error', () => a.destroy());
}).listen(port, '127.0.0.1', 4096);

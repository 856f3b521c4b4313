// fetch URL...: Node's fetch reads an answer to its end; status 1 if that is an error. Between two URLs it says "next", and waits
// for a line.
const lines = require("readline").createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function main([first, ...rest]) {
    await (await fetch(first)).arrayBuffer();
    for (const url of rest) {
        console.log("next");
        await lines.next();
        await (await fetch(url)).arrayBuffer();
    }
}

main(process.argv.slice(2)).then(() => process.exit(0), () => process.exit(1));

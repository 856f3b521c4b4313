// Reads an answer as a stream into a file: client.js PORT FILE. Status 1 if the stream told an error.
const fs = require("fs");
const http = require("http");

const file = fs.createWriteStream(process.argv[3]);
const end = (status) => file.end(() => process.exit(status));
const failed = (error) => {
    console.error(error.code);
    end(1);
};
http.get({ port: process.argv[2], host: "127.0.0.1", agent: false }, (answer) => {
    answer.on("data", (data) => file.write(data));
    answer.on("error", failed);
    answer.on("end", () => end(0));
}).on("error", failed);

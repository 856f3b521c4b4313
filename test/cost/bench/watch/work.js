// work.js UNITS: objects made, written as JSON and read again; prints the seconds.
const units = Number(process.argv[2]);
const begin = process.hrtime.bigint();
let kept;
for (let i = 0; i < units; i++) {
  const list = Array.from({ length: 1000 }, (_, j) => ({ number: j, text: `value ${j}` }));
  kept = JSON.parse(JSON.stringify(list));
}
console.log(Number(process.hrtime.bigint() - begin) / 1e9);

// What the story reads: a line of JSON each. The program lives until its standard input ends, so that it outlives no test.

export function tell(said) {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

export function untilInputEnds(leave = () => {}) {
  process.stdin.resume().on("end", async () => {
    await leave();
    process.exit(0);
  });
}

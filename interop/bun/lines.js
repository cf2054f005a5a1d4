// Requests arrive as lines of JSON on stdin, and each is answered with a line on stdout.
// The reference also logs to stdout, so lines for the test start with '@'.
export function say(message) {
  process.stdout.write(`@${JSON.stringify(message)}\n`);
}

export async function serveLines(handle) {
  for await (const line of console) {
    if (line === '') continue;
    const request = JSON.parse(line);
    try {
      await handle(request);
      say({ re: request.re });
    } catch (error) {
      say({ re: request.re, error: String(error) });
    }
  }
}

// Requests arrive as JSON lines on stdin and are answered on stdout, one line each.
// The reference logs to stdout too: so lines for the test start with '@'.
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

// Reads the pages in docs.

import { readFileSync } from 'node:fs'

/** The code blocks of a page, with the HTML comment in the line before each. */
export function blocks(name) {
  const text = readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')
  return [...text.matchAll(/(?:^<!-- ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```$/gms)].map(([, note, language, text]) => ({ note, language, text }))
}

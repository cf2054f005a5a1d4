// Runs the pages after the move from Centrifugo, SignalR and Pusher in Chromium, with the configuration
// of their documents.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { build } from 'esbuild'
import jwt from 'jsonwebtoken'
import { skip, startChromium } from '../../sdk/ts/test/support/chromium.mjs'
import { freePort } from '../../sdk/ts/test/support/port.mjs'
import { blocks } from './page.mjs'
import { folder, program, run } from './run.mjs'

const secret = 'a secret of at least 32 characters'

/** Serves the page of a document, with the user and the claims in its path, and starts its server. */
async function setUp(t, document) {
  const dir = mkdtempSync(join(folder, 'run-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const samples = blocks(document)
  const ignis = `127.0.0.1:${await freePort()}`
  const page = samples.find(({ language, text }) => language === 'ts' && text.includes("from '@ignis-go/client'")).text
  const { outputFiles } = await build({
    stdin: { contents: page.replace('wss://rt.example.com', `ws://${ignis}`), loader: 'ts', resolveDir: dir },
    alias: { '@ignis-go/client': join(folder, '../../sdk/ts/src/index.ts') },
    bundle: true,
    format: 'esm',
    write: false,
  })
  const shell = `<!doctype html><ol id="shown"></ol><input id="input"><script>
    const show = (text) => shown.append(Object.assign(document.createElement('li'), { textContent: text }))
  </script><script type="module" src="/page.js"></script>`
  const pages = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.headers.referer ?? request.url, 'http://localhost')
    if (request.url === '/page.js') return response.setHeader('Content-Type', 'text/javascript').end(outputFiles[0].text)
    if (request.url !== '/token') return response.setHeader('Content-Type', 'text/html').end(shell)
    response.end(jwt.sign({ teams: searchParams.getAll('team') }, secret, { subject: pathname.slice(1), expiresIn: '5m' }))
  })
  await once(pages.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    pages.close()
    pages.closeAllConnections()
  })
  const origin = `http://localhost:${pages.address().port}`
  const configuration = samples.find(({ language }) => language === 'yaml').text
  assert.ok(configuration.includes('https://app.example.com'))
  writeFileSync(join(dir, 'ignis.yaml'), configuration.replace('https://app.example.com', origin))
  writeFileSync(join(dir, 'jwt.secret'), secret)
  await run(t, `http://${ignis}/readyz`, program(), ['serve', '--config', 'ignis.yaml', '--jwt-secret-file', 'jwt.secret', '--listen', ignis], { cwd: dir })
  const open = await startChromium(t)
  return (path) => open(`${origin}/${path}`)
}

const shows = (tab, text) => tab.until((text) => [...shown.children].some(({ textContent }) => textContent === text), text)

for (const document of ['from-centrifugo.md', 'from-signalr.md']) {
  test(`the page in ${document}`, { skip }, async (t) => {
    const open = await setUp(t, document)
    const ann = await open('ann')
    await shows(ann, 'ann: hello')
    const ben = await open('ben')
    for (const tab of [ann, ben]) await shows(tab, 'ben: hello')
  })
}

test('the page in from-pusher.md', { skip }, async (t) => {
  const open = await setUp(t, 'from-pusher.md')
  const [ann, ben, eve] = [await open('ann?team=red'), await open('ben?team=blue&team=red'), await open('eve?team=blue')]
  await shows(eve, 'refused')
  const type = () => ann.evaluate(() => input.dispatchEvent(new Event('input')))
  for (let typing = false; !typing; ) { // volatile messages are dropped while the page is connecting
    await type()
    typing = await ben.evaluate(() => shown.innerText.includes('ann is typing'))
  }
  assert.equal(await ann.evaluate(() => shown.innerText), '', 'the page ignores its own messages')
  assert.equal(await eve.evaluate(() => shown.innerText), 'refused')
})

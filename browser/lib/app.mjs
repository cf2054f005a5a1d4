// A small application that uses /ignis.js: a page, and a server that signs tokens.

import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const secret = 'a secret of the tests, which is long enough'

const base64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Returns a token that is valid for a number of seconds. */
export function token(claims, seconds) {
  const text = `${base64({ alg: 'HS256', typ: 'JWT' })}.${base64({ ...claims, exp: Math.floor(Date.now() / 1000) + seconds })}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

const page = (script, ws) => `<!doctype html>
<html lang="en">
<title>A small application</title>
<script src="${script}"></script>
<script src="/app.js?ws=${encodeURIComponent(ws)}" type="module"></script>
<a href="/other">elsewhere</a>`

// It writes down everything that the client says.
const app = (ws) => `
const log = (globalThis.log = [])
const asked = (globalThis.asked = [])
const options = JSON.parse(new URLSearchParams(location.search).get('options') ?? '{}')
const client = (globalThis.client = new Ignis.Client(${JSON.stringify(ws)}, {
  token: async ({ reason }) => {
    asked.push(reason)
    return (await fetch('/token')).text()
  },
  ...options,
}))
client.onState(({ state, reason, missed }) => log.push({ state, code: reason?.code, closeCode: reason?.closeCode, missed }))
client.onError((error) => log.push({ error: error.message }))
const lobby = (globalThis.lobby = client.room('lobby'))
lobby.on('say', ({ text }) => log.push({ text }))
lobby.onState(({ state }) => log.push({ room: state }))
addEventListener('pageshow', ({ persisted }) => persisted && log.push({ page: 'from the cache' }))
client.connect()
`

/** Lets everybody talk in the lobby. */
const rules = 'rooms: [{match: lobby, join: anyone, send: {events: [say]}}]'

/**
 * Starts the application and its server. The page comes from another origin than the server.
 * lifetime is that of the tokens in seconds.
 */
export async function application(start, { lifetime = 3600 } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'ignis-browser-'))
  const config = join(directory, 'ignis.yaml')
  writeFileSync(config, rules)
  let server
  const policy = () => `default-src 'none'; script-src 'self' ${server.url}; connect-src 'self' ${server.url.replace('http', 'ws')}`
  const answers = {
    '/': () => ['text/html', page(`${server.url}/ignis.js`, server.ws)],
    '/app.js': (query) => ['text/javascript', app(query.get('ws'))],
    '/other': () => ['text/html', '<!doctype html><html lang="en"><title>Elsewhere</title><p>Another page.'],
    '/token': () => ['text/plain', token({ sub: 'ann' }, lifetime)],
    '/favicon.ico': () => ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>'],
  }
  const http = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost')
    const [type, text] = answers[pathname](searchParams)
    response.writeHead(200, { 'content-type': type, 'content-security-policy': policy() }).end(text)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const origin = `http://127.0.0.1:${http.address().port}`
  const serve = (address) => start(['--config', config, '--allowed-origins', origin], { address, env: { IGNIS_JWT_SECRET: secret } })
  server = await serve()
  return {
    server,
    /** The page; the options are those of the client. */
    url: (options = {}) => `${origin}/?options=${encodeURIComponent(JSON.stringify(options))}`,
    /** Starts the server again, on the same address. */
    restart: async () => (server = await serve(server.address)),
    close() {
      http.close()
      http.closeAllConnections()
      rmSync(directory, { recursive: true })
    },
  }
}

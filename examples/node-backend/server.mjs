// A backend that does not speak WebSocket: it signs tokens for the pages of its users, and publishes
// through the HTTP API of the server.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { SignJWT } from 'jose'

const { PORT = '3000', SERVER = 'http://127.0.0.1:8080', JWT_SECRET, API_KEY } = process.env
const secret = new TextEncoder().encode(JWT_SECRET)
const page = readFileSync(new URL('index.html', import.meta.url), 'utf8').replaceAll('{{server}}', SERVER)

/** A token with which a page connects: who the user is, and which rooms the user may join. */
function sign(user) {
  return new SignJWT({ rooms: ['news'] }).setProtectedHeader({ alg: 'HS256' }).setSubject(user).setIssuedAt().setExpirationTime('5 minutes').sign(secret)
}

/** Sends an event, such as to {room: 'news'} or {user: 'ann'}. */
async function publish(to, event, data) {
  const response = await fetch(`${SERVER}/api/v1/publish`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ to, event, data }),
  })
  if (!response.ok) throw new Error(`publish: ${response.status} ${await response.text()}`)
}

const routes = {
  'GET /': () => page,

  // A real application checks a password and keeps a session. This one believes everybody.
  'POST /login': ({ name }, _user, response) => {
    response.setHeader('Set-Cookie', `user=${encodeURIComponent(name)}; HttpOnly; SameSite=Strict; Path=/`)
    return ''
  },

  // The page asks for a token whenever it connects, and before the session ends.
  'POST /token': (_body, user) => sign(user),

  'POST /orders': async ({ item }, user) => {
    await publish({ user }, 'order', { item, state: 'accepted' }) // to all tabs and devices of the user
    await publish({ room: 'news' }, 'sold', { item })
    return ''
  },
}

createServer(async (request, response) => {
  const { method, url, headers } = request
  try {
    const user = decodeURIComponent(/(?:^|; )user=([^;]+)/.exec(headers.cookie ?? '')?.[1] ?? '')
    const route = routes[`${method} ${url}`]
    if (!route) return response.writeHead(404).end()
    if (!user && url !== '/' && url !== '/login') return response.writeHead(401).end('log in first')
    let text = ''
    for await (const chunk of request) text += chunk
    const body = await route(text ? JSON.parse(text) : {}, user, response)
    response.setHeader('Content-Type', method === 'GET' ? 'text/html; charset=utf-8' : 'text/plain').end(body)
  } catch (error) {
    console.error(error)
    response.writeHead(500).end('something went wrong')
  }
}).listen(PORT, '127.0.0.1')

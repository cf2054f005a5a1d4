// A backend that does not speak WebSocket: it signs tokens for the pages of its users, stores their
// messages, and publishes them through the HTTP API of the server.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { SignJWT } from 'jose'
import { begin, end, logIn, Refused, signUp, userOf } from './accounts.mjs'

const { PORT = '3000', SERVER = 'http://127.0.0.1:8080', JWT_SECRET, API_KEY } = process.env
const secret = new TextEncoder().encode(JWT_SECRET)
const file = (name) => readFileSync(new URL(name, import.meta.url), 'utf8').replaceAll('{{server}}', SERVER)

const channels = [
  { name: 'general', about: 'News for the whole team' },
  { name: 'random', about: 'Cats, lunch and the weather' },
  { name: 'launch', about: 'Private: the launch in spring', members: ['ann'] },
]
const channelsOf = (user) => channels.filter(({ members }) => !members || members.includes(user))
const messages = new Map(channels.map(({ name }) => [name, []])) // the last 100; a real application has a database

// Two accounts to try it with.
for (const name of ['ann', 'ben']) await signUp(name, 'open sesame')

/** A token with which a page connects: who the user is, and which channels the user may join. */
function sign(user) {
  const names = channelsOf(user).map(({ name }) => name)
  return new SignJWT({ channels: names }).setProtectedHeader({ alg: 'HS256' }).setSubject(user).setIssuedAt().setExpirationTime('5 minutes').sign(secret)
}

/** Sends an event, such as to {room: 'channel:general'} or {user: 'ann'}. */
async function publish(to, event, data) {
  const response = await fetch(`${SERVER}/api/v1/publish`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ to, event, data }),
  })
  if (!response.ok) throw new Error(`publish: ${response.status} ${await response.text()}`)
}

/** The messages of a channel, if the user may read them. */
function messagesOf(channel, user) {
  if (!channelsOf(user).some(({ name }) => name === channel)) throw new Refused(404, 'There is no such channel.')
  return messages.get(channel)
}

// What anyone may ask for.
const open = {
  'GET /': (_body, { response }) => void response.setHeader('Content-Type', 'text/html; charset=utf-8').end(file('index.html')),
  'GET /app.js': (_body, { response }) => void response.setHeader('Content-Type', 'text/javascript; charset=utf-8').end(file('app.js')),
  'GET /style.css': (_body, { response }) => void response.setHeader('Content-Type', 'text/css; charset=utf-8').end(file('style.css')),

  async 'POST /signup'({ name, password }, { response }) {
    await signUp(name, password)
    response.setHeader('Set-Cookie', begin(name))
  },
  async 'POST /login'({ name, password }, { response }) {
    await logIn(name, password)
    response.setHeader('Set-Cookie', begin(name))
  },
}

// What a user may ask for.
const routes = {
  'GET /me': (_body, { user }) => ({ name: user, channels: channelsOf(user).map(({ name, about }) => ({ name, about, messages: messages.get(name) })) }),

  // The page asks for a token whenever it connects, and before the session ends.
  'POST /token': async (_body, { user }) => ({ token: await sign(user) }),

  async 'POST /messages'({ channel, text }, { user }) {
    const list = messagesOf(channel, user)
    if (typeof text !== 'string' || !text.trim() || text.length > 2000) throw new Refused(400, 'A message has 1 to 2000 characters.')
    const message = { id: randomUUID(), channel, from: user, text: text.trim(), at: new Date().toISOString() }
    list.push(message)
    list.splice(0, list.length - 100)
    // If this fails, the message is stored, and the pages load it when they join the channel again.
    await publish({ room: `channel:${channel}` }, 'message', message).catch(console.error)
    return message
  },

  async 'POST /logout'(_body, { request, response, user }) {
    response.setHeader('Set-Cookie', end(request))
    await publish({ user }, 'logout', null).catch(console.error) // for the other tabs of this session
  },
}

async function read(request) {
  let text = ''
  for await (const chunk of request) if ((text += chunk).length > 10_000) throw new Refused(413, 'This is too long.')
  return text ? JSON.parse(text) : {}
}

createServer(async (request, response) => {
  const user = userOf(request)
  const route = `${request.method} ${request.url}`
  try {
    const handle = open[route] ?? (user ? routes[route] : undefined)
    if (!handle) throw routes[route] ? new Refused(401, 'Log in first.') : new Refused(404, 'There is nothing here.')
    const answer = await handle(await read(request), { request, response, user })
    if (!response.writableEnded) response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer ?? {}))
  } catch (error) {
    const status = error instanceof Refused ? error.status : error instanceof SyntaxError ? 400 : 500
    if (status === 500) console.error(error)
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(status === 500 ? 'Something went wrong. Try again.' : error.message)
  }
}).listen(PORT, '127.0.0.1')

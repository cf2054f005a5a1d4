// Lets `ignis sdktest` drive this client: commands are read from the standard input, and what
// happens is written to the standard output, one JSON object a line. sdk/SPEC.md describes them.

import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'
import { Client } from '../dist/index.js'
import { encryption } from '../dist/encryption.js'

let client
const rooms = new Map() // handles by their ref
const requests = new Map() // AbortControllers by their ref
const asks = [] // what settles the answers of the provider

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const defined = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))

function provider({ reason }) {
  return new Promise((resolve, reject) => say({ asked: reason, ask: asks.push({ resolve, reject }) }))
}

const commands = {
  new({ credentials, provide, encryption: encrypted, info, software, options = {} }) {
    const { minDelay, maxDelay, stableAfter, reconnect, bufferMessages, bufferBytes, bufferPolicy, expiresAfter, ...rest } = options
    client = new Client(process.env.IGNIS_URL, defined({
      ...rest,
      WebSocket,
      software,
      credentials: provide ? provider : credentials,
      encryption: encrypted ? encryption(defined({ info })) : undefined,
      reconnect: reconnect ?? defined({ minDelay, maxDelay, stableAfter }),
      buffer: defined({ maxMessages: bufferMessages, maxBytes: bufferBytes, policy: bufferPolicy, expiresAfter }),
    }))
    client.onState(({ state, reason, retryAt }) => {
      if (state === 'connected') say({ state, id: client.id, userId: client.userId, protocol: client.protocol })
      else say({ state, code: reason?.code, closeCode: reason?.closeCode, text: reason?.text, serverCode: reason?.serverCode, retryIn: retryAt && Math.max(retryAt - Date.now(), 0) })
    })
    client.onMessage((message) => say({ message }))
    client.onError((error) => say({ error: error.code, text: error.message }))
  },
  connect: () => client.connect(),
  close: () => client.close(),
  room({ room, ref }) {
    const handle = client.room(room)
    rooms.set(ref, handle)
    handle.on('say', (data, message) => say({ message, ref }))
    handle.onState(({ state, reason }) => {
      if (state === 'joined' || reason) say({ joined: ref, error: reason?.code, text: reason?.text })
    })
    if (handle.state === 'joined') say({ joined: ref })
  },
  leave: ({ ref }) => rooms.get(ref).leave(),
  send({ ref, event, data, room, timeout, volatile, retry }) {
    const abort = new AbortController()
    requests.set(ref, abort)
    const result = client.send(event, data, defined({ room, timeout, volatile, retry, signal: abort.signal }))
    result.then((data) => say({ result: ref, data }), (error) => say({ result: ref, error: error.code, text: error.text }))
  },
  cancel: ({ ref }) => requests.get(ref).abort(),
  provide({ ask, credentials, error }) {
    if (error) asks[ask - 1].reject(new Error(error))
    else asks[ask - 1].resolve(credentials)
  },
  throw: ({ event }) => client.on(event, () => { throw new Error('thrown by the test') }),
}

say({ lacks: [] })
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  if (command.do === 'exit') break
  commands[command.do](command)
}
client?.close()

// A program for each runtime: node, bun or deno runtime.mjs URL, with the option encrypted. It
// chats with itself, loses its connection, chats again, closes, and must then end by itself,
// because the client leaves no timer and no socket.

import process from 'node:process'
import { encryption } from '../../dist/encryption.js'
import { Client } from '../../dist/index.js'

const [url, option] = process.argv.slice(2)
const client = new Client(url, { token: 'ann', reconnect: { minDelay: 10, maxDelay: 20 }, ...(option === 'encrypted' && { encryption: encryption() }) })
client.onError((error) => {
  throw error
})
const room = client.room('lobby')

/** Sends a text, and returns what the room receives. */
async function echo(text) {
  const { promise, resolve } = Promise.withResolvers()
  const off = room.on('say', (data, { from }) => resolve(`${from.userId}: ${data.text}`))
  await room.send('say', { text })
  const answer = await promise
  off()
  return answer
}

await client.connect()
const before = await echo('before')
const lost = new Promise((resolve) => client.onState(({ state }) => state === 'waiting' && resolve()))
console.log('cut') // the test cuts the connection
await lost
const after = await echo('after')
client.close()
console.log(JSON.stringify({ before, after, state: client.state, protocol: client.protocol }))

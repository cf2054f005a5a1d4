import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { agree, encryption } from '../dist/encryption.js'
import { outcome, settle, setup } from './support/fake.mjs'

const { subtle } = globalThis.crypto
const vectors = JSON.parse(readFileSync(new URL('../../../wire/testdata/vectors/ecdh-p256-aes-gcm.json', import.meta.url), 'utf8'))
const curve = { name: 'ECDH', namedCurve: 'P-256' }
const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'))

function importPrivate(d, publicKey) {
  const url = (buffer) => Buffer.from(buffer).toString('base64url')
  const point = bytes(publicKey)
  const jwk = { kty: 'EC', crv: 'P-256', d: url(bytes(d)), x: url(point.subarray(1, 33)), y: url(point.subarray(33)) }
  return subtle.importKey('jwk', jwk, curve, false, ['deriveBits'])
}

test('the vectors that all implementations share', async () => {
  const usable = vectors.filter(({ additionalData }) => additionalData === null)
  assert.ok(usable.length > 0)
  for (const v of usable) {
    const sealer = await agree(await importPrivate(v.clientPrivateD, v.clientPublicKey), bytes(v.serverPublicKey), bytes(v.salt), v.hkdfInfo)
    assert.equal(await sealer.open({ iv: v.iv, ct: v.ct }), v.plaintext)
    // What is sealed can be opened with the key of the vectors, and no iv is used twice.
    const key = await subtle.importKey('raw', bytes(v.aesKey), 'AES-GCM', false, ['decrypt'])
    const frames = [JSON.parse(await sealer.seal(v.plaintext)), JSON.parse(await sealer.seal(v.plaintext))]
    assert.notEqual(frames[0].data.iv, frames[1].data.iv)
    for (const { event, data } of frames) {
      assert.equal(event, 'encrypted')
      const text = await subtle.decrypt({ name: 'AES-GCM', iv: bytes(data.iv) }, key, bytes(data.ct))
      assert.equal(Buffer.from(text).toString(), v.plaintext)
    }
    await assert.rejects(sealer.open({ iv: v.iv, ct: v.ct.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')) }))
  }
})

/** Accepts an encrypted client, and returns what the server seals and opens with. */
async function accept(s, extra) {
  await until(() => s.socket?.readyState === 0)
  const { socket } = s
  socket.open()
  const [{ data }] = socket.take()
  const pair = await subtle.generateKey(curve, false, ['deriveBits'])
  const salt = crypto.getRandomValues(new Uint8Array(32))
  const serverPublicKey = Buffer.from(await subtle.exportKey('raw', pair.publicKey)).toString('base64')
  const sealer = await agree(pair.privateKey, bytes(data.publicKey), salt, 'ignis-ecdh-p256-aes-256-gcm-v1')
  socket.receive({ event: 'connected', data: { id: 'c', protocol: 2, maxPayload: 1000, serverPublicKey, salt: Buffer.from(salt).toString('base64'), ...extra } })
  return { socket, sealer, publicKey: data.publicKey }
}

const opened = async (sealer, messages) => JSON.parse(`[${await Promise.all(messages.map(({ data }) => sealer.open(data)))}]`)

/** Waits for WebCrypto, which works on other threads. */
async function until(condition) {
  for (let i = 0; i < 10_000 && !condition(); i++) await settle()
  assert.ok(condition())
}

test('everything is sealed, and in order in both directions', async (t) => {
  const s = setup(t, { encryption: encryption() })
  const got = []
  s.client.onMessage(({ data }) => got.push(data))
  s.client.onState(({ state }) => got.push(state))
  const lobby = s.client.room('lobby')
  s.client.connect()
  const { socket, sealer } = await accept(s)
  // Long and short messages alternate, because long ones take longer to encrypt.
  const large = (i) => (i % 2 ? 'x'.repeat(400) : i)
  const sealed = []
  for (let i = 0; i < 40; i++) sealed.push(await sealer.seal(JSON.stringify({ event: 'say', data: large(i) })))
  for (const text of sealed) socket.receive(text)
  socket.end(1001)
  await until(() => got.at(-1) === 'waiting')
  assert.deepEqual(got, ['connecting', 'connected', ...Array.from({ length: 40 }, (_, i) => large(i)), 'waiting'])

  await s.clock.advance(600)
  const next = await accept(s, { maxPayload: 100_000 })
  await until(() => s.client.state === 'connected')
  for (let i = 0; i < 40; i++) s.client.send('say', large(i)).catch(() => {})
  await until(() => next.socket.sent.length === 41)
  const messages = await opened(next.sealer, next.socket.take())
  assert.deepEqual(messages.map(({ event }) => event), ['join', ...Array(40).fill('say')])
  assert.deepEqual(messages.slice(1).map(({ data }) => data), Array.from({ length: 40 }, (_, i) => large(i)))
  assert.equal(lobby.state, 'joining')
  assert.equal(new Set(messages.map(({ id }) => id)).size, 41)
})

test('a sealed message is larger, and what is not sent is not lost', async (t) => {
  const s = setup(t, { encryption: encryption() })
  s.client.connect()
  const { socket } = await accept(s)
  await until(() => s.client.state === 'connected')
  const large = outcome(s.client.send('a', 'x'.repeat(800)))
  await until(() => large.count)
  assert.equal(large.code, 'too_large')
  const waiting = outcome(s.client.send('b'))
  socket.end() // before it was sealed
  await s.clock.advance(600)
  const next = await accept(s)
  await until(() => next.socket.sent.length === 1)
  const [message] = await opened(next.sealer, next.socket.take())
  assert.equal(message.event, 'b')
  assert.equal(waiting.count, 0)
})

test('each attempt has its own key', async (t) => {
  const s = setup(t, { encryption: encryption() })
  s.client.connect()
  const first = await accept(s)
  await until(() => s.client.state === 'connected')
  first.socket.end()
  await s.clock.advance(600)
  const second = await accept(s)
  assert.notEqual(first.publicKey, second.publicKey)
})

test('what is not sealed with the key ends the connection and reaches nobody', async (t) => {
  const other = await agree((await subtle.generateKey(curve, false, ['deriveBits'])).privateKey, bytes(vectors[0].serverPublicKey), new Uint8Array(32), 'x')
  for (const text of ['{"event":"say"}', '{"event":"ack"}', 'x', await other.seal('{"event":"say"}'), '{"event":"encrypted"}', '{"event":"encrypted","data":{"iv":"","ct":"!"}}']) {
    await t.test(text.slice(0, 30), async (t) => {
      const s = setup(t, { encryption: encryption() })
      const got = []
      s.client.onMessage((message) => got.push(message))
      s.client.connect()
      const { socket } = await accept(s)
      await until(() => s.client.state === 'connected')
      socket.receive(text)
      socket.receive(text)
      await until(() => s.client.state === 'waiting')
      assert.equal(s.states.at(-1).reason.code, 'protocol')
      assert.deepEqual(got, [])
      assert.ok(socket.readyState >= 2)
    })
  }
})

test('a server that does not encrypt is refused', async (t) => {
  const s = setup(t, { encryption: encryption() })
  const connected = outcome(s.client.connect())
  await accept(s, { serverPublicKey: undefined })
  await until(() => s.client.state === 'closed')
  await settle()
  assert.equal(connected.code, 'encryption_required')
})

test('a key or a salt of the server that is not valid is final', async (t) => {
  for (const extra of [{ serverPublicKey: 'AAAA' }, { serverPublicKey: '!' }, { serverPublicKey: 5 }, { salt: {} }]) {
    await t.test(JSON.stringify(extra), async (t) => {
      const s = setup(t, { encryption: encryption() })
      const connected = outcome(s.client.connect())
      await accept(s, extra)
      await until(() => connected.count)
      assert.deepEqual([s.client.state, connected.code], ['closed', 'protocol'])
    })
  }
})

test('a sealed answer of the wrong shape ends the connection, and the next one works', async (t) => {
  const s = setup(t, { encryption: encryption() })
  const lobby = s.client.room('lobby')
  s.client.connect()
  const { socket, sealer } = await accept(s)
  await until(() => socket.sent.length === 1)
  const [{ id }] = await opened(sealer, socket.take())
  socket.receive(await sealer.seal(JSON.stringify({ event: 'ack', id, data: { rooms: [null] } })))
  await until(() => s.client.state === 'waiting')
  assert.equal(s.states.at(-1).reason.code, 'protocol')
  await s.clock.advance(600)
  const next = await accept(s)
  await until(() => next.socket.sent.length === 1)
  const [join] = await opened(next.sealer, next.socket.take())
  next.socket.receive(await next.sealer.seal(JSON.stringify({ event: 'ack', id: join.id, data: { rooms: [{ room: 'lobby' }] } })))
  await until(() => lobby.state === 'joined')
})

test('close while a key pair is made opens no socket', async (t) => {
  const s = setup(t, { encryption: encryption() })
  s.client.connect()
  await Promise.resolve()
  await Promise.resolve()
  s.client.close()
  for (let i = 0; i < 20; i++) await settle()
  assert.equal(s.sockets.length, 0)
})

test('order, although WebCrypto finishes in another order', async (t) => {
  const s = setup(t, { encryption: encryption() })
  const got = []
  s.client.onMessage(({ data }) => got.push(data))
  s.client.connect()
  const { socket, sealer } = await accept(s)
  await until(() => s.client.state === 'connected')
  const texts = await Promise.all([0, 1, 2, 3].map((data) => sealer.seal(JSON.stringify({ event: 'say', data }))))
  for (const name of ['encrypt', 'decrypt']) {
    const original = subtle[name].bind(subtle)
    let calls = 0
    t.mock.method(subtle, name, async (...args) => {
      for (let i = 20 - 5 * calls++; i > 0; i--) await settle() // the first calls take longest
      return original(...args)
    })
  }
  for (const text of texts) socket.receive(text)
  for (let i = 0; i < 4; i++) s.client.send('say', i).catch(() => {})
  await until(() => got.length === 4 && socket.sent.length === 4)
  assert.deepEqual(got, [0, 1, 2, 3])
  t.mock.restoreAll()
  assert.deepEqual((await opened(sealer, socket.take())).map(({ data }) => data), [0, 1, 2, 3])
})

test('close while a key is agreed on connects nobody', async (t) => {
  const s = setup(t, { encryption: encryption() })
  s.client.connect()
  await accept(s)
  s.client.close()
  for (let i = 0; i < 20; i++) await settle()
  assert.deepEqual(s.states.map(({ state }) => state), ['connecting', 'closed'])
})

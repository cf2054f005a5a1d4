// A server of which tests write each message, without a network.

import assert from 'node:assert/strict'
import { Client } from '../../dist/index.js'
import { Clock, settle } from './clock.mjs'

export class FakeSocket {
  readyState = 0
  bufferedAmount = 0
  onopen = null
  onmessage = null
  onerror = null
  onclose = null
  sent = []
  closedWith = undefined

  constructor(url) {
    this.url = url
  }

  send(text) {
    assert.equal(this.readyState, 1, 'sends on a socket that is not open')
    this.sent.push(JSON.parse(text))
  }

  close(code) {
    if (code !== undefined && code !== 1000 && code < 3000) throw new Error('InvalidAccessError') // as in browsers
    this.closedWith ??= code ?? 1005
    if (this.readyState < 3) this.readyState = 2
  }

  // What the server does.

  open() {
    this.readyState = 1
    this.onopen?.({})
  }

  receive(message) {
    this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) })
  }

  end(code = 1006, reason = '') {
    this.readyState = 3
    this.onerror?.({})
    this.onclose?.({ code, reason })
  }

  ack(message, data) {
    this.receive({ event: 'ack', id: message.id, data })
  }

  /** The messages sent since the last call, without heartbeats. */
  take() {
    return this.sent.splice(0).filter(({ event }) => event !== 'heartbeat')
  }
}

/** Makes a client with a clock and sockets that the test controls, and cleans up after it. */
export function setup(t, options = {}) {
  const clock = new Clock().install()
  const sockets = []
  const states = []
  const errors = []
  class Socket extends FakeSocket {
    constructor(url) {
      super(url)
      sockets.push(this)
    }
  }
  const client = new Client('ws://test/ws', { WebSocket: Socket, ...options })
  client.onState((change) => states.push(change))
  client.onError((error) => errors.push(error))
  t.after(async () => {
    client.close()
    await clock.advance(1)
    clock.uninstall()
    assert.equal(clock.timers.size, 0, 'timers are left')
    for (const socket of sockets) assert.ok(socket.readyState >= 2, 'a socket is left')
  })
  return {
    client, clock, sockets, states, errors,
    /** The latest socket. */
    get socket() {
      return sockets.at(-1)
    },
    /** Accepts the latest socket. */
    async accept(data = {}) {
      await settle()
      const socket = sockets.at(-1)
      socket.open()
      const [authenticate] = socket.take()
      assert.equal(authenticate.event, 'authenticate')
      socket.receive({ event: 'connected', data: { id: `c${sockets.length}`, time: '2026-01-31T09:05:07.123Z', protocol: 2, heartbeat: 90_000, maxPayload: 1000, ...data } })
      await settle()
      return socket
    },
    async connect(data) {
      client.connect()
      return this.accept(data)
    },
  }
}

/** Records how a promise ends. */
export function outcome(promise) {
  const result = { count: 0 }
  promise.then(
    (value) => Object.assign(result, { value, count: result.count + 1 }),
    (error) => Object.assign(result, { error, code: error.code, count: result.count + 1 }),
  )
  return result
}

export { settle }

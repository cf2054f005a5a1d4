// A server without a network: it accepts every client and every room, and answers every request,
// in protocol 2.

import { Client } from '../../dist/index.js'

/** Returns a server and a client that is connected to it, until the test ends. */
export async function start(t, options) {
  const server = fakeServer(options)
  const client = new Client('ws://fake', { WebSocket: server.WebSocket, reconnect: { minDelay: 1, maxDelay: 1 } })
  t.after(() => client.close())
  await client.connect()
  return { server, client }
}

/** Returns a server and the WebSocket class that reaches it. */
export function fakeServer({ refuse = [], close, protocol = 2, said } = {}) {
  const server = { WebSocket: FakeWebSocket, refuse, close, frames: [], sockets: new Set(), emit, drop, sent }

  /** Sends a message to all clients. */
  function emit(frame) {
    for (const socket of server.sockets) socket.receive(frame)
  }

  /** Loses all connections. */
  function drop(code = 1006) {
    for (const socket of [...server.sockets]) socket.end(code)
  }

  /** The data of the messages of an event that arrived. */
  function sent(event) {
    return server.frames.filter((frame) => frame.event === event).map(({ data }) => data)
  }

  function handle(socket, frame) {
    const { event, data, id } = frame
    if (event !== 'heartbeat') server.frames.push(frame)
    if (event === 'authenticate') {
      if (server.close && said) socket.receive({ event: 'error', data: said })
      if (server.close) return queueMicrotask(() => socket.end(server.close))
      server.sockets.add(socket)
      const connected = { id: 'c' + server.sent(event).length, time: new Date().toISOString(), ...(protocol === 2 && { protocol, heartbeat: 90_000, maxPayload: 131_072 }) }
      return socket.receive({ event: 'connected', data: connected })
    }
    if (id === undefined) return
    const answer = event === 'say' && server.answer ? server.answer(frame) : { event: 'ack', data: reply(event, data) }
    if (answer) socket.receive({ ...answer, id })
  }

  function reply(event, data) {
    if (event !== 'join') return event === 'leave' ? undefined : data
    const [joined, refused] = [false, true].map((wanted) => data.rooms.filter((room) => server.refuse.includes(room) === wanted))
    return { rooms: joined.map((room) => ({ room })), refused: refused.map((room) => ({ room, code: 'forbidden', ...said })) }
  }

  function FakeWebSocket() {
    const socket = {
      readyState: 0,
      bufferedAmount: 0,
      send: (text) => queueMicrotask(() => handle(socket, JSON.parse(text))),
      receive: (frame) => queueMicrotask(() => socket.readyState === 1 && socket.onmessage?.({ data: JSON.stringify(frame) })),
      close: (code = 1000) => socket.end(code),
      end(code) {
        if (socket.readyState === 3) return
        socket.readyState = 3
        server.sockets.delete(socket)
        queueMicrotask(() => socket.onclose?.({ code, reason: code === 4003 ? 'bad token' : '' }))
      },
    }
    queueMicrotask(() => {
      socket.readyState = 1
      socket.onopen?.()
    })
    return socket
  }

  return server
}

/** Waits until everything that needs no time has happened. */
export async function settle() {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve))
}

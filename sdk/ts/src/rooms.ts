import { IgnisError, type ErrorCode } from './errors.js'
import { Listeners } from './listeners.js'
import { refusal, type Requests } from './requests.js'
import { after, type Cancel } from './timers.js'
import type { Message, RoomState, RoomStateChange } from './types.js'

/** The maximum number of rooms in one join; a server with a lower one refuses, and they are split. */
const batch = 128

/** Rooms that are refused for these reasons are tried again after a while. */
const temporary: readonly string[] = ['rate_limited', 'unavailable', 'timeout'] satisfies ErrorCode[]
const retryAfter = 5000

/** The membership in a room, which all handles of the room share. */
export class Membership {
  readonly name: string
  readonly changes: Listeners<[RoomStateChange]>
  readonly messages: Listeners<[Message]>
  state: RoomState = 'joining'
  /** Why the server refused the client. */
  reason: IgnisError | undefined
  /** The number of open handles. */
  handles = 0
  /** Whether the server was asked on this connection. */
  asked = false
  /** Settled when the server has answered. */
  joined!: Promise<void>
  #settle!: (reason?: IgnisError) => void
  #before = false // whether the client was in the room before

  constructor(name: string, report: (thrown: unknown) => void) {
    this.name = name
    this.changes = new Listeners(report)
    this.messages = new Listeners(report)
    this.renew()
  }

  become(state: RoomState, reason?: IgnisError): void {
    const previous = this.state
    if (state === previous) return
    this.state = state
    this.reason = reason
    if (previous !== 'joining') this.renew()
    if (state !== 'joining') this.settle(reason)
    this.changes.emit({ state, previous, ...(reason && { reason }), ...(state === 'joined' && { missed: this.#before }) })
    this.#before ||= state === 'joined'
  }

  /** Settles the promise, unless it is settled already. */
  settle(reason?: IgnisError): void {
    this.#settle(reason)
  }

  renew(): void {
    this.joined = new Promise((resolve, reject) => {
      this.#settle = (reason) => (reason ? reject(reason) : resolve())
    })
    this.joined.catch(() => {}) // the state tells it, too
  }
}

/** Joins the rooms that have open handles, on every connection. */
export class Rooms {
  readonly #requests: Requests
  readonly #report: (thrown: unknown) => void
  readonly #rooms = new Map<string, Membership>()
  #connected = false
  #retry: Cancel | undefined

  constructor(requests: Requests, report: (thrown: unknown) => void) {
    this.#requests = requests
    this.#report = report
  }

  get(name: unknown): Membership | undefined {
    return this.#rooms.get(name as string)
  }

  /** Opens a handle. */
  enter(name: string): Membership {
    let room = this.#rooms.get(name)
    if (!room) this.#rooms.set(name, (room = new Membership(name, this.#report)))
    room.handles++
    if (room.state === 'refused') this.#again(room)
    if (!room.asked) queueMicrotask(() => this.flush())
    return room
  }

  /** Closes a handle. The last one leaves the room, unless another is opened in this task. */
  leave(room: Membership): void {
    if (--room.handles) return
    setTimeout(() => {
      if (room.handles || this.#rooms.get(room.name) !== room) return
      this.#rooms.delete(room.name)
      if (room.asked) this.#requests.call('leave', { rooms: [room.name] }, Infinity, () => {})
    })
  }

  /** Asks for all rooms. It is called for each connection, before messages are sent. */
  opened(): void {
    this.#connected = true
    this.rejoin()
  }

  /** Asks for all rooms again: after a connection began, or if the client may have lost some. */
  rejoin(): void {
    for (const room of this.#rooms.values()) this.#again(room)
    this.flush()
  }

  /** The closed client connects again. */
  reopen(): void {
    for (const room of this.#rooms.values()) room.renew()
  }

  /** The connection ended. With a reason, there will not be another one by itself. */
  lost(reason?: IgnisError): void {
    this.#connected = false
    this.#retry?.()
    for (const room of this.#rooms.values()) {
      room.asked = false
      if (room.state === 'joined') room.become('joining')
      if (reason) room.settle(reason)
    }
  }

  /** Asks for the rooms that were opened since the last call. */
  flush(): void {
    if (!this.#connected) return
    const rooms = [...this.#rooms.values()].filter((room) => !room.asked && room.handles)
    for (let i = 0; i < rooms.length; i += batch) this.#join(rooms.slice(i, i + batch))
  }

  #again(room: Membership): void {
    if (!room.handles) return
    room.asked = false
    if (room.state === 'refused') room.become('joining')
  }

  #join(rooms: Membership[]): void {
    for (const room of rooms) room.asked = true
    const answered = (error?: IgnisError, reply?: unknown) => this.#answered(rooms, error, reply)
    this.#requests.call('join', { rooms: rooms.map((room) => room.name) }, Infinity, answered)
  }

  #answered(rooms: Membership[], error?: IgnisError, reply?: unknown): void {
    if (error?.code === 'lost' || error?.code === 'closed') return // lost() has been called, or will be
    if (error?.code === 'too_large' && rooms.length > 1) {
      this.#join(rooms.splice(rooms.length >> 1))
      this.#join(rooms)
      return
    }
    // In protocol 1 there is no reply, and the client can only assume that it has joined.
    const { rooms: joined, refused } = (reply ?? {}) as { rooms?: { room: string }[]; refused?: { room: string; code: ErrorCode }[] }
    for (const room of rooms) {
      if (this.#rooms.get(room.name) !== room) continue // left meanwhile
      if (!error && (!joined || joined.some((other) => other.room === room.name))) {
        room.become('joined')
        continue
      }
      const code = refused?.find((other) => other.room === room.name)?.code
      const reason = error ?? refusal({ code, message: `room ${room.name}: ${code ?? 'invalid'}` })
      room.become('refused', reason)
      if (temporary.includes(reason.code)) this.#later()
    }
  }

  #later(): void {
    this.#retry?.()
    this.#retry = after(retryAfter * (1 + Math.random()), () => {
      for (const room of this.#rooms.values()) if (room.reason && temporary.includes(room.reason.code)) this.#again(room)
      this.flush()
    })
  }
}

import { createEmitter, listening, type Emitter, type Report } from './emitter.js'
import { refusal, temporary, type IgnisError, type Refusal } from './errors.js'
import { failure, type Requests } from './requests.js'
import { after, now, type Cancel } from './timers.js'
import type { EventName, Message, RoomState, RoomStateChange, SendArguments, SendOptions } from './types.js'

/**
 * A handle of a room. The client is in the room, also after it reconnected, until the last handle
 * of the room has been left.
 */
export interface Room<Events extends object = Record<string, unknown>> {
  readonly name: string
  readonly state: RoomState
  /**
   * Resolves when the client is in the room, and rejects if the server refuses it for good, or if the client
   * is closed, or the last handle left, before that. It may be ignored. After the connection was lost, it is
   * a new promise.
   */
  readonly joined: Promise<void>
  /** Calls listener for each message of the event to the room. Returns a function that removes it. */
  on<E extends EventName<Events>>(event: E, listener: (data: Events[E], message: Message<Events[E]>) => void): Cancel
  /** Calls listener for each message to the room. Returns a function that removes it. */
  onMessage(listener: (message: Message) => void): Cancel
  /** Calls listener for each change of the state. Returns a function that removes it. */
  onState(listener: (change: RoomStateChange) => void): Cancel
  /** Sends a message to the room and returns the reply. See `Client.send`. */
  send<E extends EventName<Events>, Reply = unknown>(event: E, ...rest: SendArguments<Events[E]>): Promise<Reply>
  /** Closes this handle and removes its listeners. The last handle to be left leaves the room. */
  leave(): void
}

/** The membership in a room, which all handles of the room share. */
export interface Membership extends ReturnType<typeof deferred> {
  readonly handles: Set<Emitter>
  state: RoomState
  /** Whether the server was asked on this connection; undefined if it could not decide, so it is asked later. */
  asked: boolean | undefined
  /** Why the latest answer was not that the client has joined. */
  why?: IgnisError | undefined
}

/** A promise that may be ignored, and the function that settles it. */
export function deferred(): { promise: Promise<void>; settle: (error?: IgnisError) => void } {
  let settle!: (error?: IgnisError) => void
  const promise = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve())
  })
  promise.catch(() => {})
  return { promise, settle }
}

/** Joins the rooms that have open handles, on every connection. */
export interface Rooms {
  /** Returns the membership in a room that has handles, or had some until just now. */
  get(name: unknown): Membership | undefined
  /** Opens a handle. */
  open(name: string): Room
  /** Asks for all rooms: on each connection, or if the client may have lost some. */
  rejoin(): void
  /** Leaves and joins the rooms that were left and opened since the last call. */
  flush(): void
  /** The connection ended. With an error, there will not be another one by itself. */
  unlink(closed?: IgnisError): void
}

/** The maximum number of rooms in one join. */
const batch = 128

/** Calls listeners, but not while others are called: all hear of the changes in their order. */
export type Tell = (call: () => void) => void

type Send = (event: string, data: unknown, options: SendOptions) => Promise<unknown>

export function createRooms(requests: Requests, send: Send, report: Report, tell: Tell, delay: (since?: number) => number): Rooms {
  const rooms = new Map<unknown, Membership>()
  let connected = false
  let cancel: Cancel | undefined // the timer for the next try
  let tried: number | undefined

  function become(room: Membership, state: RoomState, reason?: IgnisError): void {
    const { state: previous } = room
    const handles = [...room.handles]
    if (state === previous && !reason) return
    room.state = state
    if (previous !== 'joining') Object.assign(room, deferred())
    if (state !== 'joining') room.settle(reason)
    tell(() => handles.forEach((handle) => handle.emit('state', { state, previous, reason })))
  }

  function flush(): void {
    rooms.forEach((room, name) => {
      if (room.handles.size) return
      rooms.delete(name)
      room.settle(failure('aborted'))
      if (room.asked !== false) requests.call('leave', { rooms: [name] }, () => {})
    })
    const wanted = [...rooms].filter(([, room]) => connected && room.asked === false && room.handles.size)
    while (wanted[0]) join(wanted.splice(0, batch))
  }

  function join(asked: [name: unknown, room: Membership][]): void {
    for (const [, room] of asked) room.asked = true
    requests.call('join', { rooms: asked.map(([name]) => name) }, (error, reply) => {
      // In protocol 1 there is no reply, and the client can only assume that it has joined.
      const { rooms: joined, refused } = (reply ?? {}) as { rooms?: { room: string }[]; refused?: ({ room: string } & Refusal)[] }
      for (const [name, room] of asked) {
        if (!connected) return // it is asked again on the next connection
        const isThis = (other: { room: string }) => other.room === name
        const reason = error ?? (!joined || joined.some(isThis) ? undefined : refusal(refused?.find(isThis)))
        room.why = reason
        if (temporary(reason)) {
          room.asked = undefined
          cancel ??= after(delay(tried), askAgain)
        }
        become(room, !reason ? 'joined' : room.asked ? 'refused' : 'joining', reason)
      }
    })
  }

  /** Asks for all rooms about which the server could not decide. */
  function askAgain(): void {
    cancel = undefined
    tried = now()
    rooms.forEach((room) => room.asked ?? renew(room))
    flush()
  }

  /** Asks for a room again. */
  function renew(room: Membership): void {
    if (!room.handles.size) return
    room.asked = false
    if (room.state === 'refused') become(room, 'joining')
  }

  return {
    get: (name) => rooms.get(name),
    open(name) {
      const handle = createEmitter(report)
      const room = rooms.get(name) ?? { handles: new Set(), state: 'joining', asked: false, ...deferred() }
      let left = false
      rooms.set(name, room)
      room.handles.add(handle)
      if (room.state === 'refused') renew(room)
      queueMicrotask(flush) // not yet, because effects of React leave rooms and open them again
      return {
        name,
        get state() {
          return left ? 'left' : room.state
        },
        get joined() {
          return room.promise
        },
        ...listening(handle),
        send: (event, ...[data, options]) => send(event, data, { ...options, room: name }) as Promise<never>,
        leave() {
          if (left) return
          left = true
          handle.clear()
          room.handles.delete(handle)
          queueMicrotask(flush)
        },
      }
    },
    rejoin() {
      connected = true
      rooms.forEach(renew)
      flush()
    },
    flush,
    unlink(closed) {
      connected = false
      cancel = cancel?.() as undefined
      for (const room of rooms.values()) {
        room.asked = false
        if (room.state === 'joined') become(room, 'joining')
        if (!closed) continue
        room.settle(closed)
        Object.assign(room, deferred())
      }
    },
  }
}

import { createConnection, type Connection } from './connection.js'
import { createEmitter, listening } from './emitter.js'
import { IgnisError, refusal } from './errors.js'
import type { Frame } from './frames.js'
import { watchPage } from './page.js'
import { serverEvents } from './protocol.js'
import { createRequests, failure } from './requests.js'
import { createRooms, deferred, type Room } from './rooms.js'
import type { Link } from './socket.js'
import { createDelays, now, type Cancel } from './timers.js'
import type { Ask, Connected, EventName, Message, Options, Provided, SendArguments, SendOptions, State, StateChange } from './types.js'

/** A client of an Ignis server. It connects when `connect` is called, and again when it has to. */
export class Client<Events extends object = Record<string, unknown>> {
  /**
   * Connects, and connects again whenever the connection is lost, until `close` is called. The
   * promise resolves when the client is connected, and rejects when it is closed before that. It
   * may be ignored.
   */
  declare readonly connect: () => Promise<void>

  /** Closes the connection, and rejects everything that waits. It is final until `connect`. */
  declare readonly close: () => void

  /** Opens a handle of a room, and joins the room, unless the client is in it already. */
  declare readonly room: (name: string) => Room<Events>

  /**
   * Sends a message and returns the reply of the server, in protocol 1 undefined. Without a
   * connection, the message waits for the next one. It rejects with an `IgnisError`.
   */
  declare readonly send: <E extends EventName<Events>, Reply = unknown>(event: E, ...rest: SendArguments<Events[E]>) => Promise<Reply>

  /** Calls listener for each message of the event. Returns a function that removes it. */
  declare readonly on: <E extends EventName<Events>>(event: E, listener: (data: Events[E], message: Message<Events[E]>) => void) => Cancel

  /** Calls listener for each message. Returns a function that removes it. */
  declare readonly onMessage: (listener: (message: Message) => void) => Cancel

  /** Calls listener for each change of the state. Returns a function that removes it. */
  declare readonly onState: (listener: (change: StateChange) => void) => Cancel

  /**
   * Calls listener for each error that belongs to no call, such as that of a listener. Without
   * a listener, such errors are written to the console. Returns a function that removes it.
   */
  declare readonly onError: (listener: (error: IgnisError) => void) => Cancel

  readonly #connection: Connection

  /** In browsers, the URL may be relative to that of the page. */
  constructor(url: string | URL, options: Options = {}) {
    const { token, credentials } = options
    const provided = (credentials ?? token) instanceof Function
    const emitter = createEmitter(report)
    const requests = createRequests(options)
    const rooms = createRooms(requests, send, report, tell, createDelays(options.reconnect || {}))
    const connection = (this.#connection = createConnection({ ...options, url, provide, provided }, { changed, received, report }))
    const calls: (() => void)[] = [] // of listeners, for changes that they have not heard of yet
    let connecting: ReturnType<typeof deferred> | undefined
    let unwatch: Cancel | undefined

    Object.assign(this, listening(emitter), {
      connect() {
        if (options.page !== false) unwatch ??= watchPage(connection)
        const { promise } = (connecting ??= deferred())
        connection.happen('connect')
        return promise
      },
      close: () => connection.happen('close', { reason: failure('closed') }),
      room: rooms.open,
      send,
      onError: (listener: (error: IgnisError) => void) => emitter.on('error', listener),
    })

    function send(event: string, data: unknown, sendOptions?: SendOptions): Promise<unknown> {
      if (connection.state === 'closed') return Promise.reject(failure('closed'))
      rooms.flush() // a message to a room comes after the join
      return requests.send(event, data, sendOptions).catch((error: IgnisError) => {
        // The client wants to be in the room, so that it is not does not mean that it may not.
        const room = rooms.get(sendOptions?.room)
        throw (room?.state === 'joining' && error.code === 'forbidden' && room.why) || error
      })
    }

    /** Returns the data of `authenticate`. */
    async function provide(ask: Ask): Promise<object> {
      const get = <T>(value: Provided<T>): T | Promise<T> => (value instanceof Function ? value(ask) : value)
      try {
        return credentials ? await get(credentials) : token ? { type: 'Bearer', token: await get(token) } : {}
      } catch (cause) {
        throw new IgnisError('unavailable', 'No credentials: ' + String(cause), cause)
      }
    }

    /**
     * Does something first, and then calls listeners. If a listener is the cause, they are called
     * after it returns: all of them hear of all changes in their order.
     */
    function tell(call: () => void, first?: () => void): void {
      const busy = calls.push(call) > 1
      first?.()
      if (!busy) for (; calls[0]; calls.shift()) calls[0]()
    }

    /** Does what a change of the state requires, and reports it. */
    function changed(change: StateChange): void {
      const { state, previous } = change
      const closed = state === 'closed' ? change.reason : undefined
      const required = () => {
        if (state === 'connected') {
          requests.opened(connection.link!, rooms.rejoin)
          ;(connecting ??= deferred()).settle()
        } else if (closed || previous === 'connected') {
          rooms.unlink(closed)
          requests.unlink(closed)
          connecting?.settle(closed)
          connecting = undefined
        }
        if (closed) unwatch = unwatch?.() as undefined
      }
      tell(() => emitter.emit('state', change), required)
    }

    function received(frame: Frame): void {
      const { event, data, from, id } = frame
      const link = connection.link!
      const version2 = link.protocol > 1
      if (!serverEvents.slice(0, link.protocol).flat().includes(event)) {
        // In protocol 1 the data names the room.
        const name = version2 ? frame.room : (data as { room?: string } | undefined)?.room
        const handles = rooms.get(name)?.handles
        const message: Message = { event, data, room: version2 || handles ? name : undefined, from: version2 ? from : undefined }
        for (const target of [...(handles ?? []), emitter]) {
          target.emit('on ' + event, data, message)
          target.emit('message', message)
        }
      } else if (id !== undefined) requests.received(frame)
      else if (event === 'error') report(refusal(data))
      else if (event === 'expiring') refresh(link)
      else if (event === 'draining') {
        const ms = Number((data as { retryAfter?: unknown } | undefined)?.retryAfter)
        if (ms > 0) link.draining = now() + ms
      }
    }

    /** Sends new credentials before the session ends. The clock of this machine is not asked. */
    function refresh(link: Link): void {
      if (!provided || link.refresh) return
      link.refresh = true
      const done = (error?: unknown, reply?: unknown) => {
        link.refresh = false
        if (connection.link !== link) return
        if (error) return report(error)
        Object.assign(link.greeting!, reply)
        rooms.rejoin() // the new credentials may not allow all of them
      }
      provide({ reason: 'refresh', signal: link.signal })
        .then((data) => connection.link === link && requests.call('refresh', data, done))
        .catch(done)
    }

    /** Reports what a function of the application threw, or another error that belongs to no call. */
    function report(cause: unknown, name?: string): void {
      const error = cause instanceof IgnisError ? cause : new IgnisError('internal', 'A listener failed: ' + String(cause), cause)
      if (name === 'error' || !emitter.emit('error', error)) console.error(error)
    }
  }

  get state(): State {
    return this.#connection.state
  }

  /** The data of `connected` of the latest connection. */
  get connection(): Connected | undefined {
    return this.#connection.data
  }

  /** The ID that the server assigned to the latest connection. */
  get id(): string | undefined {
    return this.connection?.id
  }

  /** The user of the latest connection; undefined if the client is anonymous. */
  get userId(): string | undefined {
    return this.connection?.userId
  }

  /** The version of the protocol of the latest connection. */
  get protocol(): number | undefined {
    return this.connection?.protocol
  }
}

import { createConnection, type Connection } from './connection.js'
import { createEmitter, eventName } from './emitter.js'
import { IgnisError } from './errors.js'
import type { Frame } from './frames.js'
import { watchPage } from './page.js'
import { serverEvents } from './protocol.js'
import { createRequests, failure, refusal } from './requests.js'
import { createRooms, deferred, type Room } from './rooms.js'
import type { Link } from './socket.js'
import type { Cancel } from './timers.js'
import type { Ask, Connected, EventName, Message, Options, SendArguments, SendOptions, State, StateChange, WebSocketClass } from './types.js'

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

  /** The URL may be relative to that of the page. */
  constructor(url: string | URL, options: Options = {}) {
    const { token, credentials, reconnect, requestTimeout = 10_000 } = options
    const provided = typeof (credentials ?? token) === 'function'
    const emitter = createEmitter(report)
    const requests = createRequests({ maxMessages: 100, maxBytes: 262_144, expiresAfter: 30_000, policy: 'reject', ...options.buffer }, requestTimeout)
    const rooms = createRooms(requests, send, report)
    const connection = (this.#connection = createConnection(
      {
        WebSocket: globalThis.WebSocket as WebSocketClass | undefined,
        connectTimeout: 15_000,
        heartbeat: 30_000,
        ...options,
        url: () => resolve(String(url)),
        credentials: provide,
        provided,
        reconnect: reconnect !== false && { minDelay: 500, maxDelay: 30_000, stableAfter: 10_000, ...reconnect },
      },
      { changed, received, report },
    ))
    const changes: StateChange[] = [] // that listeners have not heard of yet
    let connecting: ReturnType<typeof deferred> | undefined
    let unwatch: Cancel | undefined

    this.connect = () => {
      if (connection.state === 'connected') return Promise.resolve()
      if (options.page !== false) unwatch ??= watchPage(connection)
      const { promise } = (connecting ??= deferred())
      connection.connect()
      return promise
    }
    this.close = () => connection.close(failure('closed'))
    this.room = (name) => rooms.open(name) as Room<Events>
    this.send = (event, ...[data, sendOptions]) => send(event, data, sendOptions) as Promise<never>
    this.on = (event, listener) => emitter.on(eventName(event), listener)
    this.onMessage = (listener) => emitter.on('message', listener)
    this.onState = (listener) => emitter.on('state', listener)
    this.onError = (listener) => emitter.on('error', listener)

    function send(event: string, data: unknown, sendOptions?: SendOptions): Promise<unknown> {
      if (connection.state === 'closed') return Promise.reject(failure('closed'))
      rooms.flush() // a message to a room comes after the join
      return requests.send(event, data, sendOptions)
    }

    /** Returns the data of `authenticate`. */
    async function provide(ask: Ask): Promise<object> {
      if (credentials) return typeof credentials === 'function' ? credentials(ask) : credentials
      const value = typeof token === 'function' ? await token(ask) : token
      return value === undefined ? {} : { type: 'Bearer', token: value }
    }

    /** Does what a change of the state requires, and reports it. */
    function changed(change: StateChange): void {
      const { state, previous, reason } = change
      if (state === 'connected') {
        requests.use(connection.link!)
        rooms.rejoin()
        requests.flush()
      } else if (state === 'closed' || previous === 'connected') {
        const closed = state === 'closed' ? reason : undefined
        rooms.lost(closed)
        requests.lost(closed)
      }
      if (state === 'connected' || state === 'closed') {
        connecting?.settle(reason)
        connecting = undefined
      }
      if (state === 'closed') {
        unwatch?.()
        unwatch = undefined
      }
      // A listener may cause the next change: all listeners hear of this one first.
      if (changes.push(change) > 1) return
      for (; changes[0]; changes.shift()) emitter.emit('state', changes[0])
    }

    function received(frame: Frame): void {
      const { event, data, from, id } = frame
      const link = connection.link!
      const version2 = link.protocol > 1
      if (!serverEvents[version2 ? 1 : 0].test(event)) {
        // In protocol 1 the data names the room.
        const room = version2 ? frame.room : (data as { room?: string } | undefined)?.room
        const handles = rooms.get(room) ?? []
        const message = { event, data, ...((version2 ? room !== undefined : rooms.get(room)) && { room }), ...(version2 && from && { from }) }
        for (const target of [...handles, emitter]) {
          target.emit(eventName(event), data, message)
          target.emit('message', message)
        }
      } else if (id !== undefined) requests.answered(frame)
      else if (event === 'error') report(refusal(data))
      else if (event === 'expiring') void refresh(link)
      else if (event === 'draining') connection.draining((data as { retryAfter: number }).retryAfter)
    }

    /** Sends new credentials before the session ends. The clock of this machine is not asked. */
    async function refresh(link: Link): Promise<void> {
      if (!provided || link.refreshing) return
      link.refreshing = true
      const done = (error?: unknown, reply?: unknown) => {
        link.refreshing = false
        if (link.signal.aborted) return
        if (error) return report(error)
        Object.assign(link.connected!, reply)
        rooms.rejoin() // the new credentials may not allow all of them
      }
      try {
        const data = await provide({ reason: 'refresh', signal: link.signal })
        if (link.signal.aborted) done()
        else requests.call('refresh', data, done)
      } catch (cause) {
        done(cause)
      }
    }

    /** Reports what a function of the application threw, or another error that belongs to no call. */
    function report(cause: unknown, name?: string): void {
      const error = cause instanceof IgnisError ? cause : new IgnisError('internal', `A function of the application failed: ${cause}`, cause)
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
    return this.connection && (this.connection.protocol === 2 ? 2 : 1)
  }
}

/** Returns the URL of a WebSocket for a URL that may be relative or that of a page. */
function resolve(url: string): string {
  return /^ws/.test(url) ? url : new URL(url, location.href).href.replace('http', 'ws')
}

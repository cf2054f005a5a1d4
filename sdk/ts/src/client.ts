import { Connection } from './connection.js'
import { IgnisError } from './errors.js'
import type { Frame } from './frames.js'
import { EventListeners, Listeners } from './listeners.js'
import { watchPage } from './page.js'
import { serverEvents } from './protocol.js'
import { refusal, Requests } from './requests.js'
import { Room, type RoomOwner } from './room.js'
import { Rooms } from './rooms.js'
import type { Link } from './socket.js'
import type { Cancel } from './timers.js'
import type { Ask, Connected, EventName, Message, Options, SendArguments, SendOptions, State, StateChange, WebSocketClass } from './types.js'

/** A client of an Ignis server. It connects when `connect` is called, and again when it has to. */
export class Client<Events extends object = Record<string, unknown>> {
  readonly #options: Options
  readonly #connection: Connection
  readonly #requests: Requests
  readonly #rooms: Rooms
  readonly #roomOwner: RoomOwner
  readonly #errors: Listeners<[IgnisError]>
  readonly #changes: Listeners<[StateChange]>
  readonly #messages: EventListeners<Message>
  readonly #unreported: StateChange[] = []
  #data: Connected | undefined
  #connecting: { promise: Promise<void>; settle: (error?: IgnisError) => void } | undefined
  #unwatch: Cancel | undefined
  #refreshing: Link | undefined

  /** The URL may be relative to that of the page. */
  constructor(url: string | URL, options: Options = {}) {
    const report = (thrown: unknown) => this.#report(thrown)
    this.#options = options
    this.#errors = new Listeners((thrown) => console.error(thrown))
    this.#changes = new Listeners(report)
    this.#messages = new EventListeners(report)
    this.#requests = new Requests(
      { maxMessages: 100, maxBytes: 262_144, expiresAfter: 30_000, policy: 'reject', ...options.buffer },
      options.requestTimeout ?? 10_000,
    )
    this.#rooms = new Rooms(this.#requests, report)
    this.#roomOwner = {
      send: (event, data, room, sendOptions) => this.#send(event, data, room, sendOptions),
      report,
      left: (room) => this.#rooms.leave(room),
    }
    this.#connection = new Connection(
      {
        url: () => resolve(String(url)),
        WebSocket: options.WebSocket ?? (globalThis.WebSocket as WebSocketClass | undefined),
        connectTimeout: options.connectTimeout ?? 15_000,
        heartbeat: options.heartbeat ?? 30_000,
        software: options.software,
        encryption: options.encryption,
        credentials: (ask) => this.#credentials(ask),
        provider: this.#provided(),
        reconnect: options.reconnect !== false && { minDelay: 500, maxDelay: 30_000, stableAfter: 10_000, ...options.reconnect },
      },
      { changed: (change) => this.#changed(change), received: (frame) => this.#received(frame), report },
    )
  }

  get state(): State {
    return this.#connection.state
  }

  /** The data of `connected` of the latest connection. */
  get connection(): Connected | undefined {
    return this.#data
  }

  /** The ID that the server assigned to the latest connection. */
  get id(): string | undefined {
    return this.#data?.id
  }

  /** The user of the latest connection; undefined if the client is anonymous. */
  get userId(): string | undefined {
    return this.#data?.userId
  }

  /** The version of the protocol of the latest connection. */
  get protocol(): number | undefined {
    return this.#data && (this.#data.protocol === 2 ? 2 : 1)
  }

  /**
   * Connects, and connects again whenever the connection is lost, until `close` is called. The
   * promise resolves when the client is connected, and rejects when it is closed before that. It
   * may be ignored.
   */
  connect(): Promise<void> {
    if (this.state === 'connected') return Promise.resolve()
    if (this.#options.page !== false) {
      const connection = this.#connection
      this.#unwatch ??= watchPage({
        suspend: () => connection.suspend(),
        resume: () => connection.resume(),
        nudge: (network) => connection.nudge(network),
      })
    }
    const { promise } = (this.#connecting ??= deferred())
    this.#connection.connect()
    return promise
  }

  /** Closes the connection, and rejects everything that waits. It is final until `connect`. */
  close(): void {
    this.#connection.close(new IgnisError('closed', 'The client was closed'))
  }

  /** Opens a handle of a room, and joins the room, unless the client is in it already. */
  room(name: string): Room<Events> {
    return new Room<Events>(this.#rooms.enter(name), this.#roomOwner)
  }

  /**
   * Sends a message and returns the reply of the server, in protocol 1 undefined. Without a
   * connection, the message waits for the next one. It rejects with an `IgnisError`.
   */
  send<E extends EventName<Events>, Reply = unknown>(event: E, ...[data, options]: SendArguments<Events[E]>): Promise<Reply> {
    return this.#send(event, data, undefined, options) as Promise<Reply>
  }

  /** Calls listener for each message of the event. Returns a function that removes it. */
  on<E extends EventName<Events>>(event: E, listener: (data: Events[E], message: Message<Events[E]>) => void): Cancel {
    return this.#messages.on(event, listener as (data: unknown, message: Message) => void)
  }

  /** Calls listener for each message. Returns a function that removes it. */
  onMessage(listener: (message: Message) => void): Cancel {
    return this.#messages.onAny(listener)
  }

  /** Calls listener for each change of the state. Returns a function that removes it. */
  onState(listener: (change: StateChange) => void): Cancel {
    return this.#changes.add(listener)
  }

  /**
   * Calls listener for each error that belongs to no call, such as that of a listener. Without
   * a listener, such errors are written to the console. Returns a function that removes it.
   */
  onError(listener: (error: IgnisError) => void): Cancel {
    return this.#errors.add(listener)
  }

  #send(event: string, data: unknown, room: string | undefined, options: SendOptions = {}): Promise<unknown> {
    this.#rooms.flush() // a message to a room comes after the join
    return this.#requests.send(event, data, room, options)
  }

  #provided(): boolean {
    return typeof (this.#options.credentials ?? this.#options.token) === 'function'
  }

  async #credentials(ask: Ask): Promise<object> {
    const { credentials, token } = this.#options
    if (credentials) return typeof credentials === 'function' ? credentials(ask) : credentials
    const value = typeof token === 'function' ? await token(ask) : token
    return value === undefined ? {} : { type: 'Bearer', token: value }
  }

  /** Does what a change of the state requires, and reports it. */
  #changed(change: StateChange): void {
    const { state, previous, reason } = change
    if (state === 'connected') this.#connected(this.#connection.link as Link)
    else if (state === 'closed') this.#closed(reason as IgnisError)
    else if (previous === 'connected') {
      this.#requests.lost()
      this.#rooms.lost()
    } else if (previous === 'closed') {
      this.#data = undefined
      this.#requests.open()
      this.#rooms.reopen()
    }
    // A listener may cause the next change: all listeners hear of this one first.
    if (this.#unreported.push(change) > 1) return
    for (let next; (next = this.#unreported[0]); this.#unreported.shift()) this.#changes.emit(next)
  }

  #connected(link: Link): void {
    this.#data = link.connected
    this.#requests.use(link)
    this.#rooms.opened()
    this.#requests.flush()
    this.#connecting?.settle()
    this.#connecting = undefined
  }

  #closed(reason: IgnisError): void {
    this.#unwatch?.()
    this.#unwatch = undefined
    this.#requests.close(reason)
    this.#rooms.lost(reason)
    this.#connecting?.settle(reason)
    this.#connecting = undefined
  }

  #received(frame: Frame): void {
    const { event, data, from } = frame
    const link = this.#connection.link as Link
    if ((serverEvents.get(event) ?? Infinity) <= link.protocol) return this.#control(frame, link)
    // In protocol 1 the data names the room.
    const name = link.protocol > 1 ? frame.room : (data as { room?: unknown } | undefined)?.room
    const room = this.#rooms.get(name)
    const known = link.protocol > 1 ? frame.room : room?.name
    const message = { event, data, ...(known !== undefined && { room: known }), ...(link.protocol > 1 && from && { from }) }
    room?.messages.emit(message)
    this.#messages.emit(message)
  }

  /** Handles an event of the protocol. */
  #control(frame: Frame, link: Link): void {
    const { event, data, id } = frame
    if (event === 'ack' || (event === 'error' && id !== undefined)) this.#requests.answered(frame)
    else if (event === 'error') this.#report(refusal(data))
    else if (event === 'expiring') void this.#refresh(link)
    else if (event === 'draining') this.#connection.draining(Number((data as { retryAfter?: unknown } | undefined)?.retryAfter) || 0)
  }

  /** Sends new credentials before the session ends. The clock of this machine is not asked. */
  async #refresh(link: Link): Promise<void> {
    if (!this.#provided() || this.#refreshing === link) return
    this.#refreshing = link
    try {
      const data = await this.#credentials({ reason: 'refresh', signal: link.signal })
      if (link.signal.aborted) return
      await new Promise<void>((done, fail) => {
        this.#requests.call('refresh', data, this.#options.requestTimeout ?? 10_000, (error, reply) => {
          if (error) return fail(error)
          this.#data = { ...(this.#data as Connected), ...(reply as { expires?: string } | undefined) }
          this.#rooms.rejoin() // the new credentials may not allow all of them
          done()
        })
      })
    } catch (cause) {
      if (!link.signal.aborted) this.#report(cause, 'unavailable', 'The session could not be extended')
    } finally {
      if (this.#refreshing === link) this.#refreshing = undefined
    }
  }

  /** Reports what a function of the application threw, or another error that belongs to no call. */
  #report(thrown: unknown, code: IgnisError['code'] = 'internal', what = 'A listener failed'): void {
    const error = thrown instanceof IgnisError ? thrown : new IgnisError(code, `${what}: ${thrown}`, { cause: thrown })
    if (this.#errors.size) this.#errors.emit(error)
    else console.error(error)
  }
}

function deferred(): { promise: Promise<void>; settle: (error?: IgnisError) => void } {
  let settle!: (error?: IgnisError) => void
  const promise = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve())
  })
  promise.catch(() => {}) // may be ignored
  return { promise, settle }
}

/** Returns the URL of a WebSocket for a URL that may be relative or that of a page. */
function resolve(url: string): string {
  return /^wss?:/i.test(url) ? url : new URL(url, globalThis.location?.href).href.replace(/^http/, 'ws')
}

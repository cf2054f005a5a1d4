import { IgnisError, type ErrorCode } from './errors.js'
import { encode, encode1, size, type Frame } from './frames.js'
import { clientEvents } from './protocol.js'
import type { Link } from './socket.js'
import { deadline, now, type Cancel } from './timers.js'
import type { BufferOptions, SendOptions } from './types.js'

/** Called once with the result of a request. */
type Done = (error: IgnisError | undefined, reply?: unknown) => void

/** A message that was accepted and not answered yet. */
interface Entry {
  readonly id: string
  readonly event: string
  readonly json: string | undefined
  readonly room: string | undefined
  readonly size: number
  readonly options: SendOptions
  /** Whether it belongs to one connection, and ends with it. */
  readonly bound: boolean
  readonly done: Done
  /** When it began to wait for a connection, on both clocks. */
  since: [monotonic: number, wall: number]
  /** Whether the server may have received it. */
  sent: boolean
  /** Cancels the timer: of the buffer, and then of the answer. */
  cancel: Cancel | undefined
}

/** Above this many bytes that wait to be sent, volatile messages are dropped. */
const congested = 64 << 10

const texts = {
  lost: 'The connection was lost before the answer arrived; the server may have carried out the request',
  closed: 'The client is closed',
  expired: 'There was no connection before the message expired',
  buffer_full: 'The buffer for messages without a connection is full',
  aborted: 'The request was canceled',
  too_large: 'The message is larger than the server accepts',
  timeout: 'The server did not answer in time; it may have carried out the request',
  invalid: 'The event is empty or belongs to the protocol',
} satisfies { [code in ErrorCode]?: string }

/** Sends messages and keeps those that wait: for a connection, or for an answer. */
export class Requests {
  readonly #buffer: Required<BufferOptions>
  readonly #timeout: number
  // In the order of the calls, which is also the order in which they are sent.
  readonly #entries = new Map<string, Entry>()
  // IDs differ between clients too, so that a server can recognize a message that is sent again.
  readonly #prefix = Math.random().toString(36).slice(2, 10) + Date.now().toString(36) + '-'
  #count = 0
  #link: Link | undefined
  #closed: IgnisError | undefined

  constructor(buffer: Required<BufferOptions>, timeout: number) {
    this.#buffer = buffer
    this.#timeout = timeout
  }

  /** Sends a message of the application, or lets it wait. */
  send(event: string, data: unknown, room: string | undefined, options: SendOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const fail = (code: keyof typeof texts, cause?: unknown) => reject(failure(code, cause))
      if (!event || clientEvents.get(event) === 1) return fail('invalid')
      let json: string | undefined
      try {
        json = JSON.stringify(data) as string | undefined
      } catch (cause) {
        return reject(new IgnisError('invalid', `The data of ${event} cannot be encoded: ${cause}`, { cause }))
      }
      if (options.signal?.aborted) return fail('aborted', options.signal.reason)
      if (options.volatile) {
        const link = this.#link
        if (!link || link.bufferedAmount > congested) return resolve(undefined)
        const text = (link.protocol > 1 ? encode : encode1)(event, json, room)
        return link.send(text, (outcome) => (outcome === 'too_large' ? fail(outcome) : resolve(undefined)))
      }
      if (this.#closed) return fail('closed', this.#closed)
      this.#add(event, json, room, options, false, (error, reply) => (error ? reject(error) : resolve(reply)))
    })
  }

  /** Sends a message of the protocol on the current connection. */
  call(event: string, data: unknown, timeout: number, done: Done): void {
    this.#add(event, JSON.stringify(data), undefined, { timeout }, true, done)
  }

  /** Sends messages on this connection from now on. */
  use(link: Link): void {
    this.#link = link
  }

  /** Sends everything that waits. */
  flush(): void {
    for (const entry of this.#entries.values()) this.#transmit(entry)
  }

  /** The connection ended: what was sent may have been carried out. */
  lost(): void {
    this.#link = undefined
    for (const entry of this.#entries.values()) {
      if (entry.bound || (entry.sent && !entry.options.retry)) {
        this.#end(entry, failure('lost'))
        continue
      }
      if (entry.sent) entry.since = clocks()
      entry.sent = false
      this.#await(entry)
    }
  }

  /** Ends all requests. A reason other than `closed` means that the connection ended by itself. */
  close(reason: IgnisError): void {
    this.#link = undefined
    this.#closed = reason
    const lost = reason.closeCode !== undefined || reason.code !== 'closed'
    for (const entry of this.#entries.values()) this.#end(entry, failure(entry.sent && lost ? 'lost' : 'closed', reason))
  }

  /** Accepts messages again. */
  open(): void {
    this.#closed = undefined
  }

  /** Handles an answer. Those to requests that have already ended are ignored. */
  answered({ event, data, id = '' }: Frame): void {
    const entry = this.#entries.get(id)
    if (!entry) return
    this.#end(entry, event === 'error' ? refusal(data) : undefined, data)
  }

  #add(event: string, json: string | undefined, room: string | undefined, options: SendOptions, bound: boolean, done: Done): void {
    const id = this.#prefix + (this.#count++).toString(36)
    const bytes = size(event + (json ?? ''))
    if (!this.#link && !this.#makeRoom(bytes)) return done(failure('buffer_full'))
    const { signal } = options
    const abort = () => this.#end(entry, failure('aborted', signal?.reason))
    const entry: Entry = {
      id, event, json, room, size: bytes, options, bound, since: clocks(), sent: false, cancel: undefined,
      done: (error, reply) => {
        signal?.removeEventListener('abort', abort)
        done(error, reply)
      },
    }
    signal?.addEventListener('abort', abort)
    this.#entries.set(id, entry)
    if (this.#link) this.#transmit(entry)
    else this.#await(entry)
  }

  /** Makes room in the buffer, if possible. */
  #makeRoom(bytes: number): boolean {
    const { maxMessages, maxBytes, policy } = this.#buffer
    const entries = [...this.#entries.values()]
    let total = entries.reduce((sum, entry) => sum + entry.size, bytes)
    while (entries.length >= maxMessages || total > maxBytes) {
      const oldest = entries.shift()
      if (policy === 'reject' || !oldest || bytes > maxBytes) return false
      total -= oldest.size
      this.#end(oldest, failure('buffer_full'))
    }
    return true
  }

  /** Lets a message wait for a connection until it expires. */
  #await(entry: Entry): void {
    entry.cancel?.()
    const expire = () => this.#end(entry, failure('expired'))
    entry.cancel = deadline(Math.max(this.#left(entry), 0), expire)
  }

  /** The time in milliseconds that a message may still wait for a connection. */
  #left({ since, options }: Entry): number {
    // The monotonic clock may stand still while the machine sleeps.
    const [monotonic, wall] = clocks()
    return (options.expiresAfter ?? this.#buffer.expiresAfter) - Math.max(monotonic - since[0], wall - since[1])
  }

  #transmit(entry: Entry): void {
    const link = this.#link
    if (!link || entry.sent) return
    // Timers that slept may not have fired yet.
    if (this.#left(entry) <= 0) return this.#end(entry, failure('expired'))
    entry.cancel?.()
    const { id, event, json, room, options } = entry
    const answered = link.protocol > 1
    const text = answered ? encode(event, json, room, id) : encode1(event, json, room)
    link.send(text, (outcome) => {
      if (outcome === 'gone') return // lost() decides
      if (outcome === 'too_large') return this.#end(entry, failure(outcome))
      entry.sent = true
      if (!answered) return this.#end(entry)
      if (this.#entries.has(id)) entry.cancel = deadline(options.timeout ?? this.#timeout, () => this.#end(entry, failure('timeout')))
    })
  }

  /** Ends a request, the first time that it is called. */
  #end(entry: Entry, error?: IgnisError, reply?: unknown): void {
    if (!this.#entries.delete(entry.id)) return
    entry.cancel?.()
    entry.done(error, reply)
  }
}

const clocks = (): [monotonic: number, wall: number] => [now(), Date.now()]

/** The error that the server sent. */
export function refusal(data: unknown): IgnisError {
  const { code = 'invalid', message } = (data ?? {}) as { code?: ErrorCode; message?: string }
  return new IgnisError(code, `The server refused: ${message || code}`)
}

function failure(code: keyof typeof texts, cause?: unknown): IgnisError {
  return new IgnisError(code, texts[code], cause === undefined ? undefined : { cause })
}

import { IgnisError, refusal, type ErrorCode } from './errors.js'
import { encode, size, type Frame } from './frames.js'
import type { Link } from './socket.js'
import { deadline, type Cancel } from './timers.js'
import type { Options, SendOptions } from './types.js'

/** What the hub of tabs adds to the options. */
export interface SendAsOptions extends SendOptions {
  /** The id, instead of a new one. No request with it waits for an answer. */
  id?: string
}

/** Called once with the result of a request. */
export type Done = (error: IgnisError | undefined, reply?: unknown) => void

/** A message that was accepted and not answered yet. */
interface Request {
  readonly text: string
  /** Sends it, unless it was handed to the connection before. */
  send(): void
  /** The connection ended. With an error, there will not be another one by itself. */
  unlink(closed?: IgnisError): void
  /** Ends it. Only the first call counts. */
  settle(error?: IgnisError, reply?: unknown): void
}

const texts = {
  lost: 'The connection was lost; the request may have been carried out',
  timeout: 'No answer in time; the request may have been carried out',
  closed: 'The client is closed',
  expired: 'No connection in time',
  buffer_full: 'The buffer is full',
  aborted: 'Canceled',
  too_large: 'The message is too large',
} satisfies { [code in ErrorCode]?: string }

/** Sends messages and keeps those that wait: for a connection, or for an answer. */
export interface Requests {
  /** Sends a message of the application, or lets it wait. */
  send(event: string, data: unknown, options?: SendAsOptions): Promise<unknown>
  /** Sends a message of the protocol on the current connection. There is no time limit for the answer. */
  call(event: string, data: unknown, done: Done): void
  /** Uses this connection from now on, and sends everything that waits, but calls first before that. */
  opened(link: Link, first: () => void): void
  /** Handles an answer. Those to requests that have already ended are ignored. */
  received(frame: Frame): void
  /** The connection ended. With an error, there will not be another one by itself. */
  unlink(closed?: IgnisError): void
}

export function createRequests({ requestTimeout = 10_000, buffer = {} }: Options): Requests {
  const { maxMessages = 100, maxBytes = 262_144, expiresAfter = 30_000, policy = 'reject' } = buffer
  // In the order of the calls, which is also the order in which they are sent.
  const requests = new Map<string, Request>()
  // IDs differ between clients too, so that a server can recognize a message that is sent again.
  const prefix = Math.random().toString(36).slice(2) + '-'
  let count = 0
  let link: Link | undefined

  /** Accepts a request. One that is bound to the connection ends with it. */
  function add(event: string, data: unknown, options: SendAsOptions, bound: boolean, done: Done): void {
    const { id = prefix + count++, signal, retry, timeout = requestTimeout, expiresAfter: limit = expiresAfter } = options
    const text = encode(event, data, options.room, id)
    let handed = false // to a connection
    let sent = false // so the server may have received it
    let since: number // when it began to wait for a connection, on the wall clock
    let cancel: Cancel | undefined // the timer, of the buffer or of the answer

    function wait(): void {
      cancel?.()
      since = Date.now()
      cancel = deadline(limit, () => settle(failure('expired')))
    }

    function send(): void {
      if (handed) return
      // While the machine sleeps, timers stand still, but the message grows old.
      if (Date.now() - since > limit) return settle(failure('expired'))
      handed = true
      const answered = link!.protocol > 1
      link!.send(text, (outcome) => {
        if (outcome === 'too_large') settle(failure(outcome))
        if (outcome !== 'sent' || !requests.has(id)) return // if it was not sent, unlink() follows
        sent = true
        cancel?.()
        if (answered) cancel = deadline(timeout, () => settle(failure('timeout')))
        else settle()
      })
    }

    function unlink(closed?: IgnisError): void {
      const byApplication = closed?.code === 'closed' && !closed.closeCode
      if (closed && (byApplication || !sent)) settle(failure('closed', closed))
      else if (closed || bound || (sent && !retry)) settle(failure('lost', closed))
      else if (sent || !cancel) wait()
      handed = sent = false
    }

    function settle(error?: IgnisError, reply?: unknown): void {
      if (!requests.delete(id)) return
      cancel?.()
      signal?.removeEventListener('abort', abort)
      done(error, reply)
    }

    const abort = () => settle(failure('aborted'))

    if (!link && !makeRoom(size(text))) return done(failure('buffer_full'))
    requests.set(id, { text, send, unlink, settle })
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    else if (link) send()
    else wait()
  }

  /** Makes room in the buffer, if possible. */
  function makeRoom(bytes: number): boolean {
    let total = bytes
    for (const { text } of requests.values()) total += size(text)
    for (const { text, settle } of requests.values()) {
      if (requests.size < maxMessages && total <= maxBytes) break
      if (policy === 'reject' || bytes > maxBytes) return false
      total -= size(text)
      settle(failure('buffer_full'))
    }
    return total <= maxBytes && maxMessages > 0
  }

  return {
    send: (event, data, options = {}) =>
      new Promise((resolve, reject) => {
        if (!options.volatile) return add(event, data, options, false, (error, reply) => (error ? reject(error) : resolve(reply)))
        if (link && !link.congested()) {
          link.send(encode(event, data, options.room), () => {})
        }
        resolve(undefined)
      }),
    call: (event, data, done) => add(event, data, { timeout: Infinity }, true, done),
    opened(newLink, first) {
      link = newLink
      first()
      requests.forEach(({ send }) => send())
    },
    received: ({ event, data, id }) => requests.get(id!)?.settle(event === 'error' ? refusal(data) : undefined, data),
    unlink(closed) {
      link = undefined
      requests.forEach(({ unlink }) => unlink(closed))
    },
  }
}

export function failure(code: keyof typeof texts, cause?: unknown): IgnisError {
  return new IgnisError(code, texts[code], cause)
}

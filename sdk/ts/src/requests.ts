import { IgnisError, type ErrorCode } from './errors.js'
import { downgrade, encode, size, type Frame } from './frames.js'
import type { Link } from './socket.js'
import { deadline, type Cancel } from './timers.js'
import type { BufferOptions, SendOptions } from './types.js'

/** Called once with the result of a request. */
export type Done = (error: IgnisError | undefined, reply?: unknown) => void

/** A message that was accepted and not answered yet. */
interface Entry {
  readonly id: string
  readonly text: string
  readonly options: SendOptions
  /** Whether it belongs to one connection, and ends with it. */
  readonly bound: boolean
  readonly done: Done
  /** When it began to wait for a connection, on the wall clock. */
  since: number
  /** Whether the server may have received it; undefined until it was handed to a connection. */
  sent?: boolean | undefined
  /** Cancels the timer: of the buffer, and then of the answer. */
  cancel?: Cancel | undefined
}

/** Above this many bytes that wait to be sent, volatile messages are dropped. */
const congested = 65536

const texts = {
  lost: 'The connection was lost; the server may have carried out the request',
  timeout: 'There was no answer in time; the server may have carried out the request',
  closed: 'The client is closed',
  expired: 'There was no connection in time',
  buffer_full: 'Too many messages wait for a connection',
  aborted: 'The request was canceled',
  too_large: 'The message is larger than the server accepts',
} satisfies { [code in ErrorCode]?: string }

/** Sends messages and keeps those that wait: for a connection, or for an answer. */
export interface Requests {
  /** Sends a message of the application, or lets it wait. */
  send(event: string, data: unknown, options?: SendOptions): Promise<unknown>
  /** Sends a message of the protocol on the current connection. There is no time limit for the answer. */
  call(event: string, data: unknown, done: Done): void
  /** Uses this connection from now on. */
  use(link: Link): void
  /** Sends everything that waits. */
  flush(): void
  /** Handles an answer. Those to requests that have already ended are ignored. */
  answered(frame: Frame): void
  /** The connection ended. With an error, there will not be another one by itself. */
  lost(closed?: IgnisError): void
}

export function createRequests({ maxMessages, maxBytes, expiresAfter, policy }: Required<BufferOptions>, answerTimeout: number): Requests {
  // In the order of the calls, which is also the order in which they are sent.
  const entries = new Map<string, Entry>()
  // IDs differ between clients too, so that a server can recognize a message that is sent again.
  const prefix = Math.random().toString(36).slice(2) + '-'
  let count = 0
  let link: Link | undefined

  function add(event: string, data: unknown, options: SendOptions, bound: boolean, done: Done): void {
    const id = prefix + count++
    const { signal } = options
    const abort = () => end(entry, failure('aborted', signal))
    const entry: Entry = {
      id, options, bound, since: 0,
      text: encode(event, data, options.room, id),
      done(error, reply) {
        signal?.removeEventListener('abort', abort)
        done(error, reply)
      },
    }
    if (!link && !makeRoom(entry)) return done(failure('buffer_full'))
    entries.set(id, entry)
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    else if (link) transmit(entry)
    else wait(entry)
  }

  /** Makes room in the buffer, if possible. */
  function makeRoom(added: Entry): boolean {
    const waiting = [...entries.values()]
    const bytes = size(added.text)
    let total = waiting.reduce((sum, { text }) => sum + size(text), bytes)
    while (waiting.length >= maxMessages || total > maxBytes) {
      const oldest = waiting.shift()
      if (policy === 'reject' || !oldest || bytes > maxBytes) return false
      total -= size(oldest.text)
      end(oldest, failure('buffer_full'))
    }
    return true
  }

  const limit = ({ options }: Entry) => options.expiresAfter ?? expiresAfter

  /** Lets a message wait for a connection until it expires. */
  function wait(entry: Entry): void {
    entry.cancel?.()
    entry.since = Date.now()
    entry.cancel = deadline(limit(entry), () => end(entry, failure('expired')))
  }

  function transmit(entry: Entry): void {
    // While the machine sleeps, timers stand still, but the message grows old.
    if (entry.cancel && Date.now() - entry.since > limit(entry)) return end(entry, failure('expired'))
    const { id, text, options } = entry
    entry.sent = false
    const answered = link!.protocol > 1
    link!.send(answered ? text : downgrade(text), (outcome) => {
      if (outcome === 'too_large') end(entry, failure(outcome))
      if (outcome !== 'sent' || !entries.has(id)) return // if it was not sent, lost() follows
      entry.sent = true
      entry.cancel?.()
      if (answered) entry.cancel = deadline(options.timeout ?? answerTimeout, () => end(entry, failure('timeout')))
      else end(entry)
    })
  }

  /** Ends a request, the first time that it is called. */
  function end(entry: Entry, error?: IgnisError, reply?: unknown): void {
    if (!entries.delete(entry.id)) return
    entry.cancel?.()
    entry.done(error, reply)
  }

  return {
    send: (event, data, options = {}) =>
      new Promise((resolve, reject) => {
        if (!options.volatile) return add(event, data, options, false, (error, reply) => (error ? reject(error) : resolve(reply)))
        if (link && link.waiting() <= congested) {
          const text = encode(event, data, options.room)
          link.send(link.protocol > 1 ? text : downgrade(text), () => {})
        }
        resolve(undefined)
      }),
    call: (event, data, done) => add(event, data, { timeout: Infinity }, true, done),
    use(newLink) {
      link = newLink
    },
    flush() {
      for (const entry of entries.values()) if (entry.sent === undefined) transmit(entry)
    },
    answered({ event, data, id }) {
      const entry = entries.get(id!)
      if (entry) end(entry, event === 'error' ? refusal(data) : undefined, data)
    },
    lost(closed) {
      link = undefined
      const byApplication = closed?.code === 'closed' && !closed.closeCode
      for (const entry of entries.values()) {
        if (closed && (byApplication || !entry.sent)) end(entry, failure('closed', closed))
        else if (closed || entry.bound || (entry.sent && !entry.options.retry)) end(entry, failure('lost', closed))
        else {
          if (entry.sent || !entry.cancel) wait(entry)
          entry.sent = undefined
        }
      }
    },
  }
}

/** The error that the server sent. */
export function refusal(data: unknown): IgnisError {
  const { code = 'invalid', message = code } = (data ?? {}) as { code?: ErrorCode; message?: string }
  return new IgnisError(code, 'The server refused: ' + message)
}

export function failure(code: keyof typeof texts, cause?: unknown): IgnisError {
  return new IgnisError(code, texts[code], cause)
}

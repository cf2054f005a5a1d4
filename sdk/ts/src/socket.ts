import { closed, IgnisError, type End, type Refusal } from './errors.js'
import { downgrade, encode, parse, size, type Frame } from './frames.js'
import type { Channel } from './seal.js'
import { after, deadline, now } from './timers.js'
import type { Ask, Connected, Options, WebSocketClass, WebSocketLike } from './types.js'

/** What a link needs to know. */
export interface LinkConfig extends Omit<Options, 'credentials'> {
  readonly url: string | URL
  /** Returns the data of the event `authenticate`. It rejects with an `IgnisError`. */
  provide(ask: Ask): Promise<object>
}

/** Whom a link tells what happens, until it is dropped. */
export interface LinkOwner {
  opened(): void
  received(frame: Frame): void
  ended(end: End): void
  report(error: IgnisError): void
}

/** What became of a message; undefined if it was not sent, because the connection has ended. */
export type Outcome = 'sent' | 'too_large' | undefined

export interface Link {
  /** Aborted when the link is dropped. */
  readonly signal: AbortSignal
  /** The data of the event `connected`, once it has arrived. */
  greeting: Connected | undefined
  /** The version of the protocol that the server speaks. */
  protocol: number
  /** Whether the credentials are being renewed. */
  refresh?: boolean
  /** When to connect again, on the monotonic clock, if the server has announced that it goes away. */
  draining?: number
  /** Whether so much waits to be sent that volatile messages are dropped. */
  congested(): boolean
  /** Sends a message, sealed if the connection is encrypted, and reports what became of it. */
  send(text: string, done: (outcome: Outcome) => void): void
  /** Asks the server for a sign of life, unless it was asked. The connection is lost if none arrives in time. */
  probe(): void
  /** Ends the link without telling the owner. With code 0, it does not wait for the server. */
  drop(code?: number): void
}

/** The close code for a server that violates the protocol. */
const violation = 1008

/** How long to wait for the server's close frame, in milliseconds. */
const closeTimeout = 5000

/**
 * Makes one attempt to connect, and the connection that results: from asking for the credentials
 * to the end of the socket. A new attempt uses a new link. Once a link is dropped, it has no
 * timer and no socket, and tells nobody anything, so it cannot affect its successor.
 */
export function createLink(config: LinkConfig, owner: LinkOwner, reason: Ask['reason']): Link {
  const { url, provide, encryption, software, connectTimeout = 15_000, heartbeat: interval = 30_000 } = config
  const { WebSocket = globalThis.WebSocket as WebSocketClass | undefined } = config
  const abort = new AbortController()
  const { signal } = abort
  const link: Link = { signal, greeting: undefined, protocol: 1, congested: () => socket!.bufferedAmount > 65_536, send, probe: () => void (asked || probe()), drop }

  let socket: (WebSocketLike & { terminate?(): void }) | undefined
  // What the server announced in protocol 2.
  let heartbeat = Infinity
  let maxPayload = Infinity
  let asked = 0 // when the server was asked for a sign of life, if nothing has arrived since
  let again = false // whether it was asked once more
  let refused: Refusal | undefined // why the server does not accept the client
  let channel: Channel | undefined // if the connection is encrypted
  // The timer of the attempt, and then that of the heartbeat.
  let cancel = deadline(connectTimeout, () => fail('unreachable', 'Cannot connect: timeout', false, 1000))

  // Not now: the function that returns the credentials may close the client.
  queueMicrotask(start)
  return link

  async function start(): Promise<void> {
    let final = false
    try {
      if (signal.aborted) return
      const data = await provide({ reason, signal })
      final = true
      if (signal.aborted) return
      channel = await encryption?.prepare()
      if (!signal.aborted) open(data)
    } catch (cause) {
      const error = final ? new IgnisError('unreachable', `Cannot connect: ${cause}`, cause) : (cause as IgnisError)
      if (!signal.aborted) owner.report(error)
      end({ error, final })
    }
  }

  function open(credentials: object): void {
    if (!WebSocket) throw new Error('pass the option WebSocket')
    const text = encode('authenticate', { protocol: 2, client: software, ...credentials, ...channel?.fields })
    socket = new WebSocket(String(url))
    socket.onopen = () => put(text)
    socket.onmessage = ({ data }: { data: string }) => {
      asked = 0
      if (channel) channel.open(data, receive, fail)
      else receive(data)
    }
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      if (signal.aborted) return cancel()
      const ended = () => end(closed(code, reason, link.greeting, refused))
      if (channel) channel.opened(ended)
      else ended()
    }
    socket.onerror = () => {} // a close event follows
  }

  function receive(text: string): void {
    if (signal.aborted) return
    const frame = parse(text)
    if (!frame) return owner.report(new IgnisError('protocol', 'Not a message'))
    try {
      if (link.greeting) owner.received(frame)
      else if (frame.event === 'connected') accepted(frame.data as Connected | undefined)
      else if (frame.event === 'error') refused = frame.data as Refusal | undefined
    } catch (cause) {
      // Listeners are called with care, so this is the server, with data of another shape.
      fail('protocol', `Not a valid message: ${cause}`)
    }
  }

  function accepted(data: Connected | undefined): void {
    refused = undefined
    if (data?.protocol === 2) {
      link.protocol = 2
      if (data.heartbeat! > 0) heartbeat = data.heartbeat!
      if (data.maxPayload! > 0) maxPayload = data.maxPayload!
    }
    link.greeting = { ...data!, protocol: link.protocol }
    wait()
    owner.opened()
  }

  /**
   * Waits for half of the time within which a broken connection is noticed: a heartbeat is sent
   * after the first half, and must have been answered after the second one.
   */
  function wait(): void {
    const half = Math.max(Math.min(interval, heartbeat / 2) / 2, 100)
    cancel()
    cancel = after(half, (late) => {
      const overdue = asked > 0 && now() - asked >= Math.max(half, 1000)
      // If the timer is late, the answer may be, too. So ask once more.
      if (overdue && (again || !late)) return fail('lost', 'No answer', false, 0)
      again = overdue
      if (overdue) asked = 0
      probe()
    })
  }

  function probe(): void {
    const at = now()
    // In protocol 1 the server does not answer, so silence proves nothing.
    if (link.protocol > 1) asked ||= at
    put(encode('heartbeat', undefined, undefined, asked ? 'h' + at : undefined))
    wait()
  }

  function send(text: string, done: (outcome: Outcome) => void): void {
    if (link.protocol < 2) text = downgrade(text)
    const sealed = (text: string) => done(put(text))
    if (channel) channel.seal(text, sealed)
    else sealed(text)
  }

  function put(text: string): Outcome {
    // While the socket is closing, it would drop the message silently.
    if (signal.aborted || socket?.readyState !== 1) return undefined
    if (text.length * 3 > maxPayload && size(text) > maxPayload) return 'too_large'
    socket.send(text)
    return 'sent'
  }

  function fail(code: IgnisError['code'], message: string, final = false, closeCode = violation): void {
    end({ error: new IgnisError(code, message), final }, closeCode)
  }

  function end(reason: End, closeCode?: number): void {
    if (signal.aborted) return
    drop(closeCode)
    owner.ended(reason)
  }

  function drop(code = 1000): void {
    if (signal.aborted) return
    cancel()
    abort.abort()
    if (!socket) return
    try {
      socket.close(code || 1000)
    } catch {
      socket.close() // browsers only allow 1000 and codes from 3000
    }
    // Without an answer, the package ws would keep the program alive for 30 s.
    if (socket.readyState < 3 && socket.terminate) cancel = after(code && closeTimeout, () => socket!.terminate!())
  }
}

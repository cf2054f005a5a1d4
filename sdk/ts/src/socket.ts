import { closed, IgnisError, type End } from './errors.js'
import { encode, parse, size, type Frame } from './frames.js'
import type { Encryption, Offer, Sealer } from './seal.js'
import { after, deadline, now } from './timers.js'
import type { Ask, Connected, WebSocketClass, WebSocketLike } from './types.js'

/** What a link needs to know. */
export interface LinkConfig {
  /** Returns the URL of the server. */
  url(): string
  readonly WebSocket: WebSocketClass | undefined
  readonly connectTimeout: number
  readonly heartbeat: number
  readonly software?: object
  readonly encryption?: Encryption
  /** Returns the data of the event `authenticate`. */
  credentials(ask: Ask): Promise<object>
}

/** Whom a link tells what happens, until it is dropped. */
export interface LinkOwner {
  opened(): void
  received(frame: Frame): void
  ended(end: End): void
  report(error: IgnisError): void
}

/** What became of a message: `gone` means that it was not sent, because the connection has ended. */
export type Outcome = 'sent' | 'too_large' | 'gone'

export interface Link {
  /** Why the credentials were asked for. */
  readonly reason: Ask['reason']
  /** Aborted when the link is dropped. */
  readonly signal: AbortSignal
  /** The data of the event `connected`, once it has arrived. */
  connected: Connected | undefined
  /** The version of the protocol that the server speaks. */
  protocol: number
  /** Whether the credentials are being renewed. */
  refreshing: boolean
  /** The number of bytes that wait to be sent. */
  waiting(): number
  /** Sends a message, sealed if the connection is encrypted, and reports what became of it. */
  send(text: string, done: (outcome: Outcome) => void): void
  /** Asks the server for a sign of life. The connection is lost if none arrives in time. */
  probe(): void
  /** Ends the link without telling the owner. With code 0, it does not wait for the server. */
  drop(code?: number): void
}

/** The close code for a server that violates the protocol. */
const violation = 1008

/**
 * Makes one attempt to connect, and the connection that results: from asking for the credentials
 * to the end of the socket. A new attempt uses a new link. Once a link is dropped, it has no
 * timer and no socket, and tells nobody anything, so it cannot affect its successor.
 */
export function createLink(config: LinkConfig, owner: LinkOwner, reason: Ask['reason']): Link {
  const abort = new AbortController()
  const { signal } = abort
  const link: Link = { reason, signal, connected: undefined, protocol: 1, refreshing: false, waiting: () => socket?.bufferedAmount ?? 0, send, probe, drop }

  let socket: (WebSocketLike & { terminate?(): void }) | undefined
  let asked = 0 // when the server was asked for a sign of life, if nothing has arrived since
  let again = false // whether it was asked once more
  let odd = true
  let offer: Offer | undefined
  let sealer: Sealer | undefined
  // Encrypted messages are opened and sealed one after the other, to keep their order.
  let inbox = Promise.resolve()
  let outbox = inbox
  // The timer of the attempt, and then that of the heartbeat.
  let cancel = deadline(config.connectTimeout, () => fail('unreachable', 'The attempt to connect took too long'))

  // Not now: the function that returns the credentials may close the client.
  queueMicrotask(start)
  return link

  async function start(): Promise<void> {
    let final = false
    try {
      if (signal.aborted) return
      const data = await config.credentials({ reason, signal })
      final = true
      if (signal.aborted) return
      offer = await config.encryption?.offer()
      if (!signal.aborted) open(data)
    } catch (cause) {
      const error = new IgnisError(final ? 'unreachable' : 'unavailable', `Cannot connect: ${cause}`, cause)
      if (!signal.aborted) owner.report(error)
      end({ error, final })
    }
  }

  function open(credentials: object): void {
    const { WebSocket, encryption } = config
    if (!WebSocket) throw new Error('pass the option WebSocket, because there is none here')
    const opened = (socket = new WebSocket(config.url()))
    // With encryption, events wait until the messages before them have been opened.
    const inOrder = (step: () => void | Promise<void>) => {
      if (!encryption) return void step()
      inbox = inbox.then(() => (signal.aborted ? undefined : step()))
    }
    opened.onopen = () => {
      put(encode('authenticate', { protocol: 2, client: config.software, ...credentials, ...(offer && { publicKey: offer.publicKey }) }))
    }
    opened.onmessage = ({ data }: { data: unknown }) => {
      asked = 0
      inOrder(() => receive(parse(data)))
    }
    opened.onclose = ({ code, reason }: { code: number; reason: string }) => {
      inOrder(() => end(closed(code, reason, link.connected)))
    }
    opened.onerror = () => {} // a close event follows
  }

  function receive(frame: Frame | undefined): void | Promise<void> {
    if (!sealer) return handle(frame)
    // Once there is a key, whatever is not sealed with it is not from the server.
    return (frame?.event === 'encrypted' ? sealer.open(frame.data) : Promise.reject()).then(
      (text) => handle(parse(text)),
      () => fail('protocol', 'A message was not encrypted with the key', false, violation),
    )
  }

  function handle(frame: Frame | undefined): void | Promise<void> {
    if (signal.aborted) return
    if (!frame) owner.report(new IgnisError('protocol', 'Something arrived that is not a message'))
    else if (link.connected) owner.received(frame)
    else if (frame.event === 'connected') return greet({ ...(frame.data as Connected) })
  }

  function greet(connected: Connected): void | Promise<void> {
    if (!offer) return begin(connected)
    const { serverPublicKey, salt } = connected
    if (!serverPublicKey || !salt) return fail('encryption_required', 'The server does not encrypt', true, violation)
    return offer.agree({ serverPublicKey, salt }).then(
      (agreed) => {
        sealer = agreed
        if (!signal.aborted) begin(connected)
      },
      (cause) => fail('protocol', `Cannot agree on a key: ${cause}`, false, violation),
    )
  }

  function begin(connected: Connected): void {
    link.connected = connected
    if (connected.protocol === 2) link.protocol = 2
    wait()
    owner.opened()
  }

  /**
   * Waits for a third of the time within which a broken connection is noticed: a heartbeat is sent
   * after the second one, and the answer must have arrived after the third one.
   */
  function wait(): void {
    const server = (link.protocol > 1 && link.connected!.heartbeat) || Infinity
    const third = Math.max(Math.min(config.heartbeat, server / 2) / 3, 50)
    cancel()
    cancel = after(third, (late) => {
      const overdue = asked > 0 && now() - asked >= Math.max(third, 1000)
      // If the timer is late, the answer may be, too. So ask once more.
      if (overdue && (again || !late)) return fail('lost', 'The server does not answer', false, 0)
      again = overdue
      if (overdue) asked = 0
      if (overdue || (odd = !odd)) probe()
      else wait()
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
    const key = sealer
    if (!key) return done(put(text))
    outbox = outbox.then(async () => done(put(await key.seal(text)))).catch((cause) => fail('protocol', `Cannot encrypt: ${cause}`))
  }

  function put(text: string): Outcome {
    // While the socket is closing, it would drop the message silently.
    if (signal.aborted || socket?.readyState !== 1) return 'gone'
    const max = (link.protocol > 1 && link.connected?.maxPayload) || Infinity
    if (text.length * 3 > max && size(text) > max) return 'too_large'
    socket.send(text)
    return 'sent'
  }

  function fail(code: IgnisError['code'], message: string, final = false, closeCode?: number): void {
    end({ error: new IgnisError(code, message), final }, closeCode)
  }

  function end(reason: End, closeCode?: number): void {
    if (signal.aborted) return
    drop(closeCode)
    owner.ended(reason)
  }

  function drop(code = 1000): void {
    cancel()
    abort.abort()
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = null // but not onerror: ws throws errors that nobody handles
    try {
      if (code || !socket.terminate) socket.close(code || 1000)
      else socket.terminate()
    } catch {
      socket.close() // browsers only allow 1000 and codes from 3000
    }
  }
}

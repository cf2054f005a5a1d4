import { closed, IgnisError, type End } from './errors.js'
import { encode, parse, size, type Frame } from './frames.js'
import type { Encryption, Offer, Sealer } from './seal.js'
import { after, deadline, type Cancel } from './timers.js'
import type { Ask, Connected, WebSocketClass, WebSocketLike } from './types.js'

/** What a link needs to know. */
export interface LinkConfig {
  /** Returns the URL of the server. */
  url(): string
  readonly WebSocket: WebSocketClass | undefined
  readonly connectTimeout: number
  readonly heartbeat: number
  readonly software: object | undefined
  readonly encryption: Encryption | undefined
  /** Returns the data of the event `authenticate`. */
  credentials(ask: Ask): object | Promise<object>
}

/** Whom a link tells what happens, until it is dropped. */
export interface LinkOwner {
  opened(link: Link): void
  received(frame: Frame): void
  ended(end: End): void
  report(error: IgnisError): void
}

/** What became of a message: `gone` means that it was not sent, because the link has ended. */
export type Outcome = 'sent' | 'too_large' | 'gone'

/** The close code for a server that sends something else than the protocol allows. */
const violation = 1008

/**
 * One attempt to connect and the connection that results, from asking for the credentials to the
 * end of the socket. A new attempt uses a new link. Once a link is dropped it has no owner, no
 * timers and no socket, so nothing of it can affect its successor.
 */
export class Link {
  /** The data of the event `connected`, once it has arrived. */
  connected: Connected | undefined
  /** The version of the protocol that the server speaks. */
  protocol = 1

  readonly #config: LinkConfig
  readonly #abort = new AbortController()
  #owner: LinkOwner | undefined
  #socket: WebSocketLike | undefined
  #cancel: Cancel // the timer of the attempt, and then that of the heartbeat
  #heard = false // whether something arrived since the latest heartbeat
  #said = '' // the error that the server sent before it closed the connection
  #offer: Offer | undefined
  #sealer: Sealer | undefined
  // Encrypted messages are opened and sealed one after the other, to keep their order.
  #inbox = Promise.resolve()
  #outbox = Promise.resolve()

  constructor(
    config: LinkConfig,
    owner: LinkOwner,
    /** Why the credentials are asked for. */
    readonly reason: Ask['reason'],
  ) {
    this.#config = config
    this.#owner = owner
    this.#cancel = deadline(config.connectTimeout, () => {
      this.#fail('unreachable', `Not connected within ${config.connectTimeout} ms`)
    })
    // Not now: the function that returns the credentials may close the client.
    queueMicrotask(() => void this.#start())
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0
  }

  /** Aborted when the link is dropped. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Sends a message, sealed if the connection is encrypted, and reports what became of it. */
  send(text: string, done: (outcome: Outcome) => void): void {
    const sealer = this.#sealer
    if (!sealer) return done(this.#put(text))
    const sealed = async () => done(this.#owner ? this.#put(await sealer.seal(text)) : 'gone')
    this.#outbox = this.#outbox.then(sealed).catch((cause) => this.#fail('protocol', `Cannot encrypt: ${cause}`))
  }

  /** Asks the server for a sign of life. The connection is lost if none arrives in time. */
  probe(again = false): void {
    // In protocol 1 the server does not answer, so silence proves nothing.
    const answered = this.protocol > 1
    this.#heard = !answered
    this.#put(encode('heartbeat', undefined, undefined, answered ? 'hb' : undefined))
    this.#cancel()
    this.#cancel = after(this.#period() / 3, (late) => {
      if (this.#heard) this.#pulse()
      else if (late && !again) this.probe(true)
      else this.#fail('lost', 'The connection was lost: the server does not answer', false, 0)
    })
  }

  /** Ends the link without telling the owner. With code 0, it does not wait for the server. */
  drop(code = 1000): void {
    this.#owner = undefined
    this.#cancel()
    this.#abort.abort()
    const socket = this.#socket as (WebSocketLike & { terminate?(): void }) | undefined
    if (!socket || !socket.onclose) return
    socket.onopen = socket.onmessage = socket.onclose = null // onerror remains: ws throws errors that nobody handles
    try {
      if (!code && socket.terminate) socket.terminate()
      else socket.close(code || 1000)
    } catch {
      socket.close() // browsers only allow 1000 and codes from 3000
    }
  }

  async #start(): Promise<void> {
    if (!this.#owner) return
    let data: object
    try {
      data = await this.#config.credentials({ reason: this.reason, signal: this.signal })
    } catch (cause) {
      const error = new IgnisError('unavailable', `The function that returns the credentials failed: ${cause}`, { cause })
      this.#owner?.report(error)
      return this.#end({ error })
    }
    try {
      if (this.#owner) this.#offer = await this.#config.encryption?.offer()
    } catch (cause) {
      return this.#fail('encryption_required', `Cannot encrypt: ${cause}`, true)
    }
    if (this.#owner) this.#open(data)
  }

  #open(credentials: object): void {
    const { url, WebSocket, software, encryption } = this.#config
    let socket: WebSocketLike
    try {
      if (!WebSocket) throw new Error('there is no WebSocket here; pass a class, such as that of the package ws, as the option WebSocket')
      socket = this.#socket = new WebSocket(url())
    } catch (cause) {
      return this.#fail('unreachable', `Cannot connect: ${cause}`, true)
    }
    socket.onopen = () => {
      const data = { protocol: 2, client: software, ...credentials, ...(this.#offer && { publicKey: this.#offer.publicKey }) }
      this.#put(encode('authenticate', JSON.stringify(data)))
    }
    socket.onmessage = ({ data }: { data: unknown }) => {
      this.#heard = true
      if (encryption) this.#queue(() => this.#unseal(data))
      else void this.#handle(parse(data))
    }
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      const end = () => this.#end(closed(code, reason, !!this.connected, this.#said))
      if (encryption) this.#queue(end)
      else end()
    }
    socket.onerror = () => {} // a close event follows
  }

  #queue(step: () => void | Promise<void>): void {
    this.#inbox = this.#inbox.then(() => (this.#owner ? step() : undefined))
  }

  /** Opens and handles a message. Once there is a key, all others are not from the server. */
  async #unseal(data: unknown): Promise<void> {
    let frame = parse(data)
    if (this.#sealer) {
      if (frame?.event !== 'encrypted') return this.#fail('protocol', 'A message was not encrypted', false, violation)
      try {
        frame = parse(await this.#sealer.open(frame.data))
      } catch {
        return this.#fail('protocol', 'An encrypted message could not be opened', false, violation)
      }
    }
    return this.#handle(frame)
  }

  #handle(frame: Frame | undefined): void | Promise<void> {
    if (!frame) this.#owner?.report(new IgnisError('protocol', 'The server sent something that is not a message'))
    else if (this.connected) this.#owner?.received(frame)
    else if (frame.event === 'connected') return this.#greet(frame.data as Connected)
    else if (frame.event === 'error') this.#said = String((frame.data as { message?: unknown } | undefined)?.message ?? '')
  }

  #greet(connected: Connected): void | Promise<void> {
    if (typeof connected?.id !== 'string') return this.#fail('protocol', 'The server sent no id in connected', false, violation)
    if (!this.#offer) return this.#opened(connected)
    const { serverPublicKey = '', salt = '' } = connected
    if (!serverPublicKey) return this.#fail('encryption_required', 'The server does not encrypt: enable encryption in the server', true, violation)
    return this.#offer.agree({ serverPublicKey, salt }).then(
      (sealer) => {
        this.#sealer = sealer
        if (this.#owner) this.#opened(connected)
      },
      (cause) => this.#fail('protocol', `Cannot agree on a key: ${cause}`, false, violation),
    )
  }

  #opened(connected: Connected): void {
    this.connected = connected
    if (connected.protocol === 2) this.protocol = 2
    this.#cancel()
    this.#pulse()
    this.#owner?.opened(this)
  }

  /** Starts the timer for the next heartbeat. */
  #pulse(): void {
    this.#cancel = after(Math.max((this.#period() * 2) / 3, 100), () => this.probe())
  }

  /** The time within which a broken connection is noticed. */
  #period(): number {
    const server = this.protocol > 1 && this.connected?.heartbeat
    return Math.min(this.#config.heartbeat, server ? Math.max(server / 2, 100) : Infinity)
  }

  #put(text: string): Outcome {
    const socket = this.#socket
    // While the socket is closing, it would drop the message silently.
    if (!this.#owner || socket?.readyState !== 1) return 'gone'
    const max = (this.protocol > 1 && this.connected?.maxPayload) || Infinity
    if (text.length * 3 > max && size(text) > max) return 'too_large'
    try {
      socket.send(text)
      return 'sent'
    } catch {
      return 'gone'
    }
  }

  #fail(code: IgnisError['code'], message: string, final = false, closeCode?: number): void {
    this.#end({ error: new IgnisError(code, message), final }, closeCode)
  }

  #end(end: End, code?: number): void {
    const owner = this.#owner
    if (!owner) return
    this.drop(code)
    owner.ended(end)
  }
}

import { IgnisError, type End } from './errors.js'
import type { Frame } from './frames.js'
import { Link, type LinkConfig, type LinkOwner } from './socket.js'
import { after, now, type Cancel } from './timers.js'
import type { Ask, ReconnectOptions, State, StateChange } from './types.js'

/** What can happen to a connection. */
type Input = 'connect' | 'opened' | 'lost' | 'ended' | 'due' | 'suspend' | 'resume' | 'close'

/** The state machine: what leads from one state to another. Whatever is not here changes nothing. */
const machine: Readonly<Record<State, { readonly [input in Input]?: State }>> = {
  idle: { connect: 'connecting', close: 'closed' },
  connecting: { opened: 'connected', lost: 'waiting', ended: 'closed', suspend: 'suspended', close: 'closed' },
  connected: { lost: 'waiting', ended: 'closed', suspend: 'suspended', close: 'closed' },
  waiting: { due: 'connecting', connect: 'connecting', suspend: 'suspended', close: 'closed' },
  suspended: { resume: 'connecting', close: 'closed' },
  closed: { connect: 'connecting' },
}

export interface ConnectionConfig extends LinkConfig {
  /** Whether the credentials come from a function, which may return others. */
  readonly provider: boolean
  readonly reconnect: Required<ReconnectOptions> | false
}

/** Whom a connection tells what happens. */
export interface ConnectionOwner {
  changed(change: StateChange): void
  received(frame: Frame): void
  report(error: IgnisError): void
}

/** Keeps a link to the server, and decides when to connect and when to stop. */
export class Connection implements LinkOwner {
  state: State = 'idle'
  /** The current attempt or connection. */
  link: Link | undefined

  readonly #config: ConnectionConfig
  readonly #owner: ConnectionOwner
  #timer: Cancel | undefined
  #reason: Ask['reason'] = 'connect'
  #failures = 0
  #openedAt = 0
  #notBefore = 0 // the server asked not to connect before
  #drained: number | undefined // when the server that goes away asked to connect again
  #before = false // whether there was a connection since connect()

  constructor(config: ConnectionConfig, owner: ConnectionOwner) {
    this.#config = config
    this.#owner = owner
  }

  /** The only function that changes the state. */
  #happen(input: Input, details: Omit<StateChange, 'state' | 'previous'> = {}, wait = 0): void {
    const previous = this.state
    const state = machine[previous][input]
    if (!state) return
    this.state = state
    this.#timer?.()
    if (state !== 'connected') {
      this.link?.drop()
      this.link = undefined
    }
    if (state === 'connecting') this.link = new Link(this.#config, this, this.#reason)
    if (state === 'waiting') this.#arm(wait)
    this.#owner.changed({ state, previous, ...details })
  }

  connect(): void {
    if (this.state === 'closed') {
      this.#failures = 0
      this.#before = false
      this.#reason = 'connect'
      this.#drained = undefined
    }
    this.#happen('connect')
  }

  close(reason: IgnisError): void {
    this.#happen('close', { reason })
  }

  suspend(): void {
    this.#happen('suspend')
  }

  resume(): void {
    this.#happen('resume')
  }

  /** The network changed, or the page is visible again: do not trust the connection, or do not wait longer. */
  nudge(network: boolean): void {
    if (this.state === 'waiting') this.#arm(this.#notBefore - now())
    if (this.state !== 'connected') return
    if (network && this.link?.protocol === 1) {
      // This server does not answer, and the socket would not fail for minutes.
      this.#wait(new IgnisError('lost', 'The network changed'), 0)
    } else {
      this.link?.probe()
    }
  }

  /** The server goes away soon, and asked to connect again after ms milliseconds. */
  draining(ms: number): void {
    this.#drained = now() + ms
  }

  opened(): void {
    const missed = this.#before
    this.#before = true
    this.#openedAt = now()
    this.#reason = 'connect'
    this.#happen('opened', { missed })
  }

  received(frame: Frame): void {
    this.#owner.received(frame)
  }

  report(error: IgnisError): void {
    this.#owner.report(error)
  }

  /** Decides whether and when to connect again. */
  ended({ error, final, refused, credentials, after = 0 }: End): void {
    const { reconnect, provider } = this.#config
    const { link } = this
    if (link?.connected && reconnect && now() - this.#openedAt >= reconnect.stableAfter) this.#failures = 0
    // The function is asked for other credentials once, until there is a connection.
    const asked = link?.reason === 'rejected' && !link.connected
    if (final || !reconnect || (refused && (!provider || asked))) {
      this.#happen('ended', { reason: error })
      return
    }
    if (credentials) this.#reason = 'rejected'
    const random = Math.random() * Math.min(reconnect.maxDelay, reconnect.minDelay * 2 ** this.#failures++)
    const drained = this.#drained
    this.#drained = undefined
    this.#notBefore = drained ?? now() + after
    this.#wait(error, drained !== undefined ? drained - now() : refused ? 0 : after + random)
  }

  #wait(reason: IgnisError, ms: number): void {
    this.#happen('lost', { reason, retryAt: Date.now() + Math.max(ms, 0) }, ms)
  }

  /** Starts the timer for the next attempt. */
  #arm(ms: number): void {
    this.#timer?.()
    this.#timer = after(Math.max(ms, 0), () => this.#happen('due'))
  }
}

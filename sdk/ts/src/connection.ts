import { IgnisError, type End } from './errors.js'
import { createLink, type Link, type LinkConfig, type LinkOwner } from './socket.js'
import { after, createDelays, now, type Cancel } from './timers.js'
import type { Ask, Connected, State, StateChange } from './types.js'

/** What can happen to a connection. */
export type Input = 'connect' | 'opened' | 'lost' | 'ended' | 'due' | 'suspend' | 'resume' | 'close'

/** The state machine: what leads from one state to another. Whatever is not here changes nothing. */
const machine: { readonly [state in State]: { readonly [input in Input]?: State } } = {
  idle: { connect: 'connecting', close: 'closed' },
  connecting: { opened: 'connected', lost: 'waiting', ended: 'closed', suspend: 'suspended', close: 'closed' },
  connected: { lost: 'waiting', ended: 'closed', suspend: 'suspended', close: 'closed' },
  waiting: { due: 'connecting', connect: 'connecting', suspend: 'suspended', close: 'closed' },
  suspended: { resume: 'connecting', close: 'closed' },
  closed: { connect: 'connecting' },
}

export interface ConnectionConfig extends LinkConfig {
  /** Whether the credentials come from a function, which may return others. */
  readonly provided: boolean
}

/** Whom a connection tells what happens. */
export interface ConnectionOwner extends Pick<LinkOwner, 'received' | 'report'> {
  changed(change: StateChange): void
}

export interface Connection {
  state: State
  /** The current attempt or connection. */
  link: Link | undefined
  /** The data of `connected` of the latest connection. */
  data: Connected | undefined
  /** Changes the state, if the machine has a transition, and reports it with these details. */
  happen(input: Input, details?: Partial<StateChange>): void
  /** The network changed, or the page is visible again. */
  nudge(network: boolean): void
}

/** Keeps a connection to a server, and decides when to connect and when to stop. */
export function createConnection(config: ConnectionConfig, { changed, received, report }: ConnectionOwner): Connection {
  const { provided, reconnect } = config
  const delay = createDelays(reconnect || {})
  let cancel: Cancel | undefined // the timer for the next attempt
  let reason: Ask['reason'] = 'connect'
  let since: number | undefined // when the latest connection began, if nothing has failed since then
  let notBefore = 0 // the server asked not to connect earlier
  let missed = false // whether there was a connection before

  /** The only function that changes the state. */
  function happen(input: Input, details: Partial<StateChange> = {}, wait = 0): void {
    const { state: previous, link } = self
    const state = machine[previous][input]
    if (!state) return
    self.state = state
    cancel?.()
    if (state !== 'connected') self.link = state === 'connecting' ? createLink(config, self, reason) : undefined
    if (state === 'waiting') arm(wait)
    changed({ ...details, state, previous })
    // Last, because it tells the function that returns the credentials, which may call the client.
    if (state !== 'connected') link?.drop()
  }

  /** Starts the timer for the next attempt. */
  function arm(ms: number): void {
    cancel?.()
    cancel = after(ms, () => happen('due'))
  }

  function wait(error: IgnisError, ms: number): void {
    happen('lost', { reason: error, retryAt: Date.now() + ms }, ms)
  }

  const self: Connection & LinkOwner = {
    state: 'idle',
    link: undefined,
    data: undefined,
    received,
    report,
    opened() {
      const details = { missed }
      missed = true
      reason = 'connect'
      self.data = self.link!.greeting
      since = now()
      happen('opened', details)
    },
    ended({ error, final, credentials, after = 0 }: End) {
      const { link } = self
      // Other credentials are asked for once, until there is a connection.
      const other = credentials && provided && reason !== 'rejected'
      if (reconnect === false || (final && !other)) return happen('ended', { reason: error })
      if (credentials) reason = 'rejected'
      const random = delay(since)
      since = undefined
      notBefore = link!.draining ?? now() + after
      wait(error, link!.draining ? notBefore - now() : final ? 0 : after + random)
    },
    happen,
    nudge(network) {
      const { state, link } = self
      if (state === 'waiting') arm(notBefore - now())
      if (state !== 'connected') return
      // A server of protocol 1 does not answer, and the socket would not fail for minutes.
      if (network && link!.protocol < 2) wait(new IgnisError('lost', 'The network changed'), 0)
      else link!.probe()
    },
  }
  return self
}

import { hold, lockOf, openChannel, randomId, type ToSockets } from './channel.js'
import type { Client } from './client.js'
import { IgnisError } from './errors.js'
import { encode, parse, type Frame } from './frames.js'
import type { SendAsOptions } from './requests.js'
import type { Room } from './rooms.js'
import type { Message, StateChange } from './types.js'

/** A socket of a tab. */
interface Peer {
  readonly id: string
  /** The rooms that the tab has joined, each with a handle of its own. */
  readonly rooms: Map<string, Room>
  /** `asked` to be connected by sending its credentials, and `connected` once it was told so. */
  state: 'open' | 'asked' | 'connected'
}

/**
 * Plays the server for the sockets of all tabs, over a client that has the connection. It ends when
 * the signal is aborted.
 */
export function createHub(name: string, client: Client, signal: AbortSignal): void {
  const hub = randomId()
  const peers = new Map<string, Peer>()
  const { post, close } = openChannel(name, ({ from, text }) => {
    const peer = peers.get(from!)
    const frame = text === undefined ? undefined : parse(text)
    if (frame && peer) handle(peer, frame)
    else if (from && text === undefined) open(from)
  })
  // By the ids that tabs chose. A tab whose socket ended may send a request again before the answer.
  const requests = new Map<string, Promise<unknown>>()
  let ended: StateChange | undefined // in the state closed

  client.onState(changed)
  client.onMessage(deliver)
  signal.addEventListener('abort', () => {
    close()
    client.close()
  })
  post({ leads: hub })

  function tell(to: Iterable<Peer>, note: Partial<ToSockets>): void {
    const ids = [...to].filter(({ id }) => peers.has(id)).map(({ id }) => id)
    if (ids[0] && !signal.aborted) post({ hub, to: ids, ...note })
  }

  function open(id: string): void {
    let peer = peers.get(id)
    if (!peer) {
      const gone = new AbortController()
      const stop = () => gone.abort()
      peer = { id, rooms: new Map(), state: 'open' }
      peers.set(id, peer)
      // The lock is free when the socket is closed, also if the tab crashed.
      signal.addEventListener('abort', stop)
      hold(lockOf(name, id), gone.signal, () => {
        signal.removeEventListener('abort', stop)
        queueMicrotask(stop)
        remove(id)
      })
    }
    tell([peer], {})
  }

  function remove(id: string): void {
    peers.get(id)?.rooms.forEach((room) => room.leave())
    peers.delete(id)
  }

  function end(which: Peer[], code: number, reason: string): void {
    tell(which, { end: { code, reason } })
    which.forEach(({ id }) => remove(id))
  }

  function changed(change: StateChange): void {
    const { state, previous, reason } = change
    const closed = state === 'closed'
    ended = closed ? change : undefined
    if (state === 'connected') peers.forEach(greet)
    if (!closed && previous !== 'connected') return
    const code = reason?.closeCode ?? (!closed ? 1006 : reason?.code === 'encryption_required' ? 4004 : 4006)
    const which = [...peers.values()].filter((peer) => closed || peer.state === 'connected')
    if (reason?.serverCode) tell(which, { text: encode('error', told(reason)) })
    end(which, code, reason?.closeCode ? (reason.text ?? '') : (reason?.message ?? ''))
  }

  function greet(peer: Peer): void {
    if (peer.state !== 'asked') return
    peer.state = 'connected'
    tell([peer], { text: encode('connected', { ...client.connection, protocol: 2 }) })
  }

  function handle(peer: Peer, { event, data, room, id }: Frame): void {
    const answer = (reply?: unknown) => {
      if (id !== undefined) tell([peer], { text: encode('ack', reply, undefined, id) })
    }
    const refuse = (error: IgnisError) => {
      if (id !== undefined) tell([peer], { text: encode('error', told(error), undefined, id) })
    }
    const rooms = (data as { rooms?: string[] } | undefined)?.rooms ?? []
    if (event === 'authenticate') authenticate(peer)
    else if (peer.state !== 'connected') return
    else if (event === 'heartbeat') answer()
    else if (event === 'join') void join(peer, rooms).then(answer)
    else if (event === 'leave') {
      rooms.forEach((room) => leave(peer, room))
      answer()
    } else {
      send(event, data, { ...(room === undefined ? {} : { room }), ...(id === undefined ? {} : { id }) }).then(answer, refuse)
    }
  }

  /** Sends a message of a tab, unless it is a request that is under way. */
  function send(event: string, data: unknown, options: SendAsOptions): Promise<unknown> {
    const { id } = options
    if (id === undefined) return client.send(event, data, { ...options, volatile: true })
    let request = requests.get(id)
    if (!request) {
      request = client.send(event, data, { ...options, timeout: Infinity }) // the tab has its own
      requests.set(id, request)
      const done = () => requests.delete(id)
      request.then(done, done)
    }
    return request
  }

  function authenticate(peer: Peer): void {
    peer.state = 'asked'
    if (ended) changed(ended)
    else if (client.state === 'connected') greet(peer)
    else client.connect().catch(() => {})
  }

  async function join(peer: Peer, names: string[]): Promise<object> {
    const rooms: object[] = []
    const refused: object[] = []
    const one = async (name: string) => {
      const room = peer.rooms.get(name) ?? client.room(name)
      peer.rooms.set(name, room)
      try {
        await Promise.race([room.joined, undecided(room)])
        rooms.push({ room: name })
        // The tab asks again when it is connected again.
        room.onState(({ reason }) => reason && end([peer], 1006, 'The room ' + name + ' was refused'))
      } catch (error) {
        // Otherwise the client keeps asking, and the tab, which asks again, too, waits for its next answer.
        if (room.state !== 'joining') leave(peer, name)
        refused.push({ room: name, ...told(error as IgnisError) })
      }
    }
    await Promise.all(names.map(one))
    return { rooms, refused }
  }

  function leave(peer: Peer, name: string): void {
    peer.rooms.get(name)?.leave()
    peer.rooms.delete(name)
  }

  /** Passes a message to the tabs that are in its room, or to all if it has none. */
  function deliver(message: Message): void {
    const connected = [...peers.values()].filter(({ state }) => state === 'connected')
    const inRoom = connected.filter(({ rooms }) => rooms.has(message.room!))
    tell(inRoom[0] ? inRoom : connected, { text: JSON.stringify(message) })
  }
}

/** Rejects when the server cannot decide about a room. */
function undecided(room: Room): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = room.onState(({ state, reason }) => {
      stop()
      if (state === 'joining' && reason) reject(reason)
    })
  })
}

/** What the server said in an error, or what this client says. */
const told = ({ code, serverCode, message, text }: IgnisError): object => ({
  code: serverCode ?? code,
  message: text ?? (serverCode ? undefined : message),
})

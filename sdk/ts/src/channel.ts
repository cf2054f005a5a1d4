// What tabs tell each other, and how they know that another one is alive.

/** From the socket of a tab to the hub. Without a text, it asks to be connected. */
export interface ToHub {
  readonly from: string
  readonly text?: string
}

/** From the hub to sockets. Without a text and an end, they are connected. */
export interface ToSockets {
  readonly hub: string
  readonly to: readonly string[]
  readonly text?: string
  readonly end?: { readonly code: number; readonly reason: string }
}

/** From a new hub to all sockets. */
export interface Leads {
  readonly leads: string
}

/** From a client to all clients: close. */
export interface CloseAll {
  readonly closeAll: true
}

export type Note = Partial<ToHub & ToSockets & Leads & CloseAll>

/** Opens the channel of a name. */
export function openChannel(name: string, receive: (note: Note) => void): { post(note: ToHub | ToSockets | Leads | CloseAll): void; close(): void } {
  const channel = new BroadcastChannel(name)
  channel.onmessage = ({ data }: { data: unknown }) => receive(data as Note)
  return { post: (note) => channel.postMessage(note), close: () => channel.close() }
}

/** Calls held once this tab has the lock, which it keeps until the signal is aborted. */
export function hold(name: string, signal: AbortSignal, held: () => void, { steal = false, stolen = () => {} } = {}): void {
  const keep = () =>
    new Promise<void>((resolve) => {
      if (signal.aborted) return resolve()
      held()
      signal.addEventListener('abort', () => resolve())
    })
  // It rejects if it is aborted while waiting, or if another tab steals the lock.
  navigator.locks.request(name, steal ? { steal } : { signal }, keep).catch(() => signal.aborted || stolen())
}

/** The name of the lock that a socket holds while it is open. The browser releases it with the tab. */
export const lockOf = (name: string, id: string): string => name + ' ' + id

export const randomId = (): string => Math.random().toString(36).slice(2)

import { hold, lockOf, openChannel, randomId, type Note } from './channel.js'
import { deadline, type Cancel } from './timers.js'
import type { WebSocketClass, WebSocketLike } from './types.js'

type Listener = ((event: never) => unknown) | null

/** A hub that works answers immediately. */
const patience = 5000

/**
 * Returns a class of sockets that lead to the hub, in this tab or another one. It calls stalled if
 * there is no answer from there.
 */
export function tabSocket(name: string, stalled: () => void): WebSocketClass {
  return class TabSocket implements WebSocketLike {
    readyState = 0
    readonly bufferedAmount = 0
    onopen: Listener = null
    onmessage: Listener = null
    onerror: Listener = null
    onclose: Listener = null
    readonly #id = randomId()
    readonly #channel = openChannel(name, (note) => this.#receive(note))
    readonly #open = new AbortController()
    #hub: string | undefined
    #held = false
    #cancel!: Cancel

    constructor() {
      this.#wait()
      hold(lockOf(name, this.#id), this.#open.signal, () => {
        this.#held = true
        this.#ask()
      })
    }

    send(text: string): void {
      this.#channel.post({ from: this.#id, text })
    }

    close(code = 1000): void {
      this.#end(code, '')
    }

    /** Waits for the hub. A tab that is not visible has time, and its timers are not precise. */
    #wait(): void {
      this.#cancel = deadline(patience, () => {
        if (!globalThis.document?.hidden) stalled()
        this.#wait()
      })
    }

    #ask(): void {
      if (this.#held) this.#channel.post({ from: this.#id })
    }

    #receive({ leads, hub, to, text, end }: Note): void {
      if (leads) {
        if (this.readyState) return leads === this.#hub ? undefined : this.#end(1006, 'Another tab leads now')
        this.#hub = leads
        this.#ask()
      }
      // A previous hub may have answered shortly before it ended.
      if (!to?.includes(this.#id) || (this.#hub && hub !== this.#hub)) return
      if (end) this.#end(end.code, end.reason)
      else if (text !== undefined) call(this.onmessage, { data: text })
      else if (!this.readyState) {
        this.#cancel()
        this.#hub = hub
        this.readyState = 1
        call(this.onopen, {})
      }
    }

    #end(code: number, reason: string): void {
      if (this.readyState === 3) return
      this.readyState = 3
      this.#cancel()
      this.#channel.close()
      this.#open.abort()
      call(this.onclose, { code, reason })
    }
  }
}

function call(listener: Listener, event: object): void {
  ;(listener as ((event: object) => unknown) | null)?.(event)
}

import { hold, lockOf, openChannel, randomId, type Note } from './channel.js'
import type { WebSocketClass, WebSocketLike } from './types.js'

type Listener = ((event: never) => unknown) | null

/** Returns a class of sockets that lead to the hub, in this tab or another one. */
export function tabSocket(name: string): WebSocketClass {
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

    constructor() {
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
        this.#hub = hub
        this.readyState = 1
        call(this.onopen, {})
      }
    }

    #end(code: number, reason: string): void {
      if (this.readyState === 3) return
      this.readyState = 3
      this.#channel.close()
      this.#open.abort()
      call(this.onclose, { code, reason })
    }
  }
}

function call(listener: Listener, event: object): void {
  ;(listener as ((event: object) => unknown) | null)?.(event)
}

// A clock that stands still until a test advances it. It replaces the timers, Date.now and
// performance.now.

export class Clock {
  mono = 1000
  wall = Date.parse('2026-01-31T09:05:07.123Z')
  timers = new Map()
  #next = 1
  #real = { setTimeout, clearTimeout, now: Date.now, performance: performance.now }

  install() {
    globalThis.setTimeout = (fn, ms = 0) => {
      const delay = ms >= 1 && ms < 2 ** 31 ? ms : 1 // everything else fires at once, as in browsers
      this.timers.set(this.#next, { fn, due: this.mono + delay })
      return this.#next++
    }
    globalThis.clearTimeout = (id) => this.timers.delete(id)
    Date.now = () => this.wall
    performance.now = () => this.mono
    return this
  }

  uninstall() {
    globalThis.setTimeout = this.#real.setTimeout
    globalThis.clearTimeout = this.#real.clearTimeout
    Date.now = this.#real.now
    performance.now = this.#real.performance
  }

  /** Lets time pass and runs timers when they are due. */
  async advance(ms) {
    const end = this.mono + ms
    for (;;) {
      await settle()
      const next = [...this.timers].sort(([, a], [, b]) => a.due - b.due)[0]
      if (!next || next[1].due > end) break
      this.#pass(Math.max(next[1].due - this.mono, 0))
      this.timers.delete(next[0])
      next[1].fn()
    }
    this.#pass(end - this.mono)
    await settle()
  }

  /** Lets time pass without running timers, as in a frozen or throttled page. */
  stall(ms) {
    this.#pass(ms)
  }

  /** Lets the machine sleep: only the wall clock goes on. It also jumps when it is set. */
  sleep(ms) {
    this.wall += ms
  }

  #pass(ms) {
    this.mono += ms
    this.wall += ms
  }
}

/** Lets all microtasks run, and WebCrypto finish. */
export async function settle() {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
}

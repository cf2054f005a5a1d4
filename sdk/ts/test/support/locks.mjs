// Web Locks, which Node.js 20 has not, for one process.

const queues = new Map() // the requests by name, of which the first has the lock

function request(name, { signal, steal }, callback) {
  const queue = queues.get(name) ?? []
  queues.set(name, queue)
  return new Promise((resolve, reject) => {
    const leave = () => {
      queue.splice(queue.indexOf(entry), 1)
      if (!queue[0]) queues.delete(name)
      else if (entry.granted) queue[0]()
    }
    const abort = () => {
      if (!entry.granted) {
        leave()
        reject(signal.reason)
      }
    }
    const entry = () => {
      entry.granted = true
      queueMicrotask(async () => {
        resolve(await callback({ name }))
        if (queue[0] === entry) leave()
      })
    }
    entry.reject = reject
    if (steal) {
      queue.shift()?.reject(new DOMException('stolen', 'AbortError'))
      queue.unshift(entry)
      return entry()
    }
    if (signal?.aborted) return reject(signal.reason)
    signal?.addEventListener('abort', abort)
    queue.push(entry)
    if (queue.length === 1) entry()
  })
}

/** The names of the locks that are held. */
export const held = () => [...queues.keys()]

globalThis.navigator ??= {}
Object.defineProperty(globalThis.navigator, 'locks', { value: { request }, configurable: true, writable: true })

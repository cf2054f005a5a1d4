import { fileURLToPath } from 'node:url'

/** The directory with the original Ignis and the other runtimes, once npm ci has run there. */
export const interop = process.env.INTEROP ?? fileURLToPath(new URL('../../../../interop', import.meta.url))

// The script for pages without a bundler: a global Ignis with everything.

export { Client, IgnisError } from './index.js'
export { encryption } from './encryption.js'

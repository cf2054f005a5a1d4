// Accounts with passwords, and sessions in a cookie. A real application keeps them in its database.

import { createHash, randomBytes, scrypt as derive, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const scrypt = promisify(derive)
const accounts = new Map() // by name: {salt, hash}
const sessions = new Map() // by the hash of the cookie: {name, expires}
const failures = new Map() // by name: {count, until}
const day = 86_400_000

/** An error that the user may see, with the status of the response. */
export class Refused extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

export async function signUp(name, password) {
  if (typeof name !== 'string' || !/^[\p{L}\p{N}._-]{2,24}$/u.test(name)) throw new Refused(400, 'A name has 2 to 24 letters, digits, dots, dashes or underscores.')
  if (typeof password !== 'string' || password.length < 8) throw new Refused(400, 'A password has at least 8 characters.')
  if (accounts.has(name)) throw new Refused(409, 'This name is taken.')
  const salt = randomBytes(16)
  accounts.set(name, { salt, hash: scrypt(password, salt, 32) }) // before the hash is known, so that the name is taken
  await accounts.get(name).hash
}

/** Checks a password. After five wrong ones, the name is locked for a minute. */
export async function logIn(name, password) {
  const failed = failures.get(name)
  const count = failed?.until > Date.now() ? failed.count : 0
  if (count >= 5) throw new Refused(429, 'Too many attempts. Wait a minute and try again.')
  if (failures.size > 10_000) failures.clear() // an attacker may try any number of names
  failures.set(name, { count: count + 1, until: Date.now() + 60_000 }) // before the check, which takes a while
  const { salt, hash } = accounts.get(name) ?? { salt: 'none', hash: randomBytes(32) } // an unknown name takes as long
  if (!timingSafeEqual(await scrypt(String(password), salt, 32), await hash)) throw new Refused(401, 'The name or the password is wrong.')
  failures.delete(name)
}

// Only hashes of the cookies are kept. A copy of them lets no one in.
const key = (cookie) => createHash('sha256').update(cookie).digest('hex')
const cookieOf = (request) => /(?:^|; )session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''

/** Begins a session, and returns the header that sets its cookie. Behind HTTPS, add Secure. */
export function begin(name) {
  const cookie = randomBytes(32).toString('base64url')
  sessions.set(key(cookie), { name, expires: Date.now() + day })
  return `session=${cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${day / 1000}`
}

/** The user whose session it is, or undefined. */
export function userOf(request) {
  const session = sessions.get(key(cookieOf(request)))
  return session?.expires > Date.now() ? session.name : undefined
}

/** Ends the session, and returns the header that removes its cookie. */
export function end(request) {
  sessions.delete(key(cookieOf(request)))
  return 'session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0'
}

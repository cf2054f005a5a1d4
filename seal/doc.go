// Package seal is the encryption between one client and its server: a key
// agreement when the client authenticates itself, and sealed messages afterwards.
// All of it is functions of their arguments and of random numbers; connections
// are the business of others.
//
// What goes over the wire:
//
//	public key  base64 of the uncompressed P-256 point, 65 bytes
//	salt        base64 of 32 random bytes, chosen by the server
//	shared      ECDH, the x coordinate, 32 bytes
//	key         HKDF-SHA-256(shared, salt, info), 32 bytes
//	ciphertext  AES-256-GCM(key, iv, message), the tag of 16 bytes behind it
//	frame       {"event":"encrypted","data":{"iv":"…","ct":"…"}}, both in base64
//
// The iv is 12 random bytes for each message, so one key is good for 2^32
// messages, those of both sides together (NIST SP 800-38D, section 8.3); a key lives
// as long as its connection. Base64 is that of RFC 4648, section 4, with padding,
// and must be canonical.
//
// The client makes a key pair with [NewPrivateKey] and sends [PublicKey] of it. The
// server calls [Accept], which makes a key pair of its own, and answers with its
// public key and the salt. The client calls [Complete]. Both then have the same
// [Key].
//
// The public keys are not authenticated: who can change what is sent can put
// himself in between. Nor does a sealed message say who sealed it, or when: the same
// key serves both sides, so one that is sent back, or again, opens. TLS prevents all of
// that, and is needed with this as without.
package seal

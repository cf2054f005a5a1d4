// Package seal implements the encryption between a client and its server: a key
// agreement during authentication, and sealed messages afterwards. Its functions depend
// only on their arguments and on random numbers, and perform no I/O.
//
// The formats on the wire are:
//
//	public key  base64 of the uncompressed P-256 point, 65 bytes
//	salt        base64 of 32 random bytes, chosen by the server
//	shared      ECDH, the x coordinate, 32 bytes
//	key         HKDF-SHA-256(shared, salt, info), 32 bytes
//	ciphertext  AES-256-GCM(key, iv, message), followed by the tag of 16 bytes
//	frame       {"event":"encrypted","data":{"iv":"…","ct":"…"}}, both in base64
//
// The iv consists of 12 random bytes for each message, so a key is limited to 2^32
// messages in both directions together (NIST SP 800-38D, section 8.3). A key is used
// for a single connection. Base64 is the standard encoding of RFC 4648, section 4, with
// padding, and must be canonical.
//
// The client generates a key pair with [NewPrivateKey] and sends its [PublicKey]. The
// server calls [Accept], which generates another key pair, and answers with its public
// key and a salt. The client passes both to [Complete]. Client and server then share the
// same [Key].
//
// The public keys are not authenticated, so an attacker who can modify traffic can carry
// out a man-in-the-middle attack. A sealed message does not identify its sender or its
// position either. Since both sides use the same key, a message that is reflected or
// replayed can be opened. TLS prevents these attacks and is still required.
package seal

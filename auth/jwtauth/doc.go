// Package jwtauth authenticates the clients of an Ignis server with JSON Web Tokens
// (RFC 7519). The methods of a [Verifier] are the callbacks of [ignis.Config]:
//
//	tokens, err := jwtauth.New(jwtauth.Config{Secret: secret})
//	...
//	srv, err := ignis.New(ignis.Config{
//		Authenticate:  tokens.Authenticate,
//		ValidateRooms: tokens.ValidateRooms,
//	})
//
// Clients send the token as data.token of their authenticate event. These claims are read:
//
//	sub    ID of the user, a string or an integer; required
//	exp    when the token expires; required
//	nbf    when the token becomes valid; optional
//	iat    when the token was issued; optional
//	iss    issuer; required if Config.Issuers is set, ignored otherwise
//	aud    services that the token is for; required if Config.Audiences is set, ignored otherwise
//	jti    ID of the token, a string or an integer; optional
//	rooms  list of the rooms that the client may join; optional, see Rooms
//	info   what other clients may see of the user; optional
//
// Config can name other claims instead of sub, rooms and info. [Claims.Field] returns any
// claim. The [*Claims] are the metadata of the client, so callbacks get them with
// [ignis.MetadataOf].
//
// # Keys
//
// Tokens are verified with HMAC secrets (HS256, HS384, HS512) and public keys (RS256 to
// RS512, PS256 to PS512, ES256, ES384, ES512, EdDSA). There may be several at a time, so
// that they can be rotated: add the new key, sign with it, and remove the old one when the
// last token that it signed has expired. Every key is bound to the algorithms that suit it:
// a public key cannot be used as a secret, and the algorithm none does not exist. Keys in
// the header of a token are ignored.
//
// Keys come from the configuration, from files that are read again when they change, and
// from JWK sets that are fetched over HTTP. The latter two need [Verifier.Run]:
//
//	tokens, err := jwtauth.New(jwtauth.Config{
//		JWKS:      []jwtauth.JWKS{{URL: "https://issuer.example/.well-known/jwks.json"}},
//		Issuers:   []string{"https://issuer.example/"},
//		Audiences: []string{"chat"},
//	})
//	...
//	go tokens.Run(ctx)
//
// A JWK set is fetched at intervals, and when a token has an unknown key ID, but then at
// most once per JWKS.MinRefresh, however many such tokens there are. While it cannot be
// fetched, the last keys stay valid. Until it has been fetched for the first time, tokens
// are refused with [ErrKeysUnavailable]. [Verifier.Reload] fetches and reads everything now:
// call it on SIGHUP, and before the server accepts clients if they should not be refused
// while Run starts.
//
// # Strictness
//
// A token that two parsers could interpret differently is refused. Names are compared
// exactly, including case, and no name may occur twice. Base64 must be in its canonical
// form. The size of a token is checked before anything is parsed, and its claims are not
// parsed before its signature has been verified. By default there is no leeway for exp, but
// the issuer's clock may be up to ten seconds ahead.
package jwtauth
